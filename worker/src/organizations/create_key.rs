//! `key.create`: a key that the API has made and shown once.
//!
//! **Invariant:** only the key's hash and its first characters arrive here.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{CreateKey, CreatedKey};
use jobs::{ApiKeyId, Code, Failure, Problem};
use store::api_keys::{self, NewApiKey};

/// Creates an API key.
pub(crate) async fn create_key(run: Run<CreateKey>) -> Answer<CreateKey> {
    let args = &run.args;
    let organization = run.organization()?;
    let id = ApiKeyId(run.job.id.derive("key"));
    let (secret_hash, prefix) = made_by_the_api(args).map_err(Failure::Dead)?;
    let scopes: Vec<String> = args.scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    let new = NewApiKey {
        id,
        organization,
        name: &args.name,
        prefix,
        secret_hash,
        scopes: &scopes,
        rate_limit_per_minute: args
            .rate_limit_per_minute
            .map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
        created_by: &run.job.actor,
    };
    let mut tx = run.begin().await?;
    match api_keys::insert(&mut tx, new).await {
        Err(error) if error.breaks("api_keys_organization_id_fkey") => {
            let message = format!("no organization {organization}");
            return Err(Failure::Dead(Problem::new(Code::NotFound, message)));
        }
        Err(error) if error.breaks("api_keys_secret_hash_key") => {
            let message = "This key exists already; ask for a new one.";
            return Err(Failure::Dead(Problem::new(Code::Conflict, message)));
        }
        inserted => inserted.map_err(failed)?,
    }
    run.end(tx, &CreatedKey { key_id: id }).await
}

fn made_by_the_api(args: &CreateKey) -> Result<([u8; 32], &str), Problem> {
    let mut hash = [0; 32];
    let hex = args.secret_hash.as_deref().unwrap_or_default();
    match (hex::decode_to_slice(hex, &mut hash), args.prefix.as_deref()) {
        (Ok(()), Some(prefix)) if !prefix.is_empty() => Ok((hash, prefix)),
        _ => Err(Problem::new(Code::Internal, "The API did not make a key for this job.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::Scope;

    #[test]
    fn a_job_without_a_hash_makes_no_key() {
        let mut args = CreateKey {
            name: "ci".into(),
            scopes: vec![Scope::Read],
            rate_limit_per_minute: None,
            secret_hash: None,
            prefix: Some("ezk_ab".into()),
        };
        assert!(made_by_the_api(&args).is_err());
        args.secret_hash = Some("ab".repeat(31));
        assert!(made_by_the_api(&args).is_err());
        args.secret_hash = Some("ab".repeat(32));
        assert_eq!(made_by_the_api(&args), Ok(([0xab; 32], "ezk_ab")));
        args.prefix = None;
        assert!(made_by_the_api(&args).is_err());
    }
}
