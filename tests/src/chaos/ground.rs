//! Where it all happens: the fleet, its places, what was done to it.
//!
//! **Invariant:** it outlives every task that does something to the fleet.

use std::time::Duration;

use anyhow::Result;
use simulator::{LimitSetting, SettingsPatch};
use tokio::sync::Mutex;

use super::crew::Crew;
use super::eyes::Eyes;
use super::record::Record;
use crate::harness::{Care, Fleet, Proxy, Setup};

/// How long bytes are on their way to Postgres: long enough for jobs to be hit in the middle.
const LINE: Duration = Duration::from_millis(2);
/// How long a post is missing from its author's timeline.
const LOOKUP_LAG_MS: u64 = 300;

/// The fleet under chaos.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Its places.
    pub(crate) crew: Crew,
    /// What was done.
    pub(crate) record: Record,
    /// What it holds.
    pub(crate) eyes: Eyes,
    /// The way of the frontends to the API.
    pub(crate) front: Proxy,
    /// Of each server, one fault at a time.
    pub(super) postgres: Mutex<()>,
    pub(super) redis: Mutex<()>,
    /// The fleet.
    pub(crate) fleet: Fleet,
}

/// How the fleet is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How often a lease is renewed.
    pub renew: Duration,
    /// After how long a silence a worker is lost.
    pub lease: Duration,
    /// How long nobody is declared lost after Postgres came back.
    pub grace: Duration,
    /// How long a caller of the network waits for its answer.
    pub answer: Duration,
    /// How long after its intent a publishing call may still be begun.
    pub window: Duration,
    /// The wait before an unknown outcome is looked up, and between two looks.
    pub look: Duration,
}

impl Times {
    /// Leases as they are by default; the network's times are shortened.
    pub const DEFAULT: Times = Times {
        renew: Duration::from_secs(3),
        lease: Duration::from_secs(10),
        grace: Duration::from_secs(15),
        answer: Duration::from_millis(3_000),
        window: Duration::from_millis(2_000),
        look: Duration::from_millis(1_500),
    };

    /// Everything is quick.
    pub const QUICK: Times = Times {
        renew: Duration::from_millis(500),
        lease: Duration::from_millis(2_500),
        grace: Duration::from_millis(2_500),
        answer: Duration::from_millis(2_000),
        window: Duration::from_millis(1_000),
        look: Duration::from_millis(1_000),
    };

    /// As the processes are told.
    pub(crate) fn on(&self, setup: Setup) -> Setup {
        let ms = |time: Duration| time.as_millis().to_string();
        setup
            .with("LEASE_RENEW_MS", &ms(self.renew))
            .with("LEASE_TTL_MS", &ms(self.lease))
            .with("RESCUE_GRACE_MS", &ms(self.grace))
            .with("PUBLISH_REQUEST_TIMEOUT_MS", &ms(self.answer))
            .with("PUBLISH_SEND_WINDOW_MS", &ms(self.window))
            .with("RECONCILE_WAIT_MS", &ms(self.look))
            .with("SHUTDOWN_TIMEOUT_MS", "20000")
    }
}

impl Ground {
    /// A fleet with servers of its own.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn prepare(care: Care, times: &Times, workers: usize) -> Result<Self> {
        let setup = times
            .on(Setup::default().workers(workers).schedulers(2).can_be_cut().own_servers(care))
            .with("WORKER_QUEUES", "control=2,interactive=8,publish=8,connect=8,maintenance=1")
            .with("LOG", "info,sqlx=error");
        let fleet = Fleet::start(setup).await?;
        if let Some(line) = &fleet.postgres {
            line.takes(LINE);
        }
        without_limits(&fleet).await?;
        let (crew, eyes) = (Crew::of(&fleet), Eyes::of(&fleet.database)?);
        let api = fleet.operator().base_url().trim_start_matches("http://").to_owned();
        let front = Proxy::start(&api, true)?;
        let (postgres, redis) = (Mutex::default(), Mutex::default());
        Ok(Self { crew, record: Record::default(), eyes, front, postgres, redis, fleet })
    }
}

/// The network counts nobody's calls: it says 429 when it is told to. It takes the same text any number
/// of times: that nothing goes out twice must be the fleet's doing.
pub(crate) async fn without_limits(fleet: &Fleet) -> Result<()> {
    let network = fleet.simulator();
    let no_limit = LimitSetting { limit: 1_000_000, window_ms: 900_000 };
    let limits = network.settings().await?.limits.into_keys().map(|name| (name, no_limit));
    let patch = SettingsPatch {
        limits: limits.collect(),
        lookup_lag_ms: Some(LOOKUP_LAG_MS),
        duplicate_window_ms: Some(0),
        ..SettingsPatch::default()
    };
    network.change(&patch).await?;
    Ok(())
}
