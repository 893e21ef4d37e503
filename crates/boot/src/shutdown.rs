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

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    use super::*;

    const CHILD: &str = "BOOT_TEST_CHILD";

    fn say(word: &str) {
        writeln!(io::stdout(), "{word}").expect("somebody reads");
    }

    /// The process that the test below starts and signals; nothing when run as a test.
    #[tokio::test]
    async fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let token = on_signal().expect("handlers");
        say("ready");
        token.cancelled().await;
        say("cancelled");
        std::future::pending::<()>().await;
    }

    #[test]
    fn a_first_signal_cancels_and_a_second_one_ends_at_once() {
        for (first, second, code) in
            [("TERM", "TERM", 143), ("INT", "TERM", 143), ("TERM", "INT", 130)]
        {
            let mut child = Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "shutdown::tests::child", "--nocapture"])
                .env(CHILD, "1")
                .stdout(Stdio::piped())
                .spawn()
                .expect("starts");
            let id = child.id().to_string();
            let kill = |signal| {
                let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill");
                assert!(sent.success());
            };
            let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
            let mut lines = lines.map(|line| line.expect("text"));
            assert!(lines.any(|line| line.ends_with("ready")));
            kill(first);
            assert!(lines.any(|line| line.ends_with("cancelled")), "SIG{first} cancels the token");
            kill(second);
            assert_eq!(child.wait().expect("ends").code(), Some(code), "SIG{second} after it");
        }
    }
}
