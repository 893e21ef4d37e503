//! `connection.check`: somebody said that access was taken back; the network is asked whether it was.
//!
//! **Invariant:** a word that access is over ends nothing by itself: only the network's refusal of the token,
//! and then of new ones, does.

use crate::publishing::decide::{Account, Next, after_error};
use crate::publishing::give_way::{Whose, give_way};
use crate::publishing::target;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{CheckConnection, Checked, CheckedConnection};
use jobs::{Code, Failure, Problem};
use platforms::Platform;
use store::connections;

use super::tokens::TokenOver;

/// Asks whether an account's token is still good.
pub(crate) async fn check_connection(run: Run<CheckConnection>) -> Answer<CheckConnection> {
    let organization = run.organization()?;
    let id = run.args.connection_id;
    let mut tx = run.begin().await?;
    let connection = connections::get(&mut tx, id)
        .await
        .map_err(failed)?
        .filter(|connection| connection.organization_id == organization && connection.is_active);
    let Some(connection) = connection else {
        return run.end(tx, &CheckedConnection { outcome: Checked::Changed }).await;
    };
    let platform: Platform = connection.platform.parse().map_err(|_| {
        Failure::Dead(Problem::new(Code::Internal, "The account's network is unknown."))
    })?;
    let whose = Whose { organization, connection: id };
    let right = match target::right(&run.fleet, &mut tx, id, &connection.account_id).await? {
        Ok(right) => right,
        // Its time is over: whether there are new ones says the attempt to get them.
        Err(Next::NewToken { refused, version }) => {
            return refused_token(&run, tx, whose, refused.as_deref(), version).await;
        }
        Err(next) => return give_way(&run, tx, whose, next).await,
    };
    if right.token_version != run.args.token_version {
        return run.end(tx, &CheckedConnection { outcome: Checked::Changed }).await;
    }
    tx.commit().await.map_err(failed)?;

    let connector = run.fleet.connector(platform);
    let answer = connector.identify(&right.access.token).await;
    let mut tx = run.begin().await?;
    let error = match answer {
        Ok(_) => return run.end(tx, &CheckedConnection { outcome: Checked::Works }).await,
        Err(error) => error,
    };
    let account = Account {
        platform,
        id: &connection.account_id,
        publish_key: &connector.publish_key(&connection.account_id),
        token_version: right.token_version,
    };
    let now = store::now(&mut tx).await.map_err(failed)?;
    match after_error(error, account, now) {
        Next::NewToken { refused, version } => {
            refused_token(&run, tx, whose, refused.as_deref(), version).await
        }
        next => give_way(&run, tx, whose, next).await,
    }
}

/// Asks for new tokens: without any, the account is disconnected by whoever asks.
async fn refused_token(
    run: &Run<CheckConnection>,
    mut tx: store::Claimed,
    whose: Whose,
    refused: Option<&str>,
    version: i64,
) -> Answer<CheckConnection> {
    let Whose { organization, connection } = whose;
    TokenOver { organization, connection, version, refused }.wait(run, &mut tx).await?;
    run.end(tx, &CheckedConnection { outcome: Checked::Refused }).await
}
