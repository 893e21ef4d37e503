//! Gives back what jobs have left behind that ended without a word: quarantined after crashes, timed out
//! for good, cancelled while they ran. Their content requests fail, their reservations are released.
//!
//! **Invariant:** what a live job has reserved is left alone.

use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::{Scheduler, Step, every};
use store::usage::{self, Ended};
use store::{content_requests, events};

const AT_ONCE: i64 = 500;

pub(crate) async fn run(scheduler: Arc<Scheduler>, shutdown: CancellationToken) {
    every(Step::GiveBack, &scheduler.cadences, shutdown, async || {
        let mut tx = scheduler.store.begin().await?;
        let adrift = content_requests::fail_adrift(&mut tx, AT_ONCE).await?;
        for request in &adrift {
            let data = json!({ "contentRequestId": request.id });
            events::record(
                &mut tx,
                request.organization,
                "content.generation_failed",
                "content_request",
                request.id.0,
                &request.reason,
                data,
            )
            .await?;
            usage::end(&mut tx, request.job.0, Ended::Released).await?;
        }
        tx.commit().await?;
        let mut tx = scheduler.store.begin().await?;
        let released = usage::sweep(&mut tx, AT_ONCE).await?;
        tx.commit().await?;
        for request in &adrift {
            tracing::warn!(content_request.id = %request.id, job.id = %request.job,
                "no job cared for this request any more");
        }
        if released > 0 {
            tracing::warn!(released, "reservations outlived their jobs");
        }
        Ok(())
    })
    .await;
}
