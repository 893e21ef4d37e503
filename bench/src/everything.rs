//! All measurements, one after another.
//!
//! **Invariant:** without options it takes minutes; with `--full` it is what docs/benchmarks.md
//! shows.

use anyhow::Result;

use crate::defaults;
use crate::load::Ballast;
use crate::peers::Peers;
use crate::report::Report;
use crate::servers::Servers;
use crate::{burst, claims, drain, enqueue, fairness, memory, pickup};

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
    }
    drain::drain(servers, peers, &drained, report).await?;
    enqueue::enqueue(servers, &enqueued, report).await?;
    pickup::pickup(servers, peers, &picked, report).await?;
    burst::burst(servers, peers, &burst, report).await?;
    fairness::fairness(servers, &fair, report).await?;
    claims::claims(servers, &claimed, report).await?;
    memory::memory(servers, &held, report).await?;
    if options.full {
        let alone = Peers::default();
        drained.ballast = BALLAST;
        drain::drain(servers, &alone, &drained, report).await?;
        burst.ballast = BALLAST;
        burst::burst(servers, &alone, &burst, report).await?;
    }
    Ok(())
}
