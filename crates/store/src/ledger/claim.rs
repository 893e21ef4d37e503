//! Making due jobs ready, and claiming them fairly.
//!
//! **Invariant:** a claim's cost depends on how many lanes and jobs it takes, never on how many
//! jobs a lane has waiting.

use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

use crate::{Claim, Conn, Error, Result, Store};
use jobs::{JobId, OrganizationId, Queue, WorkerId};

/// A job as its worker sees it.
#[derive(Clone, Debug)]
pub struct ClaimedJob {
    /// The job.
    pub id: JobId,
    /// The fence.
    pub claim_no: i64,
    /// Whose work it is.
    pub organization_id: Option<OrganizationId>,
    /// What claims are fair across: the organization, or the nil id for work of the fleet itself.
    pub lane: Uuid,
    /// Lower goes first within a lane.
    pub priority: i16,
    /// The person behind it.
    pub actor: String,
    /// Wire name of the kind: this build may not know it.
    pub kind: String,
    /// Version of the arguments.
    pub args_version: i16,
    /// The arguments.
    pub args: Value,
    /// Attempts that failed before this one.
    pub attempt: i32,
    /// Attempts that may fail.
    pub max_attempts: i32,
    /// Workers that died while they had it.
    pub crashes: i32,
    /// When it was to run.
    pub run_at: DateTime<Utc>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// Whether somebody waits for the end.
    pub notify_end: bool,
    /// Somebody asked to cancel it before it was claimed.
    pub cancel_requested: bool,
    /// W3C `traceparent` of whoever asked.
    pub trace_context: Option<String>,
    /// The keys it needs.
    pub limit_keys: Vec<String>,
    /// The key that it waited for last, if any since its last run.
    pub waited_for: Option<String>,
}

/// What a claim did.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// The jobs that the worker has now.
    pub jobs: Vec<ClaimedJob>,
    /// Jobs met with a closed key, and moved to its opening.
    pub parked: usize,
    /// Due jobs made ready: another claim may take them.
    pub promoted: usize,
    /// The first of them in each lane.
    pub promoted_from: HashMap<Uuid, Floor>,
    /// The latest `run_at` among the due jobs met.
    pub due_until: Option<DateTime<Utc>>,
}

impl Claims {
    /// How many jobs it met. When there were none, nothing that may run now is waiting.
    pub fn met(&self) -> usize {
        self.jobs.len() + self.parked + self.promoted
    }

    fn add(&mut self, more: Claims) {
        self.jobs.extend(more.jobs);
        self.parked += more.parked;
        self.promoted += more.promoted;
        for (lane, first) in more.promoted_from {
            self.promoted_first(lane, first);
        }
        self.due_until = self.due_until.max(more.due_until);
    }

    fn promoted_first(&mut self, lane: Uuid, first: Floor) {
        let known = self.promoted_from.entry(lane).or_insert(first);
        *known = first.min(*known);
    }
}

/// The place behind which a lane is looked at: the job claimed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Floor {
    /// Its priority.
    pub priority: i16,
    /// Its moment.
    pub run_at: DateTime<Utc>,
    /// Its id.
    pub job_id: JobId,
}

/// Says that the handler of a job which crashed before begins now: dying before costs it no crash.
///
/// # Errors
/// [`Error::ClaimLost`]; [`Error::Unavailable`].
pub async fn begin(store: &Store, claim: Claim) -> Result<()> {
    let done = sqlx::query!(
        "update jobs set started_at = now()
         where id = $1 and claim_no = $2 and (state = 'running') is not false",
        claim.job_id.0,
        claim.claim_no
    )
    .execute(store.pool()?)
    .await?;
    if done.rows_affected() == 0 { Err(Error::ClaimLost(claim.job_id)) } else { Ok(()) }
}

/// How much to claim, and where to look.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// At most so many jobs.
    pub jobs: i32,
    /// At most so many running of one lane in this process.
    pub per_lane: i32,
    /// How many run already, by lane.
    pub running: Vec<(Uuid, i32)>,
    /// Lanes in which only what comes behind a floor is looked at.
    pub floors: Vec<(Uuid, Floor)>,
    /// Due jobs are looked for from here on; all of them when `None`.
    pub due_since: Option<DateTime<Utc>>,
    /// The first lane to look at; moved behind the last one served.
    pub cursor: Uuid,
    /// Lanes before this one are left out.
    pub start: Uuid,
}

/// So many due jobs are met by one claim, or as many as it may claim.
const DUE: i32 = 500;

/// How long until the next job of the queue is due; `None` when nothing is scheduled. Leaves out
/// what was due before `since`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn next_due(
    conn: &mut Conn,
    queue: Queue,
    since: Option<DateTime<Utc>>,
) -> Result<Option<Duration>> {
    let seconds = sqlx::query_scalar!(
        r#"select extract(epoch from run_at - clock_timestamp())::float8 as "seconds!"
           from jobs where queue = $1 and state = 'scheduled' and run_at >= coalesce($2, '-infinity'::timestamptz)
           order by run_at limit 1"#,
        queue.as_str(),
        since
    )
    .fetch_optional(conn)
    .await?;
    Ok(seconds.map(|s| Duration::try_from_secs_f64(s.max(0.0)).unwrap_or(Duration::MAX)))
}

