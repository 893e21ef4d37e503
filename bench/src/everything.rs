//! All measurements, one after another.
//!
//! **Invariant:** without options it takes minutes; with `--full` it is what docs/benchmarks.md
//! shows.

use anyhow::{Result, ensure};

use crate::defaults;
use crate::load::Ballast;
use crate::peers::Peers;
use crate::report::Report;
use crate::servers::Servers;
use crate::{
    analytics, burst, claims, clock, drain, enqueue, fairness, memory, pickup, polls, webhooks,
};

/// How much.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// With the sizes of docs/benchmarks.md, drain and burst again beside 1,000,000 jobs for later
    /// and 10,000,000 finished ones: an hour, and 15 GB of disk.
    #[arg(long)]
    full: bool,
}

const BALLAST: Ballast = Ballast { scheduled: 1_000_000, history: 10_000_000 };

/// Runs all.
pub(crate) async fn everything(
    servers: &Servers,
    peers: &Peers,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let mut drained: drain::Options = defaults();
    let mut enqueued: enqueue::Options = defaults();
    let mut picked: pickup::Options = defaults();
    let mut burst: burst::Options = defaults();
    let mut claimed: claims::Options = defaults();
    let mut fair: fairness::Options = defaults();
    let mut held: memory::Options = defaults();
    let mut told: webhooks::Options = defaults();
    let mut added: analytics::Options = defaults();
    let mut clocked: clock::Options = defaults();
    if !options.full {
        drained.jobs = vec![20_000];
        enqueued.jobs = 5_000;
        enqueued.rounds = 1;
        picked.samples = 300;
        burst.rounds = 1;
        claimed.history = 200_000;
        claimed.under_snapshot = 100_000;
        claimed.jobs = 20_000;
        fair.backlog = 40_000;
        fair.seconds = 5;
        fair.cost_jobs = 0;
        held.single = 1_000;
        held.batches = 4;
        told.events = 10_000;
        told.rounds = 1;
        added.events = 200_000;
        added.posts = 2_000;
        added.requests = 50;
        clocked.schedules = 20_000;
        clocked.series = 2_000;
        clocked.organizations = 100;
        clocked.due = 1_000;
        clocked.quiet_secs = 10;
        clocked.rounds = 1;
    }
    let mut failed = Failed::default();
    failed.note("drain", drain::drain(servers, peers, &drained, report).await);
    failed.note("enqueue", enqueue::enqueue(servers, &enqueued, report).await);
    failed.note("pickup", pickup::pickup(servers, peers, &picked, report).await);
    failed.note("burst", burst::burst(servers, peers, &burst, report).await);
    failed.note("fairness", fairness::fairness(servers, &fair, report).await);
    failed.note("claims", claims::claims(servers, &claimed, report).await);
    failed.note("webhooks", webhooks::webhooks(servers, &told, report).await);
    failed.note("polls", polls::polls(servers, &defaults(), report).await);
    failed.note("memory", memory::memory(servers, &held, report).await);
    failed.note("clock", clock::clock(servers, &clocked, report).await);
    failed.note("analytics", analytics::analytics(servers, &added, report).await);
    if options.full {
        let alone = Peers::default();
        drained.ballast = BALLAST;
        failed.note("drain", drain::drain(servers, &alone, &drained, report).await);
        burst.ballast = BALLAST;
        failed.note("burst", burst::burst(servers, &alone, &burst, report).await);
    }
    failed.end()
}

/// What went wrong; the others are measured all the same.
#[derive(Default)]
struct Failed(Vec<&'static str>);

impl Failed {
    #[expect(clippy::print_stderr, reason = "a missing figure needs a reason, beside the figures")]
    fn note(&mut self, name: &'static str, measured: Result<()>) {
        if let Err(error) = measured {
            eprintln!("{name}: {error:#}");
            self.0.push(name);
        }
    }

    fn end(self) -> Result<()> {
        ensure!(self.0.is_empty(), "no figures for {}", self.0.join(", "));
        Ok(())
    }
}
