//! `connection.disconnect`: an account's tokens are wiped, and what waits for it is put on hold.
//!
//! **Invariant:** schedules are locked before the connection, as publishing does.

use serde_json::json;

use crate::run::{Answer, Run, failed};
use jobs::kinds::{DisconnectConnection, DisconnectedConnection};
use jobs::{Failure, Problem};
use store::{connections, events, schedules};

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
    connections::wipe(&mut tx, id, &reason).await.map_err(failed)?;
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
    run.end(tx, &DisconnectedConnection { connection_id: id, schedules_on_hold }).await
}
