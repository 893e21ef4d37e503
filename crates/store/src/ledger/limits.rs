//! Limits of keys, over the whole fleet: how many jobs at once, and how many starts in a time.
//!
//! **Invariant:** claimers that ask for the same key take turns, and each counts what the one
//! before it let through. A permit is a running job's own: it ends with the run, however that ends.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::Connection;
use std::collections::{BTreeSet, HashMap};

use crate::{Claim, Conn, Result};
use jobs::{Limit, Queue, Rate, Usage, Wait, limit_patterns};

/// A limit as operators see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitView {
    /// A key, or all keys of which one part is `*` here.
    pub pattern: String,
    /// At most so many runs at once.
    pub concurrency: Option<i32>,
    /// At most so many starts
    pub starts: Option<i32>,
    /// in so many seconds.
    pub per_secs: Option<i32>,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: DateTime<Utc>,
}

/// Sets the limit of a pattern.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_limit(
    conn: &mut Conn,
    pattern: &str,
    concurrency: Option<i32>,
    rate: Option<(i32, i32)>,
    actor: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into limits (pattern, concurrency, starts, per_secs, set_by) values ($1, $2, $3, $4, $5)
         on conflict (pattern) do update set concurrency = excluded.concurrency, starts = excluded.starts,
            per_secs = excluded.per_secs, set_by = excluded.set_by, set_at = now()",
        pattern,
        concurrency,
        rate.map(|(starts, _)| starts),
        rate.map(|(_, per)| per),
        actor
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes the limit of a pattern; `false` when there was none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn remove_limit(conn: &mut Conn, pattern: &str) -> Result<bool> {
    let done = sqlx::query!("delete from limits where pattern = $1", pattern).execute(conn).await?;
    Ok(done.rows_affected() > 0)
}

/// All limits, at most 1,000.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn limits(conn: &mut Conn) -> Result<Vec<LimitView>> {
    Ok(sqlx::query_as!(
        LimitView,
        "select pattern, concurrency, starts, per_secs, set_by, set_at from limits order by pattern limit 1000"
    )
    .fetch_all(conn)
    .await?)
}

/// A claimed job that needs keys.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Its claim.
    pub claim: Claim,
    /// The keys.
    pub keys: Vec<String>,
    /// The key for which it stood in line.
    pub waited_for: Option<String>,
}

/// What a job that asked was told.
#[derive(Clone, Debug)]
pub enum Told {
    /// It may run, and holds these keys, of which a few may run at once, until its run ends.
    Run(Vec<String>),
    /// It waits until then.
    Wait(DateTime<Utc>, Wait),
}

/// Asks the limits whether claimed jobs may run, in the order given; answers in the same order.
///
/// # Errors
/// [`crate::Error::Unavailable`]: then none may.
pub async fn admit(conn: &mut Conn, jobs: &[Asking]) -> Result<Vec<Told>> {
    let keys: BTreeSet<&str> = jobs.iter().flat_map(|job| &job.keys).map(String::as_str).collect();
    let rules = rules(&mut *conn, &keys).await?;
    if rules.is_empty() {
        return Ok(jobs.iter().map(|_| Told::Run(Vec::new())).collect());
    }
    let limited: Vec<String> =
        keys.into_iter().filter(|key| rules.contains_key(*key)).map(str::to_owned).collect();
    let mut tx = conn.begin().await?;
    let (now, mut usage) = usage(&mut tx, &limited).await?;
    let told: Vec<Told> = jobs.iter().map(|job| tell(job, &rules, &mut usage, now)).collect();
    write(&mut tx, jobs, &told, &usage).await?;
    tx.commit().await?;
    Ok(told)
}

fn tell(
    job: &Asking,
    rules: &HashMap<String, Limit>,
    usage: &mut HashMap<String, Usage>,
    now: DateTime<Utc>,
) -> Told {
    let mut keys: Vec<(&String, &Limit)> =
        job.keys.iter().filter_map(|key| Some((key, rules.get(key)?))).collect();
    keys.dedup_by_key(|(key, _)| *key);
    let waits = keys
        .iter()
        .filter_map(|(key, limit)| {
            let waited = job.waited_for.as_ref() == Some(*key);
            let opens = limit.opens_at(usage.get(*key)?, waited, now)?;
            Some((opens, *key, *limit))
        })
        .max_by_key(|(opens, ..)| *opens);
    if let Some((opens, key, limit)) = waits {
        if let Some(usage) = usage.get_mut(key) {
            usage.line_ends = usage.line_ends.max(Some(opens));
        }
        let message = format!("{key} allows {}", limit.in_words());
        let wait = Wait { code: "limited".into(), message, key: Some(key.clone()) };
        return Told::Wait(opens, wait);
    }
    for (key, limit) in &keys {
        if let Some(usage) = usage.get_mut(*key) {
            usage.started(limit, now);
        }
    }
    let held = keys.into_iter().filter(|(_, limit)| limit.concurrency.is_some());
    Told::Run(held.map(|(key, _)| key.clone()).collect())
}

