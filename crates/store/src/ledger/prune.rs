//! Pruning: history by dropping partitions, small tables by age.
//!
//! **Invariant:** nothing here waits for a lock longer than two seconds.

use std::time::Duration;

use crate::{Conn, Result, Store};

/// Makes the partitions of the coming two weeks; says how many were missing.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn make_partitions(store: &Store) -> Result<i32> {
    let mut tx = store.begin().await?;
    let made = sqlx::query_scalar!(r#"select ledger_make_partitions() as "made!""#)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(made)
}

/// Drops history older than `keep`, idempotency keys older than a day, events older than `keep`,
/// and workers that have been gone for a week and hold nothing. Answers the partitions dropped and
/// the rows deleted.
///
/// # Errors
/// [`crate::Error::Unavailable`]; [`crate::Error::Broken`] when the history is in use for longer than
/// two seconds.
pub async fn prune(conn: &mut Conn, keep: Duration) -> Result<(i32, u64)> {
    let seconds = keep.as_secs_f64();
    let mut deleted = 0;
    deleted += sqlx::query!(
        "delete from idempotency_keys where (lane, key) in
             (select lane, key from idempotency_keys where created_at < now() - interval '1 day' limit 50000)"
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    deleted += sqlx::query!(
        "delete from events where seq in
             (select seq from events where created_at < now() - make_interval(secs => $1) limit 50000)",
        seconds
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    deleted += sqlx::query!(
        "delete from workers w where seen_at < now() - interval '7 days'
             and not exists (select from jobs j where j.worker = w.id)"
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    deleted += sqlx::query!("delete from closed_keys where until < now() - interval '1 day'")
        .execute(&mut *conn)
        .await?
        .rows_affected();
    // Last, because it locks the history against everybody who ends a job until the commit.
    let dropped = sqlx::query_scalar!(
        r#"select ledger_drop_partitions(make_interval(secs => $1)) as "dropped!""#,
        seconds
    )
    .fetch_one(conn)
    .await?;
    Ok((dropped, deleted))
}
