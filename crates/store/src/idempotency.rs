//! Idempotency keys: the same key within a day answers with the original jobs.
//!
//! The API claims a key in the transaction that inserts the jobs.
//!
//! **Invariant:** of two requests with one key, one inserts its jobs and the other learns which
//! they are, however close together they come.

use uuid::Uuid;

use crate::{Conn, Result};
use jobs::{JobId, OrganizationId};

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The key was free: insert the jobs.
    Fresh,
    /// The same request came before: these are its jobs. Insert nothing.
    Replay(Vec<JobId>),
    /// The key was used for another request.
    OtherRequest,
}

/// Claims a key for jobs that are about to be inserted. `None` is an operator's key.
///
/// Waits while another transaction holds the same key and has not ended.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn claim(
    conn: &mut Conn,
    organization: Option<OrganizationId>,
    key: &str,
    request_hash: &[u8; 32],
    jobs: &[JobId],
) -> Result<Claimed> {
    let lane = organization.map_or(Uuid::nil(), |organization| organization.0);
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    let inserted = sqlx::query!(
        "insert into idempotency_keys (lane, key, request_hash, job_ids) values ($1, $2, $3, $4)
         on conflict (lane, key) do nothing",
        lane,
        key,
        request_hash.as_slice(),
        &ids
    )
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Claimed::Fresh);
    }
    let before = sqlx::query!(
        r#"select request_hash = $3 as "same!", job_ids from idempotency_keys where lane = $1 and key = $2"#,
        lane,
        key,
        request_hash.as_slice()
    )
    .fetch_optional(conn)
    .await?;
    Ok(match before {
        Some(row) if row.same => Claimed::Replay(row.job_ids.into_iter().map(JobId).collect()),
        // Pruned between the two statements: as good as used.
        Some(_) | None => Claimed::OtherRequest,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::Login;
    use crate::testing::Scratch;

    #[tokio::test]
    async fn of_two_requests_with_one_key_one_wins_and_the_other_learns_its_jobs() {
        let scratch = Scratch::new().await;
        let store = scratch.log_in(Login::Api).await;
        let organization = OrganizationId::new();
        let (mine, theirs) = ([JobId::new()], [JobId::new()]);
        let mut first = store.acting_for(organization).await.unwrap();
        let claimed = claim(&mut first, Some(organization), "k", &[1; 32], &mine).await.unwrap();
        assert_eq!(claimed, Claimed::Fresh);

        let waiting = tokio::spawn({
            let store = store.clone();
            async move {
                let mut second = store.acting_for(organization).await.unwrap();
                claim(&mut second, Some(organization), "k", &[1; 32], &theirs).await.unwrap()
            }
        });
        first.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap(), Claimed::Replay(mine.to_vec()));

        let mut third = store.acting_for(organization).await.unwrap();
        let other = claim(&mut third, Some(organization), "k", &[2; 32], &theirs).await.unwrap();
        assert_eq!(other, Claimed::OtherRequest);
        third.commit().await.unwrap();
        scratch.drop().await;
    }

    #[tokio::test]
    async fn a_claim_that_is_undone_leaves_the_key_free() {
        let scratch = Scratch::new().await;
        let store = scratch.log_in(Login::Api).await;
        let jobs = [JobId::new()];
        for _ in 0..2 {
            let mut tx = store.operating().await.unwrap();
            let claimed = claim(&mut tx, None, "k", &[1; 32], &jobs).await.unwrap();
            assert_eq!(claimed, Claimed::Fresh);
            drop(tx);
        }
        scratch.drop().await;
    }
}