/// The limit of each key that has one: the closest pattern's.
async fn rules(conn: &mut Conn, keys: &BTreeSet<&str>) -> Result<HashMap<String, Limit>> {
    let patterns: Vec<String> = keys.iter().flat_map(|key| limit_patterns(key)).collect();
    let rows = sqlx::query!(
        "select pattern, concurrency, starts, per_secs from limits where pattern = any($1)",
        &patterns
    )
    .fetch_all(conn)
    .await?;
    let count = |n: i32| u32::try_from(n).unwrap_or_default();
    let set: HashMap<String, Limit> = rows
        .into_iter()
        .map(|row| {
            let rate = row.starts.zip(row.per_secs).map(|(starts, per)| Rate {
                starts: count(starts),
                per: TimeDelta::seconds(per.into()),
            });
            (row.pattern, Limit { concurrency: row.concurrency.map(count), rate })
        })
        .collect();
    let of = |key: &str| limit_patterns(key).iter().find_map(|pattern| set.get(pattern)).copied();
    Ok(keys.iter().filter_map(|key| Some(((*key).to_owned(), of(key)?))).collect())
}

/// Locks the keys, one claimer at a time, and reads what is used of them.
async fn usage(
    conn: &mut Conn,
    keys: &[String],
) -> Result<(DateTime<Utc>, HashMap<String, Usage>)> {
    sqlx::query!(
        "insert into limit_usage (key) select key from unnest($1::text[]) as k (key) order by key
         on conflict (key) do nothing",
        keys
    )
    .execute(&mut *conn)
    .await?;
    let windows = sqlx::query!(
        "select key, window_began, starts, starts_before from limit_usage where key = any($1) order by key for update",
        keys
    )
    .fetch_all(&mut *conn)
    .await?;
    // A statement of its own: it sees what others committed before the lock was ours.
    let rows = sqlx::query_file!("src/ledger/usage.sql", keys).fetch_all(&mut *conn).await?;
    let now = rows.first().map_or(DateTime::UNIX_EPOCH, |row| row.now);
    let mut usage: HashMap<String, Usage> = windows
        .into_iter()
        .map(|row| {
            let count = |n: i32| u32::try_from(n).unwrap_or_default();
            let (starts, starts_before) = (count(row.starts), count(row.starts_before));
            (
                row.key,
                Usage { window_began: row.window_began, starts, starts_before, ..Usage::none(now) },
            )
        })
        .collect();
    for row in rows {
        if let Some(usage) = usage.get_mut(&row.key) {
            usage.running = u32::try_from(row.running).unwrap_or(u32::MAX);
            usage.line_ends = row.line_ends;
        }
    }
    Ok((now, usage))
}

async fn write(
    conn: &mut Conn,
    jobs: &[Asking],
    told: &[Told],
    usage: &HashMap<String, Usage>,
) -> Result<()> {
    let (mut ids, mut claims, mut permits) = (Vec::new(), Vec::new(), Vec::new());
    for (job, told) in jobs.iter().zip(told) {
        match told {
            Told::Run(keys) if !keys.is_empty() => {
                ids.push(job.claim.job_id.0);
                claims.push(job.claim.claim_no);
                permits.push(serde_json::Value::from(keys.clone()));
            }
            Told::Run(_) | Told::Wait(..) => {}
        }
    }
    sqlx::query!(
        "update jobs set permits = array(select jsonb_array_elements_text(a.permits))
         from unnest($1::uuid[], $2::bigint[], $3::jsonb[]) as a (id, claim_no, permits)
         where jobs.id = a.id and jobs.claim_no = a.claim_no",
        &ids,
        &claims,
        &permits
    )
    .execute(&mut *conn)
    .await?;
    let mut rows: Vec<(&String, &Usage)> = usage.iter().collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    sqlx::query!(
        "update limit_usage set window_began = u.window_began, starts = u.starts, starts_before = u.starts_before
         from unnest($1::text[], $2::timestamptz[], $3::int[], $4::int[]) as u (key, window_began, starts, starts_before)
         where limit_usage.key = u.key",
        &rows.iter().map(|(key, _)| (*key).clone()).collect::<Vec<_>>(),
        &rows.iter().map(|(_, usage)| usage.window_began).collect::<Vec<_>>(),
        &rows.iter().map(|(_, usage)| number(usage.starts)).collect::<Vec<_>>(),
        &rows.iter().map(|(_, usage)| number(usage.starts_before)).collect::<Vec<_>>()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Runs that held these keys have ended: as many jobs as did that wait for them may look again.
/// Says in which queues.
///
/// # Errors
/// [`crate::Error::Unavailable`]: then they look by themselves, later.
pub async fn next_in_line(conn: &mut Conn, ended: &HashMap<String, i64>) -> Result<Vec<Queue>> {
    let (keys, counts): (Vec<String>, Vec<i64>) =
        ended.iter().map(|(key, n)| (key.clone(), *n)).unzip();
    let queues: Vec<String> = sqlx::query_scalar!(
        "with next as materialized (
             select j.id from unnest($1::text[], $2::bigint[]) as e (key, n) cross join lateral (
                 select id from jobs
                 where parked_by = e.key and state = 'scheduled' and wait_reason ->> 'code' = 'limited'
                   and run_at > now()
                 order by run_at limit e.n for update skip locked
             ) j
         )
         update jobs set run_at = now() from next where jobs.id = next.id returning queue",
        &keys,
        &counts
    )
    .fetch_all(conn)
    .await?;
    Ok(queues.iter().filter_map(|queue| queue.parse().ok()).collect())
}