/// Claims at most `window.jobs` jobs of the queue for the worker, sharing them fairly among lanes,
/// makes due jobs ready, and moves the window's cursor on.
///
/// # Errors
/// [`crate::Error::Unavailable`]: a claim whose answer is lost stays with the worker until
/// [`super::held_by`] shows it and it is handed back.
pub async fn claim(
    conn: &mut Conn,
    queue: Queue,
    worker: WorkerId,
    window: &mut Window,
) -> Result<Claims> {
    window.cursor = window.cursor.max(window.start);
    let began_at = window.cursor;
    let mut claims = claim_from(conn, queue, worker, window).await?;
    let wanted = usize::try_from(window.jobs).unwrap_or_default();
    // The lanes before the cursor come next, also when there was none behind it.
    if claims.jobs.len() < wanted && began_at > window.start {
        for job in &claims.jobs {
            match window.running.iter_mut().find(|(lane, _)| *lane == job.lane) {
                Some((_, running)) => *running += 1,
                None => window.running.push((job.lane, 1)),
            }
        }
        let rest = i32::try_from(wanted - claims.jobs.len()).unwrap_or_default();
        let mut start = Window { jobs: rest, cursor: window.start, ..window.clone() };
        match claim_from(conn, queue, worker, &mut start).await {
            Ok(more) => claims.add(more),
            // What was claimed is the worker's all the same.
            Err(_) if !claims.jobs.is_empty() => {}
            Err(error) => return Err(error),
        }
        window.cursor = start.cursor;
    }
    if claims.jobs.len() < wanted {
        // All that may run was taken: the next claim begins at the first lane and needs no second look.
        window.cursor = Uuid::nil();
    }
    Ok(claims)
}

/// One statement is one transaction: a claim costs one round trip.
async fn claim_from(
    conn: &mut Conn,
    queue: Queue,
    worker: WorkerId,
    window: &mut Window,
) -> Result<Claims> {
    let (busy, running): (Vec<Uuid>, Vec<i32>) = window.running.iter().copied().unzip();
    let floors = &window.floors;
    let lanes: Vec<Uuid> = floors.iter().map(|(lane, _)| *lane).collect();
    let priorities: Vec<i16> = floors.iter().map(|(_, floor)| floor.priority).collect();
    let moments: Vec<DateTime<Utc>> = floors.iter().map(|(_, floor)| floor.run_at).collect();
    let ids: Vec<Uuid> = floors.iter().map(|(_, floor)| floor.job_id.0).collect();
    let rows = sqlx::query_file!(
        "src/ledger/claim.sql",
        queue.as_str(),
        worker.0,
        window.cursor,
        window.jobs,
        window.per_lane,
        &busy,
        &running,
        &lanes,
        &priorities,
        &moments,
        &ids,
        window.due_since,
        DUE,
        window.cursor == window.start
    )
    .fetch_all(conn)
    .await?;
    let mut claims = Claims::default();
    let mut last_lane = None;
    for row in rows {
        if row.was_due {
            claims.due_until = claims.due_until.max(Some(row.run_at));
        }
        match (row.state.as_str(), row.args) {
            ("running", Some(args)) => {
                if !row.was_due {
                    last_lane = last_lane.max(Some(row.lane));
                }
                claims.jobs.push(ClaimedJob {
                    id: JobId(row.id),
                    claim_no: row.claim_no,
                    organization_id: row.organization_id.map(OrganizationId),
                    lane: row.lane,
                    priority: row.priority,
                    actor: row.actor,
                    kind: row.kind,
                    args_version: row.args_version,
                    args,
                    attempt: row.attempt,
                    max_attempts: row.max_attempts,
                    crashes: row.crashes,
                    run_at: row.run_at,
                    created_at: row.created_at,
                    notify_end: row.notify_end,
                    cancel_requested: row.cancel_requested,
                    trace_context: row.trace_context,
                    limit_keys: row.limit_keys,
                    waited_for: row.waited_for,
                });
            }
            ("ready", _) => {
                let first =
                    Floor { priority: row.priority, run_at: row.run_at, job_id: JobId(row.id) };
                claims.promoted_first(row.lane, first);
                claims.promoted += 1;
            }
            _ => {
                if !row.was_due {
                    last_lane = last_lane.max(Some(row.lane));
                }
                claims.parked += 1;
            }
        }
    }
    window.cursor =
        last_lane.map_or(Uuid::nil(), |last| Uuid::from_u128(last.as_u128().wrapping_add(1)));
    Ok(claims)
}
