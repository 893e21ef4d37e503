//! Where tokens rest, and what a job does when the access token of its account is over: it asks for new
//! ones, once however many jobs do, and waits for them.
//!
//! **Invariant:** an account's key is closed, and a job waits for it, in the transaction that looked at
//! the tokens, so that whoever brings new ones lets go of all that wait.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use std::sync::Arc;

use crate::fleet::Fleet;
use crate::run::{Run, failed};
use jobs::kinds::RefreshConnection;
use jobs::{ConnectionId, Failure, JobKind, NewJob, OrganizationId, Origin, Wait, connection_key};
use platforms::Platform;
use seal::Aad;
use store::connections::refresh::{self, Over};
use store::{Claimed, ledger};

/// How long an account's jobs wait for new tokens before they look again.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// The place of a connection's access token.
pub(crate) fn access_token_at(id: ConnectionId) -> Aad {
    Aad::new("platform_connections.access_token", id)
}

/// The place of a connection's refresh token.
pub(crate) fn refresh_token_at(id: ConnectionId) -> Aad {
    Aad::new("platform_connections.refresh_token", id)
}

/// An access token that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenOver<'a> {
    /// Whose account it is.
    pub(crate) organization: OrganizationId,
    /// The account.
    pub(crate) connection: ConnectionId,
    /// Which of its tokens.
    pub(crate) version: i64,
    /// What the network said when it refused it; `None` when its time has run out.
    pub(crate) refused: Option<&'a str>,
}

impl TokenOver<'_> {
    /// Asks for new tokens. Says until when, at the latest, and why the job waits: it is to be put off
    /// in the same transaction.
    ///
    /// # Errors
    /// [`Failure::Interrupted`].
    pub(crate) async fn wait<K: JobKind>(
        self,
        run: &Run<K>,
        tx: &mut Claimed,
    ) -> Result<(DateTime<Utc>, Wait), Failure> {
        let now = store::now(tx).await.map_err(failed)?;
        let over = refresh::over(tx, self.connection, self.version, self.refused.is_some());
        match over.await.map_err(failed)? {
            Over::Refresh => self.ask(run, tx, now).await?,
            Over::Again => {
                let reason = format!(
                    "The network refuses the account's new token as well ({}). Connect the account again.",
                    self.refused.unwrap_or_default()
                );
                refresh::give_up(tx, self.connection, self.version, &reason)
                    .await
                    .map_err(failed)?;
            }
            Over::Replaced => {}
        }
        Ok(waiting(tx, self.connection).await?.unwrap_or_else(|| {
            let message = "the account has new tokens by now".to_owned();
            (now, Wait { code: "retry".to_owned(), message, key: None })
        }))
    }

    async fn ask<K: JobKind>(
        self,
        run: &Run<K>,
        tx: &mut Claimed,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let args =
            RefreshConnection { connection_id: self.connection, token_version: self.version };
        let mut job = NewJob::new(Origin::Worker, Some(self.organization), &args);
        job.unique_key = Some(refresh::refresh_key(self.connection));
        run.ask_for(tx, job).await?;
        let (key, until) = (connection_key(self.connection), now + LOOK_AGAIN);
        let reason = match self.refused {
            Some(said) => format!("the account's token is being refreshed ({said})"),
            None => "the account's token is being refreshed".to_owned(),
        };
        ledger::close_key(tx, &key, Some(until), &reason).await.map_err(failed)
    }
}

/// Ends tokens that nobody will use at their network too, if it can be told.
pub(super) async fn end_at_network(fleet: Arc<Fleet>, platform: Platform, token: SecretString) {
    if let Some(oauth) = fleet.oauth(platform)
        && let Err(error) = oauth.revoke(&token).await
    {
        tracing::warn!(%error, "tokens that are not used could not be ended at the network");
    }
}

/// Until when, and why, the account's jobs wait: for new tokens, or for a person who connects it again.
/// `None` when they need not.
///
/// # Errors
/// [`Failure::Interrupted`].
pub(crate) async fn waiting(
    tx: &mut store::Conn,
    connection: ConnectionId,
) -> Result<Option<(DateTime<Utc>, Wait)>, Failure> {
    let closed = ledger::closed(tx, &[connection_key(connection)]).await.map_err(failed)?;
    Ok(closed.map(|closed| {
        let code = if closed.for_good { "reconnect" } else { "refreshing" };
        let why = Wait { code: code.to_owned(), message: closed.reason, key: Some(closed.key) };
        (closed.until, why)
    }))
}
