//! `connection.import`: an account comes in with its tokens.
//!
//! **Invariant:** an account is stored under the id that the network itself gives for the token.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::publishing::target::{access_token_at, refresh_token_at};
use crate::run::{Answer, Run, failed};
use connectors::{Account, Error, Refusal};
use jobs::kinds::{ImportConnection, ImportedConnection};
use jobs::{Code, ConnectionId, Failure, Problem, Wait};
use platforms::ErrorClass;
use seal::{Aad, Sealed};
use store::connections::{self, SealedTokens};
use store::events;

/// Connects an account, or connects it again.
pub(crate) async fn import_connection(run: Run<ImportConnection>) -> Answer<ImportConnection> {
    let args = &run.args;
    let organization = run.organization()?;
    let access = unsealed(&run, "accessToken", &args.access_token)?;
    let refresh = match &args.refresh_token {
        Some(token) => Some(unsealed(&run, "refreshToken", token)?),
        None => None,
    };
    let account = identify(&run, &access).await?;

    let mut tx = run.begin().await?;
    let id = connections::place(
        &mut tx,
        ConnectionId(run.job.id.derive("connection")),
        organization,
        args.platform,
        &account.id,
        &account.username,
        &run.job.actor,
    )
    .await
    .map_err(failed)?;
    let keys = &run.fleet.token_keys;
    let tokens = SealedTokens {
        access: keys.seal(&access, &access_token_at(id)).to_string(),
        refresh: refresh.map(|token| keys.seal(&token, &refresh_token_at(id)).to_string()),
        expires_at: args.token_expires_at,
        scopes: args.scopes.clone(),
        metadata: json!({ "displayName": account.name }),
    };
    connections::activate(&mut tx, id, &tokens).await.map_err(failed)?;
    let message = format!("{} on {} is connected.", account.username, args.platform.display_name());
    let data = json!({ "platformConnectionId": id });
    events::record(
        &mut tx,
        organization,
        "connection.connected",
        "platform_connection",
        id.0,
        &message,
        data,
    )
    .await
    .map_err(failed)?;
    let output = ImportedConnection {
        connection_id: id,
        account_id: account.id,
        account_name: account.username,
    };
    run.end(tx, &output).await
}

/// Opens what the API sealed for this job.
fn unsealed(
    run: &Run<ImportConnection>,
    field: &str,
    sealed: &str,
) -> Result<SecretString, Failure> {
    let place = Aad::job_argument(run.job.id, field);
    let opened =
        sealed.parse::<Sealed>().and_then(|sealed| run.fleet.travel_keys.open(&sealed, &place));
    let token = opened.map_err(|error| {
        tracing::error!(field, %error, "a sealed argument does not open");
        let problem =
            Problem::new(Code::Internal, "The token did not arrive in readable form.").at(field);
        match error {
            // An operator brings the key back.
            seal::Error::UnknownKey { .. } => Failure::Retry(problem),
            seal::Error::InvalidKeys { .. }
            | seal::Error::NotSealed { .. }
            | seal::Error::Refused { .. } => Failure::Dead(problem),
        }
    })?;
    if token.expose_secret().trim().is_empty() {
        return Err(Failure::Dead(Problem::argument(field, "expected the network's token")));
    }
    Ok(token)
}

async fn identify(run: &Run<ImportConnection>, token: &SecretString) -> Result<Account, Failure> {
    let error = match run.fleet.connector(run.args.platform).identify(token).await {
        Ok(called) => return Ok(called.value),
        Err(error) => error,
    };
    match error {
        Error::Unavailable { reason } => Err(Failure::Retry(Problem::new(
            Code::Unavailable,
            format!("The network did not answer: {reason}"),
        ))),
        Error::Refused(refusal) => {
            let mut tx = run.begin().await?;
            let now = store::now(&mut tx).await.map_err(failed)?;
            Err(refused(refusal, run.args.platform.display_name(), now))
        }
    }
}

/// How long a closed key stays closed when the network does not say.
const CLOSED_FOR: chrono::TimeDelta = chrono::TimeDelta::minutes(15);

fn refused(refusal: Refusal, network: &str, now: chrono::DateTime<chrono::Utc>) -> Failure {
    let said = |why: &str| format!("{why} {network} says: {}", refusal.message);
    match refusal.class {
        ErrorClass::AuthRefresh | ErrorClass::AuthReconnect | ErrorClass::Permission => {
            let message = said("The network does not accept the token.");
            Failure::Dead(Problem::new(Code::AccountDisconnected, message).at("accessToken"))
        }
        ErrorClass::RateLimited | ErrorClass::Quota => {
            let (until, key) = match &refusal.closed {
                Some(closed) => (closed.until.max(now), Some(closed.key.clone())),
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
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        let failure = refused(refusal(ErrorClass::AuthRefresh), "X", now);
        assert!(
            matches!(failure, Failure::Dead(problem) if problem.code == Code::AccountDisconnected)
        );
        let failure = refused(refusal(ErrorClass::Transient), "X", now);
        assert!(matches!(failure, Failure::Retry(_)));
        let failure = refused(refusal(ErrorClass::RateLimited), "X", now);
        assert!(matches!(failure, Failure::Snooze { until, .. } if until == now + CLOSED_FOR));
    }
}
