//! The database, with a circuit that opens when it does not answer.
//!
//! While it is open, requests are refused at once, instead of each waiting for a connection that
//! nobody can make; one task asks until the database answers again.
//!
//! **Invariant:** an open circuit closes by itself within about two seconds of the database's
//! return.

use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{NewJob, OrganizationId, Queue};
use store::webhook_events::{self, Arrived};
use store::{Acting, Store};

/// How often the database is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// The database.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    store: Store,
    open: Arc<AtomicBool>,
}

impl Database {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, open: Arc::default() }
    }

    /// Waits for the database, and looks at login and schema.
    ///
    /// # Errors
    /// [`store::Error::WrongLogin`] and [`store::Error::WrongSchema`].
    pub(crate) async fn verify(&self) -> store::Result<()> {
        self.store.verify_when_up().await
    }

    /// The connections of this process.
    pub(crate) fn connections(&self) -> store::Connections {
        self.store.connections()
    }

    /// A transaction with which the caller reads: one organization's rows, or an operator's all.
    pub(crate) async fn reading(&self, principal: &Principal) -> Result<Acting> {
        match principal.organization() {
            Some(organization) => self.acting_for(organization).await,
            None => self.operating().await,
        }
    }

    /// A transaction with which the caller enqueues, and reads what it enqueued: operators always
    /// act as such, whichever organization they name.
    pub(crate) async fn writing(&self, principal: &Principal) -> Result<Acting> {
        match principal.own_organization() {
            Some(organization) => self.acting_for(organization).await,
            None => self.operating().await,
        }
    }

    /// A transaction for one organization.
    pub(crate) async fn acting_for(&self, organization: OrganizationId) -> Result<Acting> {
        self.guarded(self.store.acting_for(organization)).await
    }

    /// The same for a group of requests, the first of which is this organization's.
    pub(crate) async fn acting_for_group(&self, first: OrganizationId) -> Result<Acting> {
        self.guarded(self.store.acting_for_group(first)).await
    }

    /// A transaction for an operator.
    async fn operating(&self) -> Result<Acting> {
        self.guarded(self.store.operating()).await
    }

    /// A transaction for nobody yet, in which a key can be looked up.
    pub(crate) async fn anonymous(&self) -> Result<store::Tx> {
        self.guarded(self.store.begin()).await
    }

    /// Keeps what a network told, with a job for what is new of it; answers how much is.
    pub(crate) async fn receive(
        &self,
        sender: &str,
        events: &[Arrived],
        job: &NewJob,
    ) -> Result<u64> {
        self.guarded(webhook_events::receive(&self.store, sender, events, job)).await
    }

    /// What time it is: this machine's clock may be wrong.
    pub(crate) async fn now(&self) -> Result<DateTime<Utc>> {
        self.guarded(self.store.now()).await
    }

    /// Whether the database serves.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.guarded(self.store.ping()).await
    }

    /// Tells listening workers that a queue has work, where there is no Redis to do it.
    pub(crate) fn notify(&self, queue: Queue) {
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.notify(queue).await {
                // Workers look by themselves every second.
                tracing::debug!(error = &error as &dyn std::error::Error, "notify.failed");
            }
        });
    }

    async fn guarded<T>(&self, attempt: impl Future<Output = store::Result<T>>) -> Result<T> {
        if self.open.load(Ordering::Acquire) {
            return Err(Problem::unavailable());
        }
        let outcome = attempt.await;
        if matches!(&outcome, Err(error) if error.is_unavailable())
            && !self.open.swap(true, Ordering::AcqRel)
        {
            tokio::spawn(self.clone().close_when_back());
        }
        Ok(outcome?)
    }

    async fn close_when_back(self) {
        tracing::warn!("database.circuit_opened");
        while let Err(error) = self.store.ping().await {
            if !error.is_unavailable() {
                break;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        self.open.store(false, Ordering::Release);
        tracing::info!("database.circuit_closed");
    }
}
