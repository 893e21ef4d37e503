//! API keys: one organization's, with scopes and a rate of its own. Only the hash is kept.
//!
//! Written by the worker's `key.*` handlers; looked up by the API on every request.
//!
//! **Invariant:** nothing here reads a key's hash back; a key is found only by knowing it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Conn, Page, Result};
use jobs::{ApiKeyId, OrganizationId};

/// A key as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// The key's id.
    pub id: ApiKeyId,
    /// Whose key it is.
    pub organization_id: OrganizationId,
    /// What it is for.
    pub name: String,
    /// Its first characters, so that people can tell keys apart.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Requests a minute; the fleet's default when absent.
    pub rate_limit_per_minute: Option<i32>,
    /// Who created it.
    pub created_by: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was revoked; calls with it are refused since then.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
}

/// A key to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewApiKey<'a> {
    /// Derived from the job that creates it.
    pub id: ApiKeyId,
    /// Whose key it is.
    pub organization: OrganizationId,
    /// What it is for.
    pub name: &'a str,
    /// Its first characters.
    pub prefix: &'a str,
    /// SHA-256 of the whole key.
    pub secret_hash: [u8; 32],
    /// What it may do.
    pub scopes: &'a [String],
    /// Requests a minute; the fleet's default when absent.
    pub rate_limit_per_minute: Option<i32>,
    /// Who creates it.
    pub created_by: &'a str,
}

/// What a presented key may do.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key's id.
    pub id: ApiKeyId,
    /// For whom it acts.
    pub organization: OrganizationId,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Requests a minute; the fleet's default when absent.
    pub rate_limit_per_minute: Option<i32>,
}

/// Creates a key; does nothing when its id is there already.
///
/// # Errors
/// [`crate::Error::Rule`] `api_keys_organization_id_fkey` when there is no such organization.
pub async fn insert(conn: &mut Conn, new: NewApiKey<'_>) -> Result<()> {
    sqlx::query!(
        "insert into api_keys (id, organization_id, name, prefix, secret_hash, scopes,
                               rate_limit_per_minute, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do nothing",
        new.id.0,
        new.organization.0,
        new.name,
        new.prefix,
        &new.secret_hash,
        new.scopes,
        new.rate_limit_per_minute,
        new.created_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Revokes a key of the organization; a second time changes nothing. `false` when there is none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn revoke(
    conn: &mut Conn,
    organization: OrganizationId,
    id: ApiKeyId,
    actor: &str,
) -> Result<bool> {
    let done = sqlx::query!(
        "update api_keys set revoked_at = coalesce(revoked_at, now()), revoked_by = coalesce(revoked_by, $3)
         where id = $1 and organization_id = $2",
        id.0,
        organization.0,
        actor
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What the key with this SHA-256 may do; `None` when there is none or it was revoked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lookup(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<Key>> {
    Ok(sqlx::query_as!(
        Key,
        r#"select id as "id!", organization_id as "organization!", scopes as "scopes!",
                  rate_limit_per_minute
           from api_key_lookup($1)"#,
        hash.as_slice()
    )
    .fetch_optional(conn)
    .await?)
}

/// One key.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: ApiKeyId) -> Result<Option<ApiKey>> {
    Ok(sqlx::query_as!(
        ApiKey,
        "select id, organization_id, name, prefix, scopes, rate_limit_per_minute, created_by,
                created_at, revoked_at, revoked_by
         from api_keys where id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Keys, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, page: Page) -> Result<Vec<ApiKey>> {
    Ok(sqlx::query_as!(
        ApiKey,
        "select id, organization_id, name, prefix, scopes, rate_limit_per_minute, created_by,
                created_at, revoked_at, revoked_by
         from api_keys where id < $1 order by id desc limit $2",
        page.below(),
        page.limit
    )
    .fetch_all(conn)
    .await?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::organizations::{self, NewOrganization};
    use crate::testing::Scratch;
    use crate::{Error, Login};

    #[tokio::test]
    async fn the_api_finds_a_key_by_knowing_it_until_it_is_revoked_and_never_reads_its_hash() {
        let scratch = Scratch::new().await;
        let (organization, id) = (OrganizationId::new(), ApiKeyId::new());
        let mut tx = scratch.store.begin().await.unwrap();
        let acme = NewOrganization {
            id: organization,
            name: "Acme",
            slug: "acme",
            plan: "starter",
            timezone: "UTC",
        };
        organizations::insert(&mut tx, acme).await.unwrap();
        let new = NewApiKey {
            id,
            organization,
            name: "web",
            prefix: "ezre_abc",
            secret_hash: [7; 32],
            scopes: &["read".to_owned()],
            rate_limit_per_minute: None,
            created_by: "ann",
        };
        insert(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();

        let api = scratch.log_in(Login::Api).await;
        let mut tx = api.begin().await.unwrap();
        let found = lookup(&mut tx, &[7; 32]).await.unwrap().unwrap();
        assert_eq!((found.id, found.organization), (id, organization));
        assert!(lookup(&mut tx, &[8; 32]).await.unwrap().is_none());
        assert!(list(&mut tx, Page { before: None, limit: 9 }).await.unwrap().is_empty());
        let read = sqlx::query("select secret_hash from api_keys").fetch_all(&mut *tx).await;
        assert!(matches!(read.map_err(Error::from), Err(Error::Forbidden(_))));
        drop(tx);

        let mut tx = scratch.store.begin().await.unwrap();
        assert!(!revoke(&mut tx, OrganizationId::new(), id, "eve").await.unwrap());
        assert!(revoke(&mut tx, organization, id, "ann").await.unwrap());
        tx.commit().await.unwrap();
        let mut tx = api.begin().await.unwrap();
        assert!(lookup(&mut tx, &[7; 32]).await.unwrap().is_none());
        drop(tx);
        scratch.drop().await;
    }
}
