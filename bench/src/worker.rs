//! `bench worker`: the queue as production runs it, with a handler that does next to nothing.
//!
//! A process of its own, so that its CPU and memory can be told apart. It ends when its standard
//! input does, so that it never outlives the bench.
//!
//! **Invariant:** everything but the handler is the worker's own: `queue::run` with the ledger,
//! the lease, the fences, the history, the fair claims, the bell and the metrics.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use boot::config::{LogFormat, LogSettings};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::machine;
use bell::Bell;
use jobs::Queue;
use queue::{End, Handler, Settings, Stop};
use store::ledger::ClaimedJob;
use store::{Login, Store};

/// How the worker under measurement works.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Queues and slots, as in WORKER_QUEUES.
    #[arg(long, default_value = "interactive=2000")]
    pub(crate) queues: String,
    /// Connections to Postgres.
    #[arg(long, default_value_t = 16)]
    pub(crate) pool: u32,
    /// Percent of the slots that one organization may take.
    #[arg(long, default_value_t = 75)]
    pub(crate) percent: u32,
    /// How long each job takes, in microseconds: asleep, not busy.
    #[arg(long, default_value_t = 0)]
    pub(crate) work_us: u64,
    /// Says so when so many jobs have been handled.
    #[arg(long, value_delimiter = ',', hide = true)]
    pub(crate) expect: Vec<u64>,
    /// Writes down when each job's handler started.
    #[arg(long, hide = true)]
    pub(crate) starts: bool,
}

impl Default for Options {
    fn default() -> Self {
        crate::defaults()
    }
}

impl Options {
    /// For whoever repeats it.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "queues": self.queues, "pool": self.pool, "percent": self.percent,
            "work_us": self.work_us,
        })
    }

    /// The command line of a worker like this.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["worker".to_owned()];
        for (name, value) in [
            ("--queues", self.queues.clone()),
            ("--pool", self.pool.to_string()),
            ("--percent", self.percent.to_string()),
            ("--work-us", self.work_us.to_string()),
        ] {
            arguments.extend([name.to_owned(), value]);
        }
        for count in &self.expect {
            arguments.extend(["--expect".to_owned(), count.to_string()]);
        }
        arguments.extend(self.starts.then(|| "--starts".to_owned()));
        arguments
    }
}

/// One start: the job, and the shared clock.
type Start = (Uuid, u64);

struct NoOp {
    work: Duration,
    handled: AtomicU64,
    expect: Vec<u64>,
    starts: Option<Mutex<Vec<Start>>>,
}

impl Handler for NoOp {
    async fn handle(&self, job: ClaimedJob, _: Stop) -> End {
        if let Some(starts) = &self.starts {
            let start = (job.id.0, machine::monotonic_ns());
            starts.lock().expect("nobody panics while holding this lock").push(start);
        }
        if !self.work.is_zero() {
            tokio::time::sleep(self.work).await;
        }
        let handled = self.handled.fetch_add(1, Ordering::Relaxed) + 1;
        if self.expect.contains(&handled) {
            say(&json!({ "handled": handled }));
        }
        End::Done(json!({}))
    }
}

/// Works until told to stop.
///
/// # Errors
/// When the databases refuse.
pub(crate) async fn work(options: Options) -> Result<()> {
    let log = LogSettings { filter: "info".to_owned(), format: LogFormat::Json };
    let _telemetry = boot::telemetry::start(boot::Process::Worker, &log)?;
    let shutdown = boot::shutdown::on_signal()?;
    end_with_stdin(shutdown.clone());
    let url = std::env::var("WORKER_DATABASE_URL").context("WORKER_DATABASE_URL")?;
    let store = Store::new(&url, Login::Worker, options.pool)?;
    let lease_store = Store::new(&url, Login::Worker, 1)?;
    store.verify().await?;
    lease_store.verify().await?;
    let redis = std::env::var("REDIS_URL").context("REDIS_URL")?;
    let prefix = std::env::var("REDIS_PREFIX").context("REDIS_PREFIX")?;
    let bell = Bell::connect(Some(&redis), &prefix)?;
    let handler = Arc::new(NoOp {
        work: Duration::from_micros(options.work_us),
        handled: AtomicU64::new(0),
        expect: options.expect.clone(),
        starts: options.starts.then(Mutex::default),
    });
    let settings = settings(&options)?;
    let shielded = TaskTracker::new();
    queue::run(store, lease_store, bell, settings, handler.clone(), shielded, shutdown).await?;
    report(&handler);
    Ok(())
}

fn settings(options: &Options) -> Result<Settings> {
    let queues = options.queues.split(',').map(|one| {
        let (queue, slots) = one.split_once('=').context("expected <queue>=<slots>")?;
        Ok((queue.parse::<Queue>()?, slots.parse::<usize>()?))
    });
    Ok(Settings {
        name: format!("bench-{}", std::process::id()),
        host: "bench".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        queues: queues.collect::<Result<_>>()?,
        organization_percent: options.percent,
        // The defaults of the worker's configuration.
        renew: Duration::from_secs(3),
        ttl: Duration::from_secs(10),
        grace: Duration::from_secs(15),
        shutdown_timeout: Duration::from_secs(25),
    })
}

/// Stops the worker when whoever started it is gone. In a thread of its own: the runtime would wait
/// for a read that is under way.
fn end_with_stdin(shutdown: CancellationToken) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        shutdown.cancel();
    });
}

/// Everything that was written down, at the very end, so that writing disturbs nothing.
fn report(handler: &NoOp) {
    if let Some(starts) = &handler.starts {
        let starts = starts.lock().expect("nobody panics while holding this lock");
        let mut out = std::io::stdout().lock();
        for (id, ns) in starts.iter() {
            let _ = writeln!(out, "start {id} {ns}");
        }
    }
    say(&json!({ "stopped": handler.handled.load(Ordering::Relaxed) }));
}

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    // Nobody is left to hear it when the pipe is closed.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
