//! The end of a process: SIGTERM or SIGINT cancels a token, a second one ends it at once.
//!
//! `main` asks for the token first and hands it to everything that runs.
//!
//! **Invariant:** after the first signal the process ends by itself; this module forces nothing
//! until a second one.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that the first SIGTERM or SIGINT cancels. From here on, neither ends the process by
/// itself; a second one ends it at once, with 128 and the signal's number as exit code.
///
/// Call it once, within the Tokio runtime.
///
/// # Errors
///
/// The operating system refused to register a handler.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let first = signals.next().await;
        tracing::info!(signal = first.name, "shutdown.begun");
        cancelled.cancel();
        let second = signals.next().await;
        tracing::warn!(signal = second.name, "shutdown.forced");
        std::process::exit(128 + second.number);
    });
    Ok(token)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

struct Received {
    name: &'static str,
    number: i32,
}

impl Signals {
    async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.terminate.recv() => Received { name: "SIGTERM", number: 15 },
            _ = self.interrupt.recv() => Received { name: "SIGINT", number: 2 },
        }
    }
}
