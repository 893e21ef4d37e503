//! An account and its tokens into the database, wherever they came from.
//!
//! **Invariant:** an account is stored under the id that the network itself gives for the token.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::tokens::{access_token_at, refresh_token_at};
use crate::publishing;
use crate::run::{Run, failed};
use connectors::{Account, Refusal};
use jobs::{Code, ConnectionId, Failure, JobKind, Problem, Wait};
use platforms::{ErrorClass, Platform};
use seal::{Aad, Sealed};
use store::connections::{self, Placed, SealedTokens};
use store::{Claimed, events};

/// How long a closed key stays closed when the network does not say.
const CLOSED_FOR: TimeDelta = TimeDelta::minutes(15);

/// Tokens of an account, in the clear.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    /// The network.
    pub(super) platform: Platform,
    /// The access token.
    pub(super) access: SecretString,
    /// The refresh token, where there is one.
    pub(super) refresh: Option<SecretString>,
    /// When the access token ends, where that is known.
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// The scopes that were granted.
    pub(super) scopes: Vec<String>,
}

/// Opens what the API sealed into the arguments of this job.
///
/// # Errors
/// Dead when it does not open or is empty; [`Failure::Retry`] while its key is missing.
pub(super) fn unsealed<K: JobKind>(
    run: &Run<K>,
    field: &str,
    sealed: &str,
) -> Result<SecretString, Failure> {
    let place = Aad::job_argument(run.job.id, field);
    let opened =
        sealed.parse::<Sealed>().and_then(|sealed| run.fleet.travel_keys.open(&sealed, &place));
    let secret = opened.map_err(|error| {
        tracing::error!(field, %error, "a sealed argument does not open");
        let problem =
            Problem::new(Code::Internal, "The secret did not arrive in readable form.").at(field);
        match error {
            // An operator brings the key back.
            seal::Error::UnknownKey { .. } => Failure::Retry(problem),
            seal::Error::InvalidKeys { .. }
            | seal::Error::NotSealed { .. }
            | seal::Error::Refused { .. } => Failure::Dead(problem),
        }
    })?;
    if secret.expose_secret().trim().is_empty() {
        return Err(Failure::Dead(Problem::argument(field, "expected what the network gave")));
    }
    Ok(secret)
}

/// Asks the network whose token it is.
///
/// # Errors
/// What the network's answer means for a job that connects.
pub(super) async fn identify<K: JobKind>(
    run: &Run<K>,
    platform: Platform,
    token: &SecretString,
) -> Result<Account, Failure> {
    let error = match run.fleet.connector(platform).identify(token).await {
        Ok(called) => return Ok(called.value),
        Err(error) => error,
    };
    match error {
        connectors::Error::Unavailable { reason } => Err(Failure::Retry(Problem::new(
            Code::Unavailable,
            format!("The network did not answer: {reason}"),
        ))),
        connectors::Error::Refused(refusal) => {
            let mut tx = run.begin().await?;
            let now = store::now(&mut tx).await.map_err(failed)?;
            Err(refused(&refusal, platform.display_name(), now))
        }
    }
}

/// Stores the account, makes it usable, lets go of what waited for it, and tells people.
///
/// # Errors
/// [`Failure::Interrupted`].
pub(super) async fn store_account<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    account: &Account,
    granted: &Granted,
) -> Result<Placed, Failure> {
    let organization = run.organization()?;
    let placed = connections::place(
        tx,
        ConnectionId(run.job.id.derive("connection")),
        organization,
        granted.platform,
        &account.id,
        &account.username,
        &run.job.actor,
    )
    .await
    .map_err(failed)?;
    let id = placed.id;
    let keys = &run.fleet.token_keys;
    let refresh = granted.refresh.as_ref();
    let tokens = SealedTokens {
        access: keys.seal(&granted.access, &access_token_at(id)).to_string(),
        refresh: refresh.map(|token| keys.seal(token, &refresh_token_at(id)).to_string()),
        expires_at: granted.expires_at,
        scopes: granted.scopes.clone(),
        metadata: json!({ "displayName": account.name }),
    };
    connections::activate(tx, id, &tokens).await.map_err(failed)?;
    publishing::account_changed(run, tx, organization, id).await?;
    let network = granted.platform.display_name();
    let again = if placed.is_new { "" } else { " again" };
    let elsewhere = match placed.elsewhere {
        true => " Another organization has connected the same account as well.",
        false => "",
    };
    let message = format!("{} on {network} is connected{again}.{elsewhere}", account.username);
    let data = json!({ "platformConnectionId": id, "alsoInAnotherOrganization": placed.elsewhere });
    events::record(
        tx,
        organization,
        "connection.connected",
        "platform_connection",
        id.0,
        &message,
        data,
    )
    .await
    .map_err(failed)?;
    Ok(placed)
}

/// What a refusal means for a job that connects.
pub(super) fn refused(refusal: &Refusal, network: &str, now: DateTime<Utc>) -> Failure {
    let said = |why: &str| format!("{why} {network} says: {}", refusal.message);
    match refusal.class {
        ErrorClass::AuthRefresh | ErrorClass::AuthReconnect | ErrorClass::Permission => {
            let message = said("The network does not accept the token.");
            Failure::Dead(Problem::new(Code::AccountDisconnected, message).at("accessToken"))
        }
        ErrorClass::RateLimited | ErrorClass::Quota => {
            let (until, key) = match &refusal.closed {
                Some(closed) => (closed.until(now), Some(closed.key.clone())),
                None => (now + CLOSED_FOR, None),
            };
            let message = format!("{network} wants no more calls for now");
            let why = Wait { code: "rate_limited".to_owned(), message, key };
            Failure::Snooze { until, why, close: true }
        }
        ErrorClass::Transient
        | ErrorClass::Pending
        | ErrorClass::Ambiguous
        | ErrorClass::Recreate => {
            Failure::Retry(Problem::new(Code::Unavailable, said("The network did not answer.")))
        }
        ErrorClass::Permanent
        | ErrorClass::Policy
        | ErrorClass::Duplicate
        | ErrorClass::Config
        | ErrorClass::Ignore => Failure::Dead(Problem::new(
            Code::PlatformRefused,
            said("The account cannot be connected."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(class: ErrorClass) -> Refusal {
        Refusal { class, status: 401, message: "Unauthorized".into(), closed: None }
    }

    #[test]
    fn a_token_that_the_network_refuses_is_no_connection() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        let failure = refused(&refusal(ErrorClass::AuthRefresh), "X", now);
        assert!(
            matches!(failure, Failure::Dead(problem) if problem.code == Code::AccountDisconnected)
        );
        let failure = refused(&refusal(ErrorClass::Transient), "X", now);
        assert!(matches!(failure, Failure::Retry(_)));
        let failure = refused(&refusal(ErrorClass::RateLimited), "X", now);
        assert!(matches!(failure, Failure::Snooze { until, .. } if until == now + CLOSED_FOR));
    }
}
