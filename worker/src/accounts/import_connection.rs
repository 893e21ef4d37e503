//! `connection.import`: an account comes in with its tokens.
//!
//! **Invariant:** an account is stored under the id that the network itself gives for the token.

use super::store_account::{Granted, identify, store_account, unsealed};
use crate::run::{Answer, Run};
use jobs::kinds::{ImportConnection, ImportedConnection};

/// Connects an account, or connects it again.
pub(crate) async fn import_connection(run: Run<ImportConnection>) -> Answer<ImportConnection> {
    let args = &run.args;
    let access = unsealed(&run, "accessToken", &args.access_token)?;
    let refresh = match &args.refresh_token {
        Some(token) => Some(unsealed(&run, "refreshToken", token)?),
        None => None,
    };
    let account = identify(&run, args.platform, &access).await?;
    let granted = Granted {
        platform: args.platform,
        access,
        refresh,
        expires_at: args.token_expires_at,
        scopes: args.scopes.clone(),
    };
    let mut tx = run.begin().await?;
    let placed = store_account(&run, &mut tx, &account, &granted).await?;
    let output = ImportedConnection {
        connection_id: placed.id,
        account_id: account.id,
        account_name: account.username,
    };
    run.end(tx, &output).await
}
