//! A job that killed a worker before runs alone among those of its queue in this process, so that
//! it takes nobody with it again.
//!
//! **Invariant:** a job that waits to be alone holds up no other job, and waits a few seconds at
//! most.

use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

/// How long a suspect insists on being alone. Afterwards it is only kept apart from other suspects.
const INSIST: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// Who runs in one queue of this process.
#[derive(Debug, Default)]
pub(crate) struct Alone {
    suspects: Mutex<()>,
    running: RwLock<()>,
}

/// Held while a suspect runs.
#[derive(Debug)]
pub(crate) struct Suspect<'a> {
    _among_suspects: MutexGuard<'a, ()>,
    _among_all: Option<RwLockWriteGuard<'a, ()>>,
}

impl Alone {
    /// Runs beside others, unless a suspect is alone right now.
    pub(crate) async fn beside_others(&self) -> RwLockReadGuard<'_, ()> {
        self.running.read().await
    }

    /// Waits for a moment in which nothing else runs. Never queues for it: that would hold up
    /// everybody who comes later. Suspects that came together insist together, not one after the
    /// other: each keeps a slot meanwhile.
    pub(crate) async fn for_a_suspect(&self) -> Suspect<'_> {
        let until = Instant::now() + INSIST;
        let among_suspects = self.suspects.lock().await;
        let among_all = loop {
            match self.running.try_write() {
                Ok(alone) => break Some(alone),
                Err(_) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                Err(_) => break None,
            }
        };
        Suspect { _among_suspects: among_suspects, _among_all: among_all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_suspect_holds_nobody_up_and_does_not_wait_for_ever() {
        let alone = Alone::default();
        let long = alone.beside_others().await;
        let suspect = alone.for_a_suspect();
        tokio::pin!(suspect);
        assert!(futures::poll!(&mut suspect).is_pending(), "something else runs");
        drop(alone.beside_others().await);
        drop(suspect.await);
        drop(long);
    }

    #[tokio::test(start_paused = true)]
    async fn suspects_that_came_together_do_not_wait_one_after_the_other() {
        let alone = Alone::default();
        let _long = alone.beside_others().await;
        let began = Instant::now();
        let suspects = std::iter::repeat_with(|| async { drop(alone.for_a_suspect().await) });
        futures::future::join_all(suspects.take(7)).await;
        assert!(began.elapsed() < INSIST + LOOK * 2, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_suspect_is_alone_when_nothing_else_runs() {
        let alone = Alone::default();
        let suspect = alone.for_a_suspect().await;
        assert!(alone.running.try_read().is_err());
        drop(suspect);
        assert!(alone.running.try_read().is_ok());
    }
}
