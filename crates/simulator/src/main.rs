//! The simulator as a process: prints where it listens, serves until it is told to stop.
//!
//! **Invariant:** stdout carries exactly one line, the address; logs go to stderr.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A stand-in for X and for language and image models, with fault injection.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// How logs are written to stderr.
    #[arg(long, value_enum, default_value = "auto")]
    log: Log,
}

#[derive(Clone, Copy, ValueEnum)]
enum Log {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let json = match options.log {
        Log::Auto => !std::io::stderr().is_terminal(),
        Log::Text => false,
        Log::Json => true,
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        logs.json().init()
    } else {
        logs.init()
    }

    let listener = TcpListener::bind(&options.listen)
        .await
        .with_context(|| format!("listening on {}", options.listen))?;
    let address = listener.local_addr().context("the listener's address")?;
    let mut stop = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    writeln!(std::io::stdout(), "listening on http://{address}").context("telling the address")?;
    simulator::serve(listener, async {
        tokio::select! {
            _ = stop.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
    .context("serving")
}
