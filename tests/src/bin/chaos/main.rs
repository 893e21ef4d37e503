//! Chaos on the real processes: breaks what can break, by a schedule that a seed names, and compares
//! what is left with what was promised.
//!
//! `bin/chaos` builds the programs and runs this. The servers are its own, and durable.
//!
//! **Invariant:** it ends with 0 only if everything was as promised.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use fleet_tests::chaos::{self, Times, accounts, clock, publish};
use fleet_tests::harness::Care;

/// Breaks what can break, and compares what is left with what was promised.
#[derive(Debug, Parser)]
#[command(name = "chaos", version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Names the schedule of faults and the load.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// At least so many jobs.
    #[arg(long, default_value_t = 5_000)]
    jobs: usize,
    /// So many processes are killed; other faults come in proportion.
    #[arg(long, default_value_t = 15)]
    kills: usize,
    /// How long jobs come and faults happen; when not given, five seconds for each kill.
    #[arg(long)]
    minutes: Option<f64>,
    /// How many workers there are.
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Writes the figures into this document, between its marks.
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kills workers at every step of refreshing tokens and generating content.
    Accounts {
        /// Names the order of the boundaries, and the moments of death.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// At least so many workers are killed.
        #[arg(long, default_value_t = 200)]
        kills: usize,
        /// Writes the figures into this document, between its marks.
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Kills schedulers around the ticks of series that go out every second.
    ///
    /// The ticks are shared among series that run at the same time, each on an account of its own: 1,000 ticks
    /// of two series take 500 seconds, those of one 1,000. What X allows an account in 15 minutes is lifted in
    /// the network's stand-in. Ticks are planned 0.3 seconds ahead instead of a minute, so that each needs a
    /// scheduler that lives.
    Clock {
        /// Names the order of the faults, and their moments.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// At least so many ticks of one second, of all series.
        #[arg(long, default_value_t = 1_000)]
        ticks: usize,
        /// So many series share them.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=20))]
        series: u8,
        /// Writes the figures into this document, between its marks.
        #[arg(long)]
        report: Option<PathBuf>,
    },
    /// Kills workers at every step of publishing.
    Publish {
        /// Names the order of the boundaries, and the moments of death.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// At least so many posts.
        #[arg(long, default_value_t = 1_000)]
        runs: usize,
        /// Writes the figures into this document, between its marks.
        #[arg(long)]
        report: Option<PathBuf>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let running = async {
        match &arguments.command {
            None => run(&arguments).await,
            Some(Command::Accounts { seed, kills, report }) => {
                let options = accounts::Options { seed: *seed, kills: *kills, care: Care::Durable };
                let tally = accounts::run(options, say).await?;
                tell("accounts", &tally.page(), &tally.line(), report.as_deref())?;
                Ok(tally.is_good())
            }
            Some(Command::Clock { seed, ticks, series, report }) => {
                let (seed, ticks, series) = (*seed, *ticks, usize::from(*series));
                let options = clock::Options { seed, ticks, series, care: Care::Durable };
                let tally = clock::run(options, say).await?;
                tell("clock", &tally.page(), &tally.line(), report.as_deref())?;
                Ok(tally.is_good())
            }
            Some(Command::Publish { seed, runs, report }) => {
                let options = publish::Options {
                    seed: *seed,
                    runs: *runs,
                    boundaries: publish::Options::ALL_BOUNDARIES,
                    care: Care::Durable,
                };
                let tally = publish::run(options, say).await?;
                tell("publish", &tally.page(), &tally.line(), report.as_deref())?;
                Ok(tally.is_good())
            }
        }
    };
    let told = tokio::select! {
        told = running => told,
        // Everything is dropped, and with it every process and server.
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("chaos cannot go on: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool> {
    let secs = arguments.minutes.map_or(arguments.kills as f64 * 5.0, |minutes| minutes * 60.0);
    let options = chaos::Options {
        seed: arguments.seed,
        jobs: arguments.jobs,
        kills: arguments.kills,
        span: Duration::try_from_secs_f64(secs).context("--minutes")?,
        workers: arguments.workers,
        times: Times::DEFAULT,
        care: Care::Durable,
    };
    let report = chaos::run(options, say).await?;
    for complaint in report.complaints() {
        say(&complaint);
    }
    tell("run", &report.page(), &report.line(), arguments.report.as_deref())?;
    Ok(report.is_good())
}

/// Shows the page, writes it where it is wanted, and ends with the totals.
fn tell(mark: &str, page: &str, line: &str, document: Option<&Path>) -> Result<()> {
    say(page);
    if let Some(path) = document {
        write(path, mark, page)?;
    }
    say(line);
    Ok(())
}

fn write(path: &Path, mark: &str, page: &str) -> Result<()> {
    let told = || path.display().to_string();
    let document = std::fs::read_to_string(path).with_context(told)?;
    let document = chaos::insert(&document, mark, page)
        .with_context(|| format!("{} has no marks for {mark}", path.display()))?;
    std::fs::write(path, document).with_context(told)
}

#[expect(clippy::print_stdout, reason = "for the person who runs it")]
fn say(line: &str) {
    println!("{line}");
}
