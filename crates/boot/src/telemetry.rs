//! Logs and metrics of a process.
//!
//! [`start`] is the first thing `main` does after reading its configuration; [`crate::admin`]
//! serves the metrics. A metric's dots become underscores, and its name bears its own unit, as in
//! `job.run.duration_seconds`.
//!
//! **Invariant:** set up once a process; what is recorded before that is lost, not an error.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, LogSettings};
use crate::env::Process;

/// Buckets of every histogram of seconds: from a claim (0.5 ms) to a post that was retried for an
/// hour.
pub const SECONDS: [f64; 20] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 180.0, 600.0, 1_800.0, 3_600.0,
];

/// Buckets of every histogram whose name ends in `jobs`: how many were done at once.
pub const JOBS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// Buckets of every histogram whose name ends in `bytes`: 1 KiB to 1 GiB.
pub const BYTES: [f64; 11] = [
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

/// How often histograms are drained: what is recorded between is kept sample by sample, 24 bytes
/// each, and a busy worker records 150,000 a second.
const UPKEEP_EVERY: Duration = Duration::from_millis(500);

/// Why telemetry could not be set up; the process must not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `LOG` does not parse.
    #[error("the log filter does not parse")]
    Filter(#[from] ParseError),
    /// Something else writes logs already.
    #[error("logs were set up twice")]
    Logs(#[from] TryInitError),
    /// Something else records metrics already.
    #[error("metrics were set up twice")]
    Metrics(#[from] BuildError),
    /// No thread could be started.
    #[error("the thread that drains metrics did not start")]
    Upkeep(#[from] std::io::Error),
}

/// A handle to the metrics of this process.
#[derive(Clone)]
pub struct Telemetry {
    prometheus: PrometheusHandle,
    process: Collector,
    at_scrape: Arc<Mutex<Vec<Read>>>,
}

type Read = Box<dyn Fn() + Send + Sync>;

impl Telemetry {
    /// All metrics, those of the process itself included, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.process.collect();
        for read in &*self.at_scrape.lock().unwrap_or_else(PoisonError::into_inner) {
            read();
        }
        self.prometheus.render()
    }

    /// Calls this whenever somebody asks for the metrics: for gauges that cost nothing to read.
    pub fn at_scrape(&self, read: impl Fn() + Send + Sync + 'static) {
        self.at_scrape.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(read));
    }
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telemetry")
    }
}

/// Sets up logs to standard error, metrics, and the panic hook.
///
/// # Errors
///
/// [`Error`] when the filter does not parse or something was set up before.
pub fn start(process: Process, log: &LogSettings) -> Result<Telemetry, Error> {
    crate::panics::install();
    subscriber(log, std::io::stderr)?.try_init()?;
    let telemetry = metrics()?;
    crate::figures::start(process.command(), env!("CARGO_PKG_VERSION"));
    Ok(telemetry)
}

fn subscriber<W>(
    log: &LogSettings,
    writer: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = fmt().with_env_filter(EnvFilter::try_new(&log.filter)?).with_writer(writer);
    Ok(match log.format {
        // Every span is listed, so that a line deep inside a call still names its job.
        LogFormat::Json => {
            let json = builder.json().flatten_event(true).with_current_span(false);
            Box::new(json.with_span_list(true).finish())
        }
        LogFormat::Text => Box::new(builder.with_ansi(false).finish()),
    })
}

fn metrics() -> Result<Telemetry, Error> {
    let prometheus = builder()?.install_recorder()?;
    let process = Collector::default();
    process.describe();
    let upkeep = prometheus.clone();
    std::thread::Builder::new().name("metrics-upkeep".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(UPKEEP_EVERY);
            upkeep.run_upkeep();
        }
    })?;
    Ok(Telemetry { prometheus, process, at_scrape: Arc::default() })
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("jobs".to_owned()), &JOBS)?
        .set_buckets_for_metric(Matcher::Suffix("bytes".to_owned()), &BYTES)
}

#[cfg(test)]
mod tests;
