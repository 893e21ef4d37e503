//! `key.create`: the API made the key; its hash is stored here.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{CreateKey, CreatedKey};
use jobs::{ApiKeyId, Failure, Problem};
use store::api_keys::{self, NewApiKey};
use store::organizations;

pub(crate) async fn create_key(run: Run<CreateKey>) -> Answer<CreateKey> {
    let organization = run.organization()?;
    let missing = || Failure::Dead(Problem::argument("secretHash", "the API did not make a key"));
    let hash = run.args.secret_hash.as_deref().ok_or_else(missing)?;
    let secret_hash: [u8; 32] =
        hex::decode(hash).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(missing)?;
    let prefix = run.args.prefix.as_deref().ok_or_else(missing)?;
    let scopes: Vec<String> =
        run.args.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let id = ApiKeyId(run.job.id.derive("key"));
    let mut tx = run.begin().await?;
    if organizations::get(&mut tx, organization).await.map_err(failed)?.is_none() {
        return Err(Failure::Dead(Problem::not_found("organization", organization)));
    }
    let new = NewApiKey {
        id,
        organization,
        name: &run.args.name,
        prefix,
        secret_hash,
        scopes: &scopes,
        rate_limit_per_minute: run.args.rate_limit_per_minute.and_then(|n| i32::try_from(n).ok()),
        created_by: &run.job.actor,
    };
    api_keys::insert(&mut tx, new).await.map_err(failed)?;
    run.end(tx, &CreatedKey { key_id: id }).await
}
