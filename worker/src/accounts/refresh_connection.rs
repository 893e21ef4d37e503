//! `connection.refresh`: new tokens for an account, by one worker at a time.
//!
//! The right to refresh is a lease on the account's row, committed before the call; the call is
//! shielded, and its tokens are stored whoever has the job by then, because nobody else can have them.
//!
//! **Invariant:** only a network that refuses the refresh token ends a connection; one that fails or
//! does not answer never does.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::tokens::{access_token_at, refresh_token_at};
use crate::figures;
use crate::fleet::Fleet;
use crate::run::{Answer, Run, failed};
use connectors::{GrantError, Refusal, Tokens};
use jobs::kinds::{RefreshConnection, Refreshed, RefreshedConnection};
use jobs::{Code, Failure, Problem, Queue, Wait};
use platforms::ErrorClass;
use queue::Stop;
use seal::Sealed;
use store::Claimed;
use store::connections::refresh::{self, Ended, GaveUp, Lease, Rotated, Taken};

/// What a lease has beyond the call: for its tokens to be stored.
const STORING: Duration = Duration::from_secs(5);
/// How long tokens are tried to be stored after the process was asked to end.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// What people read when tokens may have been lost on the way.
const LOST: &str = "Reconnect needed: refresh answer lost. Connect the account again.";

/// Refreshes an account's tokens.
pub(crate) async fn refresh_connection(run: Run<RefreshConnection>) -> Answer<RefreshConnection> {
    let (id, version) = (run.args.connection_id, run.args.token_version);
    let mut tx = run.begin().await?;
    let owner = run.job.id.derive(&format!("lease {}", run.job.claim_no));
    let length = run.fleet.publishing.request_timeout + STORING;
    let taken = refresh::lease(&mut tx, id, version, owner, length).await.map_err(failed)?;
    let lease = match taken {
        Taken::Leased(lease) => lease,
        Taken::Busy { until } => {
            let message = "another worker refreshes the account's token".to_owned();
            let why = Wait { code: "refreshing".to_owned(), message, key: None };
            return Err(Failure::Snooze { until, why, close: false });
        }
        Taken::Changed => return end(&run, tx, Refreshed::Replaced).await,
        Taken::Spent { ends_at } => return no_more(&run, tx, ends_at, LOST).await,
        Taken::Unrefreshable { ends_at } => {
            let reason = "The account's token has ended, and there is none to get a new one with. Connect the account again.";
            return no_more(&run, tx, ends_at, reason).await;
        }
        Taken::Unusable => return end(&run, tx, Refreshed::Unusable).await,
    };
    let opened = lease.refresh_token.parse::<Sealed>();
    let opened =
        opened.and_then(|sealed| run.fleet.token_keys.open(&sealed, &refresh_token_at(id)));
    let token = match opened {
        Ok(token) => token,
        Err(error) => {
            tracing::error!(connection.id = %id, %error, "a refresh token does not open");
            let problem = Problem::new(
                Code::Internal,
                "The account's stored token cannot be read. An operator must look.",
            );
            return give_back(&run, tx, &lease, Ended::Untouched, Failure::Retry(problem)).await;
        }
    };
    tx.commit().await.map_err(failed)?;
    let calling = call(run.fleet.clone(), lease.clone(), token, run.stop.clone());
    let called = run.shielded(calling).await;
    let called = called.unwrap_or_else(|error| {
        tracing::error!(connection.id = %id, %error, "the call broke off");
        Err(GrantError::Lost { reason: "the call broke off".to_owned() })
    });
    figures::refreshed(&called);
    match called {
        Ok(()) => {
            run.fleet.ring(Queue::Publish);
            end(&run, run.begin().await?, Refreshed::Refreshed).await
        }
        Err(error) => conclude(&run, &lease, error).await,
    }
}

/// Makes the call, and stores the tokens that it brings.
async fn call(
    fleet: Arc<Fleet>,
    lease: Lease,
    token: SecretString,
    stop: Stop,
) -> Result<(), GrantError> {
    let Some(oauth) = fleet.oauth(lease.platform) else {
        return Err(GrantError::NotSent { reason: "our app is not set up for it".to_owned() });
    };
    // The client's own limit is the same; nobody may call when the lease is another's.
    let calling = tokio::time::timeout(fleet.publishing.request_timeout, oauth.refresh(&token));
    let tokens = calling
        .await
        .unwrap_or_else(|_| Err(GrantError::Lost { reason: "no answer in time".to_owned() }))?;
    store_tokens(&fleet, &lease, &tokens, &stop).await
}

