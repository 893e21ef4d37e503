//! Runs a process' queues from start to hand-over.
//!
//! **Invariant:** after [`run`] has returned, the process holds no job.

use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::alone::Alone;
use crate::backend::LedgerBackend;
use crate::claimer::Claimer;
use crate::end::End;
use crate::finish_layer::Delivery;
use crate::held::Held;
use crate::keeper::Keeper;
use crate::lease::Lease;
use crate::seats::Seats;
use crate::settings::Settings;
use crate::stop::{Reason, Stop};
use crate::{figures, finisher, keeper};
use apalis::prelude::*;
use bell::Bell;
use jobs::{Failure, Queue, WorkerId};
use store::ledger::{self, ClaimedJob};
use store::{Claim, Store};

/// How long a handler may go on after what it shielded is over, to record the outcome.
const AFTER_SHIELD: Duration = Duration::from_secs(5);

/// How often a database that is away is asked whether it is back.
const LOOK: Duration = Duration::from_millis(500);

/// Runs jobs.
pub trait Handler: Send + Sync + 'static {
    /// Runs one job to its end. Dropped when `stop` says so, unless it holds a shield.
    fn handle(&self, job: ClaimedJob, stop: Stop) -> impl Future<Output = End> + Send;
}

/// The process could not run its queues.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refuses this process.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A queue's worker ended by itself.
    #[error("the worker of a queue ended: {0}")]
    Worker(String),
}

/// Runs the queues until `shutdown`, then hands over: nothing more is claimed, what waits for a
/// slot goes back, running handlers are told to stop, and what they shielded may finish.
///
/// `lease_store` is for the lease alone, with a connection of its own: however busy the handlers
/// keep `store`, the lease is renewed. `shielded` counts the tasks that outlive their handlers.
///
/// # Errors
/// [`Error::Store`] when the worker cannot be registered for good; [`Error::Worker`] when a queue's
/// worker ends by itself.
pub async fn run<H: Handler>(
    store: Store,
    lease_store: Store,
    bell: Bell,
    settings: Settings,
    handler: Arc<H>,
    shielded: TaskTracker,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let settings = Arc::new(settings);
    figures::start(&settings.queues);
    let Some(worker) = begin(&store, &settings, &shutdown).await? else { return Ok(()) };
    tracing::info!(worker.id = %worker, worker.name = settings.name, "worker.started");
    let lease = Arc::new(Lease::new(worker));
    let settled = CancellationToken::new();
    let (finish, finished) = mpsc::unbounded_channel();
    let ears: HashMap<Queue, Arc<Notify>> =
        settings.queues.iter().map(|&(queue, _)| (queue, Arc::default())).collect();
    let finisher =
        tokio::spawn(finisher::finish_runs(store.clone(), bell.clone(), lease.clone(), finished));
    let keeper = Keeper {
        store: lease_store,
        bell: bell.clone(),
        lease: lease.clone(),
        settings: settings.clone(),
    };
    let keeper = tokio::spawn(keeper.run(settled.clone()));

    let mut workers = Vec::new();
    for &(queue, slots) in &settings.queues {
        let (deliveries, delivered) = mpsc::unbounded_channel();
        let notified = ears.get(&queue).cloned().unwrap_or_default();
        let seats = Seats::new(slots, settings.organization_percent, notified.clone());
        let claimer = Claimer {
            connection: Held::new(store.clone()),
            queue,
            seats: Arc::new(seats),
            lease: lease.clone(),
            listener: bell.listen(queue.as_str()),
            notified,
            deliveries,
            finisher: finish.clone(),
        };
        tokio::spawn(claimer.run(shutdown.clone()));
        workers.push(tokio::spawn(work(
            store.clone(),
            queue,
            slots,
            LedgerBackend::new(delivered),
            handler.clone(),
            shutdown.clone(),
        )));
    }
    drop(finish);
    tokio::spawn(keeper::hear_notifications(store.clone(), ears, shutdown.clone()));

    let (ended, _, others) = tokio::select! {
        ended = futures::future::select_all(workers) => ended,
        () = shutdown.cancelled() => {
            (Ok(Ok(())), 0, Vec::new())
        }
    };
    let failed = !shutdown.is_cancelled();
    shutdown.cancel();
    let stopped = lease.close();
    tracing::info!(worker.id = %lease.worker(), stopped, "worker.stopping");
    shielded.close();
    let hand_over = async {
        // Every settlement is sent when the last receipt is dropped; then the finisher ends.
        let _ = finisher.await;
        shielded.wait().await;
        for worker in others {
            let _ = worker.await;
        }
        end(&store, lease.worker()).await
    };
    match tokio::time::timeout(settings.shutdown_timeout, hand_over).await {
        Ok(stopped) => {
            stopped?;
            tracing::info!(worker.id = %lease.worker(), "worker.stopped");
        }
        Err(_) => tracing::error!("could not hand over in time: what is left will be rescued"),
    }
    settled.cancel();
    let _ = keeper.await;
    match ended {
        Ok(Ok(())) if !failed => Ok(()),
        Ok(Ok(())) => Err(Error::Worker("without being asked to".to_owned())),
        Ok(Err(error)) => Err(Error::Worker(error.to_string())),
        Err(error) => Err(Error::Worker(error.to_string())),
    }
}

