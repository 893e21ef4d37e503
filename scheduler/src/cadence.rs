//! How often each step is done: rows of `cadences`, read at the start and looked at again meanwhile.
//!
//! **Invariant:** no interval stands in this program. What has no row keeps the scheduler from starting;
//! a row that goes missing later changes nothing until it is there again.

use anyhow::Context;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every};
use store::Store;
use store::cadences;

/// How soon a database that is away is asked again at the start.
const AGAIN: Duration = Duration::from_secs(1);

/// A time that the table gives for something that is no step.
pub(crate) const POLL_AGAIN: &str = "poll_again";

/// What the table says now.
#[derive(Clone, Debug)]
pub(crate) struct Cadences(Arc<watch::Sender<HashMap<String, Duration>>>);

impl Cadences {
    /// Reads the table, as soon as the database answers.
    ///
    /// # Errors
    /// When a row is missing, naming it.
    pub(crate) async fn read(store: &Store) -> anyhow::Result<Self> {
        loop {
            match look(store).await {
                Ok(found) => {
                    complete(&found).context("the table cadences is not complete")?;
                    return Ok(Self(Arc::new(watch::channel(found).0)));
                }
                Err(error) if error.is_unavailable() => tokio::time::sleep(AGAIN).await,
                Err(error) => return Err(error).context("cannot read the table cadences"),
            }
        }
    }

    /// How long something takes by the table.
    pub(crate) fn of(&self, name: &str) -> Duration {
        let known = self.0.borrow().get(name).copied();
        known.expect("it was there at the start, and rows are only replaced by complete ones")
    }

    /// Waits for a step's next turn, which follows the one that began then as the table says; a change of
    /// the table holds at once.
    pub(crate) async fn turn(&self, step: Step, began: Instant) {
        let mut changes = self.0.subscribe();
        loop {
            changes.mark_unchanged();
            tokio::select! {
                () = tokio::time::sleep_until(began + self.of(step.as_str())) => return,
                // It cannot be closed: we hold the sender.
                _ = changes.changed() => {}
            }
        }
    }
}

/// Looks at the table again and again.
pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every(Step::Cadences, &scheduler.cadences, shutdown, async || {
        let found = look(&scheduler.store).await?;
        if let Err(error) = complete(&found) {
            tracing::warn!(error = format!("{error:#}"), "the cadences stay as they were");
            return Ok(());
        }
        let changed = scheduler.cadences.0.send_if_modified(|known| {
            let differs = *known != found;
            if differs {
                *known = found;
            }
            differs
        });
        if changed {
            tracing::info!("cadences.changed");
        }
        Ok(())
    })
    .await;
}

async fn look(store: &Store) -> store::Result<HashMap<String, Duration>> {
    let rows = cadences::all(&mut *store.single().await?).await?;
    Ok(rows.into_iter().map(|row| (row.step.clone(), row.every())).collect())
}

/// Whether everything has a row.
fn complete(found: &HashMap<String, Duration>) -> anyhow::Result<()> {
    let names = Step::ALL.iter().map(|step| step.as_str()).chain([POLL_AGAIN]);
    let missing: Vec<&str> = names.filter(|name| !found.contains_key(*name)).collect();
    anyhow::ensure!(missing.is_empty(), "no row for {}", missing.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_row_is_named() {
        let second = Duration::from_secs(1);
        let names = Step::ALL.iter().map(|step| step.as_str()).chain([POLL_AGAIN]);
        let mut found: HashMap<String, Duration> =
            names.map(|name| (name.to_owned(), second)).collect();
        assert!(complete(&found).is_ok());
        found.remove("rescue");
        found.remove(POLL_AGAIN);
        let said = complete(&found).map_err(|error| error.to_string());
        assert_eq!(said, Err("no row for rescue, poll_again".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_holds_for_the_turn_that_is_being_waited_for() {
        let hour = HashMap::from([("mend".to_owned(), Duration::from_secs(3600))]);
        let cadences = Cadences(Arc::new(watch::channel(hour).0));
        let began = Instant::now();
        let waiting = cadences.turn(Step::Mend, began);
        let change = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            cadences.0.send_modify(|known| {
                known.insert("mend".to_owned(), Duration::from_secs(7));
            });
        };
        tokio::join!(waiting, change);
        assert_eq!(began.elapsed().as_secs(), 7);
    }
}