/// Stores the tokens, again and again while the database is away.
async fn store_tokens(
    fleet: &Fleet,
    lease: &Lease,
    tokens: &Tokens,
    stop: &Stop,
) -> Result<(), GrantError> {
    let id = lease.connection_id;
    let keys = &fleet.token_keys;
    let refresh = tokens.refresh.as_ref();
    let rotated = Rotated {
        access: keys.seal(&tokens.access, &access_token_at(id)).to_string(),
        refresh: refresh.map(|token| keys.seal(token, &refresh_token_at(id)).to_string()),
        expires_in: tokens.expires_in,
        scopes: tokens.scopes.clone(),
    };
    let mut last_try: Option<Instant> = None;
    let mut pause = Duration::from_millis(50);
    loop {
        let storing = async {
            let mut tx = fleet.store.begin().await?;
            let version = refresh::rotate(&mut tx, id, lease.version, &rotated).await?;
            tx.commit().await?;
            Ok::<_, store::Error>(version)
        };
        match storing.await {
            Ok(version) => {
                tracing::info!(connection.id = %id, ?version, "connection.refreshed");
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(connection.id = %id, %error, "new tokens are not stored yet");
            }
        }
        if stop.is_stopped()
            && Instant::now() > *last_try.get_or_insert_with(|| Instant::now() + LAST_WORDS)
        {
            tracing::error!(connection.id = %id, "new tokens were not stored before the end");
            return Err(GrantError::Lost { reason: "the tokens could not be stored".to_owned() });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// Writes what it means that there are no new tokens.
async fn conclude(
    run: &Run<RefreshConnection>,
    lease: &Lease,
    error: GrantError,
) -> Answer<RefreshConnection> {
    let mut tx = run.begin().await?;
    let problem = Problem::new(Code::Unavailable, error.to_string());
    match error {
        GrantError::Dead(refusal) => {
            let reason = if lease.in_doubt { LOST.to_owned() } else { gone(&refusal) };
            give_up(run, tx, &reason).await
        }
        GrantError::Refused(refusal) => {
            let now = store::now(&mut tx).await.map_err(failed)?;
            let failure = not_now(&refusal, problem, now);
            give_back(run, tx, lease, Ended::Untouched, failure).await
        }
        GrantError::NotSent { .. } => {
            give_back(run, tx, lease, Ended::Untouched, Failure::Retry(problem)).await
        }
        GrantError::Failed { .. } | GrantError::Lost { .. } => {
            give_back(run, tx, lease, Ended::Doubtful, Failure::Retry(problem)).await
        }
    }
}

fn gone(refusal: &Refusal) -> String {
    format!(
        "Reconnect needed: the network no longer accepts the account's grant ({}). Connect the account again.",
        refusal.message
    )
}

/// A refusal that says nothing of the grant.
fn not_now(refusal: &Refusal, problem: Problem, now: DateTime<Utc>) -> Failure {
    match (refusal.class, &refusal.closed) {
        (ErrorClass::RateLimited | ErrorClass::Quota, Some(closed)) => {
            let why = Wait {
                code: "rate_limited".to_owned(),
                message: problem.message,
                key: Some(closed.key.clone()),
            };
            Failure::Snooze { until: closed.until(now), why, close: true }
        }
        (class, _) => {
            if class == ErrorClass::Config {
                tracing::error!(problem.message, "our app is set up wrongly at the network");
            }
            Failure::Retry(problem)
        }
    }
}

async fn end(
    run: &Run<RefreshConnection>,
    tx: Claimed,
    outcome: Refreshed,
) -> Answer<RefreshConnection> {
    run.end(tx, &RefreshedConnection { outcome }).await
}

/// Gives the lease back, and then the job.
async fn give_back(
    run: &Run<RefreshConnection>,
    mut tx: Claimed,
    lease: &Lease,
    ended: Ended,
    failure: Failure,
) -> Answer<RefreshConnection> {
    if !refresh::release(&mut tx, lease, ended).await.map_err(failed)? {
        tracing::warn!(connection.id = %lease.connection_id, job.id = %run.job.id, "the lease ran out meanwhile");
    }
    tx.commit().await.map_err(failed)?;
    Err(failure)
}

/// There are no new tokens to be had: the access token is used to its end.
async fn no_more(
    run: &Run<RefreshConnection>,
    mut tx: Claimed,
    ends_at: Option<DateTime<Utc>>,
    reason: &str,
) -> Answer<RefreshConnection> {
    let now = store::now(&mut tx).await.map_err(failed)?;
    if ends_at.is_none_or(|ends_at| ends_at > now) {
        return end(run, tx, Refreshed::WorksUntilItEnds).await;
    }
    give_up(run, tx, reason).await
}

async fn give_up(
    run: &Run<RefreshConnection>,
    mut tx: Claimed,
    reason: &str,
) -> Answer<RefreshConnection> {
    let (id, version) = (run.args.connection_id, run.args.token_version);
    let outcome = match refresh::give_up(&mut tx, id, version, reason).await.map_err(failed)? {
        GaveUp::Disconnected => {
            run.fleet.ring(Queue::Publish);
            Refreshed::Disconnected
        }
        GaveUp::WorksUntil(_) => Refreshed::WorksUntilItEnds,
        GaveUp::Nothing => Refreshed::Replaced,
    };
    end(run, tx, outcome).await
}
