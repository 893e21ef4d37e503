//! `key.revoke`

use crate::run::{Answer, Run, failed};
use jobs::kinds::{RevokeKey, RevokedKey};
use jobs::{Failure, Problem};
use store::api_keys;

pub(crate) async fn revoke_key(run: Run<RevokeKey>) -> Answer<RevokeKey> {
    let organization = run.organization()?;
    let key_id = run.args.key_id;
    let mut tx = run.begin().await?;
    if !api_keys::revoke(&mut tx, organization, key_id, &run.job.actor).await.map_err(failed)? {
        return Err(Failure::Dead(Problem::not_found("key", key_id).at("keyId")));
    }
    run.end(tx, &RevokedKey { key_id }).await
}
