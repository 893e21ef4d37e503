//! `connection.disconnect`: an account's tokens are wiped, here and at the network, and what waits for it
//! is put on hold.
//!
//! **Invariant:** schedules are locked before the connection, as publishing does.

use serde_json::json;

use super::tokens::{access_token_at, end_at_network, refresh_token_at};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{DisconnectConnection, DisconnectedConnection};
use jobs::{Failure, Problem};
use platforms::Platform;
use seal::Sealed;
use secrecy::SecretString;
use store::connections::{self, Connection, LastToken};
use store::{events, schedules};

/// Disconnects an account.
pub(crate) async fn disconnect_connection(
    run: Run<DisconnectConnection>,
) -> Answer<DisconnectConnection> {
    let organization = run.organization()?;
    let id = run.args.connection_id;
    let mut tx = run.begin().await?;
    let connection = connections::get(&mut tx, id)
        .await
        .map_err(failed)?
        .filter(|connection| connection.organization_id == organization)
        .ok_or_else(|| {
            Failure::Dead(Problem::not_found("platform connection", id).at("connectionId"))
        })?;
    let reason = if run.job.actor.is_empty() {
        "The account was disconnected.".to_owned()
    } else {
        format!("The account was disconnected by {}.", run.job.actor)
    };
    let on_hold = schedules::put_on_hold(&mut tx, id, &reason).await.map_err(failed)?;
    let last = connections::wipe(&mut tx, id, &reason).await.map_err(failed)?;
    let message = match on_hold.len() {
        0 => format!("{}: {reason}", connection.account_name),
        n => format!("{}: {reason} {n} schedules were put on hold.", connection.account_name),
    };
    let data = json!({ "platformConnectionId": id, "scheduleIds": on_hold });
    events::record(
        &mut tx,
        organization,
        "connection.disconnected",
        "platform_connection",
        id.0,
        &message,
        data,
    )
    .await
    .map_err(failed)?;
    let schedules_on_hold = i64::try_from(on_hold.len()).unwrap_or(i64::MAX);
    let output = DisconnectedConnection { connection_id: id, schedules_on_hold };
    let ended = run.end(tx, &output).await?;
    if let Some((platform, token)) = last.and_then(|last| opened(&run, &connection, &last)) {
        // Nobody waits for it: here the tokens are gone already.
        drop(run.shielded(end_at_network(run.fleet.clone(), platform, token)));
    }
    Ok(ended)
}

/// The token with which the grant is ended at the network.
fn opened(
    run: &Run<DisconnectConnection>,
    connection: &Connection,
    last: &LastToken,
) -> Option<(Platform, SecretString)> {
    let place = if last.is_refresh {
        refresh_token_at(connection.id)
    } else {
        access_token_at(connection.id)
    };
    let sealed: Sealed = last.token.parse().ok()?;
    let token = run.fleet.token_keys.open(&sealed, &place).ok()?;
    Some((connection.platform.parse().ok()?, token))
}
