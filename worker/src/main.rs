//! The worker: everything that is done.
//!
//! `dispatch.rs` hands each claimed job to its handler; the handlers stand in one folder per duty,
//! one file per kind. The queue itself is the crate `queue`.
//!
//! **Invariant:** the only process that links what can publish.

mod accounts;
mod analytics;
mod billing;
mod content;
mod control;
mod dispatch;
mod engagement;
mod figures;
mod fleet;
mod keys;
mod maintenance;
mod models;
mod organizations;
mod publishing;
mod run;

use anyhow::Context;
use boot::admin::Checks;
use boot::{Process, WorkerConfig};
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use bell::Bell;
use dispatch::Dispatch;
use fleet::{Fleet, Publishing};
use jobs::Queue;
use models::Models;
use store::{Login, Store};

/// How long a network may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The worker of Ezre Comms.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The keys that seal tokens.
    #[command(subcommand)]
    Keys(Keys),
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Seals every token with the first key of `TOKEN_KEYS`, while the fleet runs.
    Rotate,
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(Command::Keys(Keys::Rotate)) = Arguments::parse().command {
        return match keys::rotate().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the keys are not rotated");
                ExitCode::FAILURE
            }
        };
    }
    let config = boot::or_exit(WorkerConfig::from_env());
    let telemetry = match boot::telemetry::start(Process::Worker, &config.log) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            tracing::error!(%error, "cannot start telemetry");
            return ExitCode::FAILURE;
        }
    };
    match work(config, telemetry).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the worker cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn work(config: WorkerConfig, telemetry: boot::Telemetry) -> anyhow::Result<()> {
    let shutdown = boot::shutdown::on_signal().context("cannot listen for signals")?;
    let url = config.database_url.expose_secret();
    let store = Store::new(url, Login::Worker, config.database_pool_size)?;
    let lease_store = Store::new(url, Login::Worker, 1)?;
    // Metrics stay readable while the worker hands over.
    let drained = CancellationToken::new();
    figures::start(&telemetry, &store, &lease_store);
    let flow = figures::flow(&config, store.clone());
    let ready = store.clone();
    let checks = Checks::new().work(flow.clone()).ready(move || {
        let store = ready.clone();
        async move { store.ping().await.map_err(|error| error.to_string()) }
    });
    let listen = config.metrics_listen;
    let admin = boot::admin::serve_admin(listen, &telemetry, checks, drained.clone()).await?;
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        verified = futures::future::try_join(store.verify_when_up(), lease_store.verify_when_up()) => {
            verified.context("the database refuses this worker")?;
        }
    }
    let bell = match &config.redis {
        Some(redis) => Bell::connect(Some(redis.url.expose_secret()), &redis.prefix)?,
        None => Bell::silent(),
    };
    let shielded = TaskTracker::new();
    let fleet = Arc::new(fleet(&config, store.clone(), bell.clone())?);
    let settings = settings(&config)?;
    tokio::spawn(flow.watch(drained.clone()));
    queue::run(
        store,
        lease_store,
        bell,
        settings,
        Arc::new(Dispatch { fleet, shielded: shielded.clone() }),
        shielded,
        shutdown.clone(),
    )
    .await?;
    drained.cancel();
    let _ = admin.task.await;
    Ok(())
}

fn fleet(config: &WorkerConfig, store: Store, bell: Bell) -> anyhow::Result<Fleet> {
    Ok(Fleet {
        store,
        bell,
        x: connectors::X::new(
            config.x_api_url.clone(),
            config.publish_request_timeout,
            CONNECT_TIMEOUT.min(config.publish_request_timeout),
        )
        .context("cannot make the client of X")?,
        x_oauth: x_oauth(config)?,
        media: fleet::media(&config.media)?,
        language: Models::new(models::LANGUAGE, config.language_models.as_ref())
            .context("LLM_…")?,
        images: Models::new(models::IMAGE, config.image_models.as_ref()).context("IMAGE_…")?,
        max_upload_bytes: config.max_upload_bytes,
        token_keys: seal::TokenKeys::parse(&config.token_keys).context("TOKEN_KEYS")?,
        travel_keys: seal::TravelKeys::parse(&config.travel_keys).context("TRAVEL_KEYS")?,
        publishing: Publishing {
            request_timeout: config.publish_request_timeout,
            send_window: config.publish_send_window,
            reconcile_wait: config.reconcile_wait,
        },
    })
}

/// X's OAuth endpoints, when our app is set up there.
fn x_oauth(config: &WorkerConfig) -> anyhow::Result<Option<connectors::XOAuth>> {
    let Some(client_id) = config.x_client_id.clone() else { return Ok(None) };
    let app = connectors::App { client_id, client_secret: config.x_client_secret.clone() };
    let timeout = config.publish_request_timeout;
    let connect = CONNECT_TIMEOUT.min(timeout);
    let oauth = connectors::XOAuth::new(config.x_api_url.clone(), app, timeout, connect);
    oauth.map(Some).context("cannot make the client of X's OAuth endpoints")
}

fn settings(config: &WorkerConfig) -> anyhow::Result<queue::Settings> {
    let queues = config
        .queues
        .iter()
        .map(|slots| Ok((slots.queue.parse::<Queue>()?, slots.slots)))
        .collect::<anyhow::Result<Vec<_>>>()
        .context("WORKER_QUEUES")?;
    Ok(queue::Settings {
        name: config.name.clone(),
        host: hostname(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        queues,
        organization_percent: config.organization_slots_percent,
        renew: config.lease_renew,
        ttl: config.lease.ttl,
        grace: config.lease.rescue_grace,
        shutdown_timeout: config.shutdown_timeout,
    })
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}
