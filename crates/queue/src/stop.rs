//! How a run is told to stop, and how it holds on while something must not be cut.
//!
//! **Invariant:** a lost lease is not held up by a shield: what is shielded goes on in a task of
//! its own, and writes nothing that needs the claim.

use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Why a run shall stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The process is asked to end: the job runs elsewhere, at no cost.
    Shutdown,
    /// The lease is lost, or may be: somebody else may have the job.
    LeaseLost,
    /// Somebody no longer wants the job.
    Cancelled,
}

/// One run's ear for being told to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    token: CancellationToken,
    reason: OnceLock<Reason>,
    shields: watch::Sender<usize>,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                token: CancellationToken::new(),
                reason: OnceLock::new(),
                shields: watch::Sender::new(0),
            }),
        }
    }
}

impl Stop {
    /// Tells the run to stop. The first reason stays.
    pub fn stop(&self, reason: Reason) {
        let _ = self.inner.reason.set(reason);
        self.inner.token.cancel();
    }

    /// Waits until the run is told to stop.
    pub async fn stopped(&self) -> Reason {
        self.inner.token.cancelled().await;
        self.inner.reason.get().copied().unwrap_or(Reason::Shutdown)
    }

    /// Whether the run was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.inner.token.is_cancelled()
    }

    /// Holds the run until the shield is dropped, unless the lease is lost.
    pub fn shield(&self) -> Shield {
        self.inner.shields.send_modify(|shields| *shields += 1);
        Shield { inner: self.inner.clone() }
    }

    pub(crate) fn is_shielded(&self) -> bool {
        *self.inner.shields.borrow() > 0
    }

    pub(crate) async fn unshielded(&self) {
        let mut shields = self.inner.shields.subscribe();
        let _ = shields.wait_for(|shields| *shields == 0).await;
    }
}

/// Keeps a run from being cut while it lives.
#[derive(Debug)]
pub struct Shield {
    inner: Arc<Inner>,
}

impl Drop for Shield {
    fn drop(&mut self) {
        self.inner.shields.send_modify(|shields| *shields -= 1);
    }
}
