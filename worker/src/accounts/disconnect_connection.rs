//! `connection.disconnect`: tokens are wiped, and what waits to go out there is put on hold.

use serde_json::json;

use crate::run::{Answer, Run, failed};
use jobs::kinds::{DisconnectConnection, DisconnectedConnection};
use jobs::{Failure, Problem};
use store::{connections, events, schedules};

const REASON: &str = "The account was disconnected. Connect it again, then move the schedule to a new time.";

pub(crate) async fn disconnect_connection(run: Run<DisconnectConnection>) -> Answer<DisconnectConnection> {
    let organization = run.organization()?;
    let id = run.args.connection_id;
    let mut tx = run.begin().await?;
    let connection = connections::get(&mut tx, id)
        .await
        .map_err(failed)?
        .filter(|connection| connection.organization_id == organization)
        .ok_or_else(|| Failure::Dead(Problem::not_found("connection", id).at("connectionId")))?;
    let who = if run.job.actor.is_empty() { "a caller" } else { &run.job.actor };
    let reason = format!("disconnected by {who}");
    connections::wipe(&mut tx, id, &reason).await.map_err(failed)?;
    let on_hold = schedules::put_on_hold(&mut tx, id, REASON).await.map_err(failed)?;
    let message = format!(
        "The account @{} was disconnected; {} schedules are on hold.",
        connection.account_name,
        on_hold.len()
    );
    let data = json!({ "schedulesOnHold": on_hold });
    events::record(&mut tx, organization, "connection.disconnected", "connection", id.0, &message, data)
        .await
        .map_err(failed)?;
    let schedules_on_hold = i64::try_from(on_hold.len()).unwrap_or(i64::MAX);
    run.end(tx, &DisconnectedConnection { connection_id: id, schedules_on_hold }).await
}
