//! How fast the fleet is: run by `bin/bench`, which starts private servers and sets the
//! environment. Each subcommand measures one thing; without one, all are measured, briefly.
//!
//! **Invariant:** what is told was checked: no figure comes from work that was not done.

mod analytics;
mod api;
mod burst;
mod case;
mod child;
mod claims;
mod clock;
mod drain;
mod enqueue;
mod everything;
mod explained;
mod fairness;
mod fleet;
mod load;
mod machine;
mod memory;
mod peers;
mod pickup;
mod polls;
mod report;
mod servers;
mod webhooks;
mod worker;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use peers::Peers;
use report::{Report, Style};
use servers::Servers;

/// Measures the fleet's speed.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// One JSON line for each case.
    #[arg(long, global = true)]
    json: bool,
    /// Tables for docs/benchmarks.md.
    #[arg(long, global = true, conflicts_with = "json")]
    markdown: bool,
    /// Other job systems side by side: drain, pickup and burst.
    #[arg(long, global = true)]
    peers: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How fast one worker process empties a queue.
    Drain(drain::Options),
    /// How fast jobs get into the ledger, through SQL and through HTTP.
    Enqueue(enqueue::Options),
    /// How soon an idle fleet starts a job.
    Pickup(pickup::Options),
    /// Many jobs due in the same instant: how late each starts and ends.
    Burst(burst::Options),
    /// What a claim takes beside a long history and under an old snapshot.
    Claims(claims::Options),
    /// What one organization's backlog does to the others.
    Fairness(fairness::Options),
    /// How fast signed events of a network are taken in, and made of what they mean.
    Webhooks(webhooks::Options),
    /// How often a network is asked for a post in its first 30 days.
    Polls(polls::Options),
    /// How fast events become sums, and what it takes to read them, beside the plain events.
    Analytics(analytics::Options),
    /// What a million schedules cost the clock, and how late it lets those start that are due at once.
    Clock(clock::Options),
    /// What the three processes hold in memory.
    Memory(memory::Options),
    /// All of these; briefly, unless told otherwise.
    Everything(everything::Options),
    /// The process under measurement; started by the others.
    #[command(hide = true)]
    Worker(worker::Options),
}

/// What options are when none is given.
fn defaults<T: clap::Args>() -> T {
    #[derive(Parser)]
    struct Only<T: clap::Args> {
        #[command(flatten)]
        options: T,
    }
    Only::parse_from(["bench"]).options
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "whoever waits for figures must know why there are none")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let arguments = Arguments::parse();
    let style = match (arguments.json, arguments.markdown) {
        (true, _) => Style::Json,
        (_, true) => Style::Markdown,
        _ => Style::People,
    };
    let command = match arguments.command {
        Some(Command::Worker(options)) => return worker::work(options).await,
        Some(other) => other,
        None => Command::Everything(everything::Options::default()),
    };
    let servers = Servers::find().await?;
    let peers = Peers::find(arguments.peers);
    let mut report = Report::new(style, &servers.facts);
    let measured = measure(&servers, &peers, &command, &mut report).await;
    // What was measured before something went wrong is told all the same.
    report.finish();
    measured
}

async fn measure(
    servers: &Servers,
    peers: &Peers,
    command: &Command,
    report: &mut Report,
) -> Result<()> {
    match command {
        Command::Drain(options) => drain::drain(servers, peers, options, report).await,
        Command::Enqueue(options) => enqueue::enqueue(servers, options, report).await,
        Command::Pickup(options) => pickup::pickup(servers, peers, options, report).await,
        Command::Burst(options) => burst::burst(servers, peers, options, report).await,
        Command::Claims(options) => claims::claims(servers, options, report).await,
        Command::Fairness(options) => fairness::fairness(servers, options, report).await,
        Command::Webhooks(options) => webhooks::webhooks(servers, options, report).await,
        Command::Polls(options) => polls::polls(servers, options, report).await,
        Command::Analytics(options) => analytics::analytics(servers, options, report).await,
        Command::Clock(options) => clock::clock(servers, options, report).await,
        Command::Memory(options) => memory::memory(servers, options, report).await,
        Command::Everything(options) => {
            everything::everything(servers, peers, options, report).await
        }
        Command::Worker(_) => unreachable!("run has returned"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        assert_eq!(defaults::<drain::Options>().jobs, [20_000, 200_000]);
    }
}
