//! Idempotency keys: the same key within a day answers with the original jobs.
//!
//! The API claims keys in the transaction that inserts the jobs.
//!
//! **Invariant:** of two requests with one key, one inserts its jobs and the other learns which
//! they are, however close together they come.

use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::{JobId, OrganizationId};

/// A key that a request claims for its jobs.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The key.
    pub key: &'a str,
    /// What makes two requests the same.
    pub request_hash: [u8; 32],
    /// The jobs that are about to be inserted.
    pub jobs: Vec<JobId>,
}

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

/// Claims keys for jobs that are about to be inserted, each once for the first that wants it.
/// `None` is an operator's lane.
///
/// Waits while another transaction holds one of the keys and has not ended. Keys are taken in their
/// order, so that two that claim several do not lock each other out.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn claim(
    conn: &mut Conn,
    organization: Option<OrganizationId>,
    wanted: &[Wanted<'_>],
) -> Result<Vec<Claimed>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let lane = lane(organization);
    let mut order: Vec<&Wanted<'_>> = wanted.iter().collect();
    order.sort_by_key(|one| one.key);
    // An array of arrays of different lengths does not exist: each is sent as a text.
    let jobs: Vec<String> = order.iter().map(|one| array(&one.jobs)).collect();
    let inserted = sqlx::query_scalar!(
        "insert into idempotency_keys (lane, key, request_hash, job_ids)
         select $1, w.key, w.request_hash, w.job_ids::uuid[]
         from unnest($2::text[], $3::bytea[], $4::text[]) as w (key, request_hash, job_ids)
         on conflict (lane, key) do nothing
         returning job_ids",
        lane,
        &order.iter().map(|one| one.key).collect::<Vec<_>>() as &[&str],
        &order.iter().map(|one| one.request_hash.as_slice()).collect::<Vec<_>>() as &[&[u8]],
        &jobs
    )
    .fetch_all(&mut *conn)
    .await?;
    let inserted: HashSet<Vec<Uuid>> = inserted.into_iter().collect();
    let fresh = |one: &Wanted<'_>| inserted.contains(&uuids(&one.jobs));
    let taken: Vec<&str> = wanted.iter().filter(|one| !fresh(one)).map(|one| one.key).collect();
    let before = if taken.is_empty() { HashMap::new() } else { find(conn, lane, &taken).await? };
    let told = |one: &Wanted<'_>| match before.get(one.key) {
        _ if fresh(one) => Claimed::Fresh,
        Some((hash, jobs)) if *hash == one.request_hash => Claimed::Replay(jobs.clone()),
        // Pruned between the two statements: as good as used.
        Some(_) | None => Claimed::OtherRequest,
    };
    Ok(wanted.iter().map(told).collect())
}

/// What became of the request that came before with this key; `None` when none did.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn look_up(
    conn: &mut Conn,
    organization: Option<OrganizationId>,
    key: &str,
    request_hash: &[u8; 32],
) -> Result<Option<Claimed>> {
    let mut before = find(conn, lane(organization), &[key]).await?;
    Ok(before.remove(key).map(|(hash, jobs)| {
        if hash == *request_hash { Claimed::Replay(jobs) } else { Claimed::OtherRequest }
    }))
}

async fn find(
    conn: &mut Conn,
    lane: Uuid,
    keys: &[&str],
) -> Result<HashMap<String, (Vec<u8>, Vec<JobId>)>> {
    let rows = sqlx::query!(
        "select key, request_hash, job_ids from idempotency_keys where lane = $1 and key = any($2)",
        lane,
        keys as &[&str]
    )
    .fetch_all(conn)
    .await?;
    let jobs = |ids: Vec<Uuid>| ids.into_iter().map(JobId).collect();
    Ok(rows.into_iter().map(|row| (row.key, (row.request_hash, jobs(row.job_ids)))).collect())
}

fn lane(organization: Option<OrganizationId>) -> Uuid {
    organization.map_or(Uuid::nil(), |organization| organization.0)
}

fn uuids(jobs: &[JobId]) -> Vec<Uuid> {
    jobs.iter().map(|job| job.0).collect()
}

