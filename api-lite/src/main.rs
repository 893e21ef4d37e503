//! The thin API: takes requests, enqueues jobs, shows rows. It never does the work.
//!
//! | file | what |
//! | --- | --- |
//! | `serve.rs` | connections, and how they end |
//! | `request.rs` | around every request: id, trace, time limit, log, measurement |
//! | `auth.rs`, `principal.rs` | who calls, what they may do, how often |
//! | `body.rs`, `page.rs` | what callers send; pages of lists |
//! | `enqueue/` | from a body to jobs in the ledger, and waiting for their end |
//! | `checks/` | what can be said against a job before it is accepted |
//! | `routes/` | one file per resource |
//! | `consent_state.rs` | what travels with a person to a consent page and back |
//! | `openapi.rs` | the document, from the routes and the catalogue |
//! | `problem.rs` | every refusal |
//! | `database.rs` | the database, and quick refusals while it is away |
//!
//! **Invariant:** links nothing that can publish, and logs in as a role that may only enqueue and
//! read.

mod analytics;
mod app;
mod auth;
mod body;
mod checks;
mod consent_state;
mod database;
mod diff;
mod enqueue;
mod figures;
mod intake;
mod openapi;
mod page;
mod principal;
mod problem;
mod request;
mod routes;
mod serve;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;
use tokio::net::TcpListener;

use crate::app::App;
use boot::{ApiConfig, Process, Telemetry};

/// The thin API of the fleet.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Prints the OpenAPI document.
    Openapi,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Some(Command::Openapi) => {
            let text = serde_json::to_string_pretty(&openapi::document())
                .expect("the document has string keys");
            match writeln!(std::io::stdout(), "{text}") {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        None => start(),
    }
}

fn start() -> ExitCode {
    let config = boot::or_exit(ApiConfig::from_env());
    let telemetry = match boot::telemetry::start(Process::Api, &config.log) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "{error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "api.failed");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(config, telemetry));
    // What is still running was given its time.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "api.failed");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: ApiConfig, telemetry: Telemetry) -> anyhow::Result<()> {
    let shutdown = boot::shutdown::on_signal().context("signals")?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {} (API_LISTEN)", config.listen))?;
    let address = listener.local_addr().context("the address of the listener")?;
    let app = App::new(&config, config.public_url_at(address), shutdown.clone())?;
    tracing::info!(api.address = %address, "api.listening");

    figures::start(&telemetry, &app.database);
    let router = routes::router(app.clone(), &telemetry);
    let serving = serve::serve(listener, router, shutdown, config.shutdown_timeout);
    let verifying = async {
        let verified = app.database.verify().await;
        if verified.is_ok() {
            tracing::info!("database.verified");
            std::future::pending::<()>().await;
        }
        verified
    };
    tokio::select! {
        () = serving => Ok(()),
        refused = verifying => refused.context("the database is not usable"),
    }
}
