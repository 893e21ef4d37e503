//! `key.revoke`: calls with the key are refused from now on.
//!
//! **Invariant:** a revoked key never works again; revoking it again changes nothing.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{RevokeKey, RevokedKey};
use jobs::{Failure, Problem};
use store::api_keys;

/// Revokes an API key.
pub(crate) async fn revoke_key(run: Run<RevokeKey>) -> Answer<RevokeKey> {
    let key_id = run.args.key_id;
    let organization = run.organization()?;
    let mut tx = run.begin().await?;
    if !api_keys::revoke(&mut tx, organization, key_id, &run.job.actor).await.map_err(failed)? {
        return Err(Failure::Dead(Problem::not_found("key", key_id).at("keyId")));
    }
    run.end(tx, &RevokedKey { key_id }).await
}
