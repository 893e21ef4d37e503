//! `connection.import`: asks the network whose token it is, then stores it sealed.

use seal::{Aad, Sealed};
use secrecy::SecretString;
use serde_json::json;

use crate::run::{Answer, Run, failed};
use connectors::{Account, Error as CallError};
use jobs::kinds::{ImportConnection, ImportedConnection};
use jobs::{Code, ConnectionId, Failure, Problem, Wait};
use platforms::ErrorClass;
use store::connections::{self, SealedTokens};
use store::{events, organizations};

pub(crate) async fn import_connection(run: Run<ImportConnection>) -> Answer<ImportConnection> {
    let organization = run.organization()?;
    let access = opened(&run, "accessToken", &run.args.access_token)?;
    let refresh = match &run.args.refresh_token {
        Some(token) => Some(opened(&run, "refreshToken", token)?),
        None => None,
    };
    let platform = run.args.platform;
    let account = match run.fleet.connector(platform).identify(&access).await {
        Ok(called) => called.value,
        Err(error) => return Err(refused(error)),
    };

    let mut tx = run.begin().await?;
    if organizations::get(&mut tx, organization).await.map_err(failed)?.is_none() {
        return Err(Failure::Dead(Problem::not_found("organization", organization)));
    }
    let Account { id: account_id, username, name } = account;
    let new = ConnectionId(run.job.id.derive("connection"));
    let id = connections::place(
        &mut tx, new, organization, platform, &account_id, &username, &run.job.actor,
    )
    .await
    .map_err(failed)?;
    let seal = |column: &str, token: &SecretString| {
        run.fleet.token_keys.seal(token, &token_place(column, id)).to_string()
    };
    let tokens = SealedTokens {
        access: seal("access_token", &access),
        refresh: refresh.as_ref().map(|token| seal("refresh_token", token)),
        expires_at: run.args.token_expires_at,
        scopes: run.args.scopes.clone(),
        metadata: json!({ "displayName": name }),
    };
    connections::activate(&mut tx, id, &tokens).await.map_err(failed)?;
    let message = format!("The {} account @{username} is connected.", platform.display_name());
    let data = json!({ "platform": platform, "accountId": account_id });
    events::record(&mut tx, organization, "connection.connected", "connection", id.0, &message, data)
        .await
        .map_err(failed)?;
    let answer =
        ImportedConnection { connection_id: id, account_id, account_name: username };
    run.end(tx, &answer).await
}

/// What a token at rest is bound to.
fn token_place(column: &str, id: ConnectionId) -> Aad {
    Aad::new(format!("platform_connections.{column}"), id)
}

/// Opens an argument that the API sealed.
fn opened(run: &Run<ImportConnection>, field: &str, sealed: &str) -> Result<SecretString, Failure> {
    let opened = sealed.parse::<Sealed>().and_then(|sealed| {
        run.fleet.travel_keys.open(&sealed, &Aad::job_argument(run.job.id, field))
    });
    opened.map_err(|error| {
        tracing::error!(%error, field, "cannot open a sealed argument");
        Failure::Dead(Problem::argument(field, "could not be opened: send it again"))
    })
}

fn refused(error: CallError) -> Failure {
    let refusal = match error {
        CallError::Unavailable { reason } => {
            return Failure::Retry(Problem::new(Code::Unavailable, reason));
        }
        CallError::Refused(refusal) => refusal,
    };
    match (refusal.class, refusal.closed) {
        (ErrorClass::RateLimited | ErrorClass::Quota, Some(closed)) => Failure::Snooze {
            until: closed.until,
            why: Wait {
                code: "rate_limited".to_owned(),
                message: format!("the network asks to wait: {}", refusal.message),
                key: Some(closed.key),
            },
            close: true,
        },
        (ErrorClass::AuthRefresh | ErrorClass::AuthReconnect, _) => Failure::Dead(Problem {
            code: Code::AccountDisconnected,
            message: format!("the network does not accept this token: {}", refusal.message),
            field: Some("args.accessToken".to_owned()),
        }),
        (ErrorClass::Transient | ErrorClass::Pending | ErrorClass::Ambiguous, _) => {
            Failure::Retry(Problem::new(Code::Unavailable, refusal.message))
        }
        _ => Failure::Dead(Problem::new(Code::PlatformRefused, refusal.message)),
    }
}