/// An array as Postgres writes it.
fn array(jobs: &[JobId]) -> String {
    let ids: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::Login;
    use crate::testing::Scratch;

    fn wanted(key: &'static str, hash: u8, jobs: &[JobId]) -> Wanted<'static> {
        Wanted { key, request_hash: [hash; 32], jobs: jobs.to_vec() }
    }

    #[tokio::test]
    async fn of_two_requests_with_one_key_one_wins_and_the_other_learns_its_jobs() {
        let scratch = Scratch::new().await;
        let store = scratch.log_in(Login::Api).await;
        let organization = OrganizationId::new();
        let (mine, theirs) = ([JobId::new(), JobId::new()], [JobId::new()]);
        let mut first = store.acting_for(organization).await.unwrap();
        let claimed =
            claim(&mut first, Some(organization), &[wanted("k", 1, &mine)]).await.unwrap();
        assert_eq!(claimed, [Claimed::Fresh]);

        let waiting = tokio::spawn({
            let store = store.clone();
            async move {
                let mut second = store.acting_for(organization).await.unwrap();
                claim(&mut second, Some(organization), &[wanted("k", 1, &theirs)]).await.unwrap()
            }
        });
        first.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap(), [Claimed::Replay(mine.to_vec())]);

        let mut third = store.acting_for(organization).await.unwrap();
        let other =
            claim(&mut third, Some(organization), &[wanted("k", 2, &theirs)]).await.unwrap();
        assert_eq!(other, [Claimed::OtherRequest]);
        third.commit().await.unwrap();
        scratch.drop().await;
    }

    #[tokio::test]
    async fn of_several_claims_at_once_each_is_told_its_own() {
        let scratch = Scratch::new().await;
        let store = scratch.log_in(Login::Api).await;
        let organization = OrganizationId::new();
        let lane = Some(organization);
        let jobs: Vec<[JobId; 1]> = (0..4).map(|_| [JobId::new()]).collect();
        let mut tx = store.acting_for(organization).await.unwrap();
        let several = [
            wanted("l", 1, &jobs[0]),
            wanted("k", 1, &jobs[1]),
            wanted("l", 1, &jobs[2]),
            wanted("l", 2, &jobs[3]),
        ];
        let claimed = claim(&mut tx, lane, &several).await.unwrap();
        let first = Claimed::Replay(jobs[0].to_vec());
        assert_eq!(claimed, [Claimed::Fresh, Claimed::Fresh, first.clone(), Claimed::OtherRequest]);
        assert_eq!(look_up(&mut tx, lane, "l", &[1; 32]).await.unwrap(), Some(first));
        assert_eq!(look_up(&mut tx, lane, "m", &[1; 32]).await.unwrap(), None);
        assert_eq!(look_up(&mut tx, None, "l", &[1; 32]).await.unwrap(), None);
        drop(tx);
        scratch.drop().await;
    }

    #[tokio::test]
    async fn a_group_does_not_wait_long_for_a_key_that_somebody_holds() {
        let scratch = Scratch::new().await;
        let store = scratch.log_in(Login::Api).await;
        let organization = OrganizationId::new();
        let jobs = [JobId::new()];
        let mut first = store.acting_for(organization).await.unwrap();
        claim(&mut first, Some(organization), &[wanted("k", 1, &jobs)]).await.unwrap();
        let mut group = store.acting_for_group(organization).await.unwrap();
        let held = claim(&mut group, Some(organization), &[wanted("k", 1, &jobs)]).await;
        assert!(matches!(held, Err(crate::Error::Broken(_))), "{held:?}");
        drop((first, group));
        scratch.drop().await;
    }

    #[tokio::test]
    async fn a_claim_that_is_undone_leaves_the_key_free() {
        let scratch = Scratch::new().await;
        let store = scratch.log_in(Login::Api).await;
        let jobs = [JobId::new()];
        for _ in 0..2 {
            let mut tx = store.operating().await.unwrap();
            let claimed = claim(&mut tx, None, &[wanted("k", 1, &jobs)]).await.unwrap();
            assert_eq!(claimed, [Claimed::Fresh]);
            drop(tx);
        }
        scratch.drop().await;
    }
}
