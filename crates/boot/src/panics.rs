//! The panic hook: a panic becomes one log line.
//!
//! Set by [`crate::telemetry::start`]; what catches the panic decides what follows.
//!
//! **Invariant:** a panic before the log is set up is still seen, on standard error.

use std::panic::{self, PanicHookInfo};

use tracing::dispatcher::get_default;
use tracing::subscriber::NoSubscriber;

/// From here on panics are logged as `panic`, with place and thread.
pub(crate) fn install() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let silent = get_default(|dispatch| dispatch.is::<NoSubscriber>());
        if silent { before(info) } else { log(info) }
    }));
}

fn log(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(
        panic.message = info.payload_as_str().unwrap_or("not a text"),
        panic.location = info.location().map(tracing::field::display),
        panic.thread = thread.name(),
        panic.backtrace = (backtrace.status() == std::backtrace::BacktraceStatus::Captured)
            .then(|| tracing::field::display(&backtrace)),
        "panic"
    );
}