/// Begins an incarnation as soon as the database is there; `None` when the process is asked to end
/// before.
async fn begin(
    store: &Store,
    settings: &Settings,
    shutdown: &CancellationToken,
) -> Result<Option<WorkerId>, Error> {
    loop {
        // Each time another one: the row of one whose answer was lost has no jobs, and falls silent.
        let worker = WorkerId::new();
        match keeper::register(store, worker, settings).await {
            Ok(()) => return Ok(Some(worker)),
            Err(error) => wait_out(error).await?,
        }
        if shutdown.is_cancelled() {
            return Ok(None);
        }
    }
}

/// Ends an incarnation that has handed everything over, as soon as the database is there.
async fn end(store: &Store, worker: WorkerId) -> Result<(), Error> {
    while let Err(error) = store::ledger::stop(store, worker).await {
        wait_out(error).await?;
    }
    Ok(())
}

/// Waits a moment when the database is away.
async fn wait_out(error: store::Error) -> Result<(), Error> {
    if !error.is_unavailable() {
        return Err(error.into());
    }
    tracing::warn!(%error, cause = ?std::error::Error::source(&error), "waiting for the database");
    tokio::time::sleep(LOOK).await;
    Ok(())
}

/// One queue's apalis worker.
fn work<H: Handler>(
    store: Store,
    queue: Queue,
    slots: usize,
    backend: LedgerBackend,
    handler: Arc<H>,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    // A job that killed a worker before runs alone among those of its queue in this process.
    let alone = Arc::new(Alone::default());
    let worker = WorkerBuilder::new(queue.as_str())
        .backend(backend)
        .concurrency(slots)
        .parallelize(|run| AbortOnDropHandle::new(tokio::spawn(run)))
        .catch_panic()
        .build(move |delivery: Box<Delivery>| {
            let (store, handler, alone) = (store.clone(), handler.clone(), alone.clone());
            async move {
                Ok::<End, BoxDynError>(run_one(&store, &*handler, &alone, delivery).await)
            }
            .boxed()
        });
    worker
        .run_until(async move {
            shutdown.cancelled().await;
            Ok::<(), WorkerError>(())
        })
        .boxed()
}

async fn run_one<H: Handler>(
    store: &Store,
    handler: &H,
    alone: &Alone,
    delivery: Box<Delivery>,
) -> End {
    let Delivery { job, stop, .. } = *delivery;
    if job.cancel_requested {
        stop.stop(Reason::Cancelled);
    }
    let crashed_before = job.crashes > 0;
    let handled = async {
        if crashed_before {
            let _alone = alone.for_a_suspect().await;
            // From here on, a crash is its own.
            match ledger::begin(store, Claim { job_id: job.id, claim_no: job.claim_no }).await {
                Ok(()) => handler.handle(job, stop.clone()).await,
                Err(store::Error::ClaimLost(_)) => End::Failed(Failure::ClaimLost),
                Err(_) => End::Failed(Failure::Interrupted),
            }
        } else {
            let _beside_others = alone.beside_others().await;
            handler.handle(job, stop.clone()).await
        }
    };
    tokio::pin!(handled);
    let reason = tokio::select! {
        biased;
        reason = stop.stopped() => reason,
        end = &mut handled => return end,
    };
    if reason != Reason::LeaseLost && stop.is_shielded() {
        let over = async {
            stop.unshielded().await;
            tokio::time::sleep(AFTER_SHIELD).await;
        };
        tokio::select! {
            end = &mut handled => return end,
            () = over => {}
        }
    }
    match reason {
        Reason::Cancelled => End::Failed(Failure::Cancel { reason: "cancelled on request".into() }),
        Reason::Shutdown | Reason::LeaseLost => End::Failed(Failure::Interrupted),
    }
}
