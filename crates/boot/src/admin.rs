//! The inner port of the scheduler and the worker: metrics and health.
//!
//! Served beside the process's own work; the API nests [`metrics_router`] where it sees fit.
//!
//! **Invariant:** answers without waiting for anything but the check that was asked for, and for
//! that no longer than five seconds.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Telemetry;
use crate::flow::{Flow, Stuck};

/// How long a check may take before it counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Why something is not healthy: a sentence for operators, without secrets.
pub type Reason = String;

/// What a failed check answers.
#[derive(Debug, Default, Serialize)]
pub struct Failing {
    /// Why.
    pub reason: Reason,
    /// The queues in which due work does not move, the worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<Stuck>,
}

impl From<Reason> for Failing {
    fn from(reason: Reason) -> Self {
        Self { reason, queues: Vec::new() }
    }
}

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Failing>> + Send + Sync>;

/// What `/health/ready` and `/health/work` ask. Without a check of its own, a process is always
/// ready, and does not answer for work.
#[derive(Clone)]
pub struct Checks {
    ready: Check,
    work: Option<Check>,
}

impl Checks {
    /// Always ready.
    pub fn new() -> Self {
        Self { ready: Arc::new(|| Box::pin(async { Ok(()) })), work: None }
    }

    /// Asks this whether the process can accept work.
    #[must_use]
    pub fn ready<F>(mut self, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Reason>> + Send + 'static,
    {
        self.ready = Arc::new(move || {
            let ready = check();
            Box::pin(async move { Ok(ready.await?) })
        });
        self
    }

    /// Asks this whether work is flowing.
    #[must_use]
    pub fn work(mut self, flow: Arc<Flow>) -> Self {
        self.work = Some(Arc::new(move || {
            let flow = Arc::clone(&flow);
            Box::pin(async move { flow.check().await })
        }));
        self
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checks")
    }
}

/// Why the inner port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen} (METRICS_LISTEN)")]
pub struct Error {
    listen: SocketAddr,
    source: std::io::Error,
}

/// A running admin server.
#[derive(Debug)]
pub struct Admin {
    /// Where it listens; with port 0 asked for, the port that was free.
    pub address: SocketAddr,
    /// Ends after the shutdown token was cancelled.
    pub task: JoinHandle<()>,
}

/// Serves [`metrics_router`] in a task of its own until `shutdown` is cancelled, and logs its
/// address as `admin.listening`. To be seen while draining, give it a token that is cancelled
/// last.
///
/// # Errors
///
/// [`Error`] when the address cannot be bound.
pub async fn serve_admin(
    listen: SocketAddr,
    telemetry: &Telemetry,
    checks: Checks,
    shutdown: CancellationToken,
) -> Result<Admin, Error> {
    let failed = |source| Error { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let router = metrics_router(telemetry, checks);
    let task = tokio::spawn(async move {
        let served =
            axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(error = &error as &dyn std::error::Error, "admin.failed");
        }
    });
    tracing::info!(admin.address = %address, "admin.listening");
    Ok(Admin { address, task })
}

/// `/metrics`, `/health/live`, `/health/ready` and, where there is a check for it,
/// `/health/work`. A failed check answers 503 with its reason.
pub fn metrics_router(telemetry: &Telemetry, checks: Checks) -> Router {
    let telemetry = telemetry.clone();
    let metrics = move || async move {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry.render())
    };
    let asking = |check: Check| get(async move || answer(&check, CHECK_TIMEOUT).await);
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(async || healthy()))
        .route("/health/ready", asking(checks.ready));
    match checks.work {
        Some(work) => router.route("/health/work", asking(work)),
        None => router,
    }
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    #[serde(flatten)]
    failing: Option<Failing>,
}

fn healthy() -> Response {
    Json(Health { status: "ok", failing: None }).into_response()
}

async fn answer(check: &Check, longest: Duration) -> Response {
    let outcome = tokio::time::timeout(longest, check()).await;
    let outcome = outcome.unwrap_or_else(|_| {
        Err(format!("the check took longer than {} ms", longest.as_millis()).into())
    });
    match outcome {
        Ok(()) => healthy(),
        Err(failing) => {
            let health = Health { status: "failing", failing: Some(failing) };
            (StatusCode::SERVICE_UNAVAILABLE, Json(health)).into_response()
        }
    }
}

#[cfg(test)]
mod tests;
