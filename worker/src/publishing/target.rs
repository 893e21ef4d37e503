//! What is published, where, and with what right to do so.
//!
//! **Invariant:** a token is in the clear only inside an [`Access`], which never shows it.

use connectors::Access;
use jobs::{Code, ConnectionId, JobKind, Problem};
use seal::Sealed;
use store::schedules::{self, Locked, Publishable};
use store::{Conn, connections, content_requests};

use super::decide::{Account, Next};
use crate::accounts::tokens::{access_token_at, waiting};
use crate::fleet::Fleet;
use crate::run::{Run, failed};
use jobs::Failure;

/// A schedule that may go out.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The schedule, as it was when it was looked at.
    pub(super) schedule: Locked,
    /// What goes out, and where.
    pub(super) content: Publishable,
    /// The right to do so.
    pub(super) access: Access,
    /// The version of the account's tokens that gives it.
    pub(super) token_version: i64,
    /// The key under which the network counts publishing calls of the account.
    pub(super) publish_key: String,
}

impl Target {
    /// The account.
    pub(super) fn account(&self) -> Account<'_> {
        Account {
            platform: self.content.platform,
            id: &self.content.account_id,
            publish_key: &self.publish_key,
            token_version: self.token_version,
        }
    }
}

/// The right to act for an account.
#[derive(Clone, Debug)]
pub(crate) struct Right {
    /// The right.
    pub(crate) access: Access,
    /// The version of the account's tokens that gives it.
    pub(crate) token_version: i64,
}

/// Checks a locked schedule's content and account again and opens the account's token; or says what
/// stands in the way. Nobody changes or rejects the content before the transaction ends.
pub(super) async fn open<K: JobKind>(
    run: &Run<K>,
    conn: &mut Conn,
    schedule: &Locked,
) -> Result<Result<Target, Next>, Failure> {
    content_requests::share(conn, schedule.content_version_id).await.map_err(failed)?;
    let checked = schedules::check_publishable(
        conn,
        schedule.organization_id,
        schedule.content_version_id,
        schedule.platform_connection_id,
    )
    .await
    .map_err(failed)?;
    let content = match checked {
        Ok(content) => content,
        Err(problem) if problem.code == Code::AccountDisconnected => {
            return unusable(conn, schedule.platform_connection_id, problem.message).await.map(Err);
        }
        Err(problem) if problem.code == Code::NotApproved => {
            return Ok(Err(Next::AwaitApproval { reason: problem.message }));
        }
        Err(problem) if problem.code == Code::PaymentRequired => {
            return Ok(Err(Next::AwaitPayment { reason: problem.message }));
        }
        Err(problem) => return Ok(Err(Next::Fail(problem))),
    };
    let right =
        right(&run.fleet, conn, schedule.platform_connection_id, &content.account_id).await?;
    Ok(right.map(|Right { access, token_version }| Target {
        schedule: schedule.clone(),
        publish_key: run.fleet.connector(content.platform).publish_key(&content.account_id),
        content,
        access,
        token_version,
    }))
}

/// The account cannot be used: its jobs wait until a person connects it again, unless a person
/// disconnected it.
async fn unusable(
    conn: &mut Conn,
    connection: ConnectionId,
    reason: String,
) -> Result<Next, Failure> {
    Ok(match waiting(conn, connection).await? {
        Some((until, why)) => Next::Wait { until, why },
        None => Next::Hold { reason },
    })
}

/// The right to act for an account; or what stands in the way.
pub(crate) async fn right(
    fleet: &Fleet,
    conn: &mut Conn,
    connection: ConnectionId,
    account_id: &str,
) -> Result<Result<Right, Next>, Failure> {
    let Some(sealed) = connections::sealed_access_token(conn, connection).await.map_err(failed)?
    else {
        let reason = "The account is not connected. Connect it again.".to_owned();
        return unusable(conn, connection, reason).await.map(Err);
    };
    if sealed.is_over {
        return Ok(Err(Next::NewToken { refused: None, version: sealed.version }));
    }
    let opened = sealed
        .token
        .parse::<Sealed>()
        .and_then(|sealed| fleet.token_keys.open(&sealed, &access_token_at(connection)));
    Ok(match opened {
        Ok(token) => Ok(Right {
            access: Access { account_id: account_id.to_owned(), token },
            token_version: sealed.version,
        }),
        Err(error) => {
            tracing::error!(connection.id = %connection, %error, "a token does not open");
            let problem = Problem::new(
                Code::Internal,
                "The account's stored token cannot be read. An operator must look.",
            );
            Err(Next::Again { problem, forget_media: false })
        }
    })
}
