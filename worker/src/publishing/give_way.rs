//! What stands in the way of a call that publishes nothing, and is no schedule's.
//!
//! **Invariant:** waiting costs no attempt.

use super::decide::Next;
use crate::accounts::tokens::TokenOver;
use crate::run::{Answer, Run};
use jobs::{Code, ConnectionId, Failure, JobKind, OrganizationId, Problem};
use store::Claimed;
use store::ledger::Finish;

/// The account that a call is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose {
    /// Whose it is.
    pub(crate) organization: OrganizationId,
    /// The account.
    pub(crate) connection: ConnectionId,
}

/// Ends a run that cannot do its work yet, or not at all.
pub(crate) async fn give_way<K: JobKind>(
    run: &Run<K>,
    mut tx: Claimed,
    whose: Whose,
    next: Next,
) -> Answer<K> {
    match next {
        Next::Later { until, why } => Err(Failure::Snooze { until, why, close: true }),
        Next::Again { problem, .. } => Err(Failure::Retry(problem)),
        Next::NewToken { refused, version } => {
            let over = TokenOver {
                organization: whose.organization,
                connection: whose.connection,
                version,
                refused: refused.as_deref(),
            };
            let (until, why) = over.wait(run, &mut tx).await?;
            run.finish(tx, Finish::Snooze(until, why)).await
        }
        Next::Wait { until, why } => run.finish(tx, Finish::Snooze(until, why)).await,
        Next::Fail(problem) => run.end_dead(tx, problem).await,
        Next::Hold { reason } => {
            run.end_dead(tx, Problem::new(Code::AccountDisconnected, reason)).await
        }
        Next::AwaitApproval { reason }
        | Next::AwaitPayment { reason }
        | Next::LookUp { reason } => {
            run.end_dead(tx, Problem::new(Code::PlatformRefused, reason)).await
        }
        Next::Published(_) => {
            run.end_dead(tx, Problem::new(Code::Internal, "this call cannot publish")).await
        }
    }
}
