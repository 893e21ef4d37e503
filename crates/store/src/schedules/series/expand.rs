//! The clock turns recurring schedules into occurrences, a horizon ahead.
//!
//! The scheduler calls this again and again; a series that has rows enough costs nothing until `expand_at`.
//!
//! **Invariant:** how far a series is expanded is written in the transaction that makes the rows, under a lock
//! that no other scheduler waits for, and an occurrence is one row whoever makes it: schedulers may race and die.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use std::collections::HashMap;
use uuid::Uuid;

use super::zones;
use crate::{Conn, Result};
use jobs::ScheduleId;
use jobs::recurrence::Occurrence;
use jobs::series::{Expansion, Reached, TZDB};

/// When a series is looked at again that this build cannot read.
const UNREADABLE: TimeDelta = TimeDelta::minutes(10);

/// What one turn did.
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    /// How many series were looked at.
    pub series: usize,
    /// How many occurrences were made.
    pub occurrences: u64,
    /// Series whose last occurrence has passed.
    pub ended: usize,
    /// Series that had been expanded by older time-zone data, and were brought up to this build's instead.
    pub followed: usize,
    /// Series that this build cannot read; they are looked at again later.
    pub unreadable: Vec<Uuid>,
}

/// The columns of a statement, one value for each row.
#[derive(Default)]
pub(super) struct Fresh {
    ids: Vec<Uuid>,
    parents: Vec<Uuid>,
    planned: Vec<NaiveDateTime>,
    folds: Vec<i16>,
    at: Vec<DateTime<Utc>>,
    numbers: Vec<i64>,
}

#[derive(Default)]
struct Advanced {
    ids: Vec<Uuid>,
    expanded_to: Vec<DateTime<Utc>>,
    made: Vec<i64>,
    expand_at: Vec<Option<DateTime<Utc>>>,
}

/// Makes occurrences of at most `limit` series that are due for it.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn expand(conn: &mut Conn, limit: i64) -> Result<Expanded> {
    let due = sqlx::query!(
        r#"select q.schedule_id, q.rule, q.most, q.starts_at, q.expanded_to, q.made, q.tzdb, s.timezone,
                  s.recurrence_end_date, now() as "now!"
           from schedule_series q join schedules s on s.id = q.schedule_id
           where q.expand_at <= now()
           order by q.expand_at limit $1 for update of q, s skip locked"#,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let of = |wanted: fn(&str) -> bool| {
        let due = due.iter().filter(|row| wanted(&row.tzdb));
        due.map(|row| row.schedule_id).collect::<Vec<Uuid>>()
    };
    let older = of(|tzdb| tzdb < TZDB);
    if !older.is_empty() {
        // They are due again at once, and then from where their last occurrence is by now.
        zones::follow(&mut *conn, &older, TZDB).await?;
        return Ok(Expanded { followed: older.len(), series: older.len(), ..Expanded::default() });
    }
    let newer = of(|tzdb| tzdb > TZDB);
    let mut done = Expanded { series: due.len(), ..Expanded::default() };
    let (mut fresh, mut advanced, mut ended) = (Fresh::default(), Advanced::default(), Vec::new());
    let mut series = HashMap::new();
    for row in &due {
        let (zone, starts, ends) = (&row.timezone, row.starts_at, row.recurrence_end_date);
        match super::read(row.rule.clone(), zone, starts, ends, row.most) {
            Ok(read) => drop(series.insert(row.schedule_id, read)),
            Err(_) => done.unreadable.push(row.schedule_id),
        }
    }
    let reached_by_newer = match newer.is_empty() {
        true => HashMap::new(),
        false => zones::reached(&mut *conn, &newer, &series).await?,
    };
    for row in due {
        let id = row.schedule_id;
        let reached = Reached {
            expanded_to: reached_by_newer.get(&id).copied().unwrap_or(row.expanded_to),
            made: u64::try_from(row.made).unwrap_or_default(),
        };
        let expansion = match series.get(&id) {
            Some(series) => series.expand(reached, row.now),
            None => {
                let expand_at = Some(row.now + UNREADABLE);
                Expansion { fresh: Vec::new(), reached, expand_at }
            }
        };
        if expansion.expand_at.is_none() {
            ended.push(id);
        }
        fresh.add(id, row.made, row.now, &expansion);
        advanced.add(id, &expansion);
    }
    done.ended = ended.len();
    if done.series > 0 {
        done.occurrences = fresh.insert(&mut *conn).await?;
        if done.occurrences < fresh.ids.len() as u64 {
            fresh.take_turns(&mut *conn).await?;
        }
        advanced.write(&mut *conn).await?;
    }
    if !ended.is_empty() {
        end(conn, &ended).await?;
    }
    Ok(done)
}

impl Fresh {
    fn add(&mut self, parent: Uuid, made: i64, now: DateTime<Utc>, expansion: &Expansion) {
        for (number, occurrence) in (made..).zip(&expansion.fresh) {
            // Ids sort by the database's clock: that of this machine may be wrong.
            self.add_one(ScheduleId::made_at(now).0, parent, number, occurrence);
        }
    }

    pub(super) fn add_one(&mut self, id: Uuid, parent: Uuid, number: i64, occurrence: &Occurrence) {
        self.ids.push(id);
        self.parents.push(parent);
        self.planned.push(occurrence.planned);
        self.folds.push(i16::from(occurrence.fold));
        self.at.push(occurrence.at.to_utc());
        self.numbers.push(number);
    }

    /// Makes the rows that are not there yet; answers how many.
    pub(super) async fn insert(&self, conn: &mut Conn) -> Result<u64> {
        let done = sqlx::query!(
            "insert into schedules (id, organization_id, content_version_id, platform_connection_id, scheduled_at,
                 wall_time, timezone, max_retries, parent_schedule_id, planned_at_local, fold, occurrence_at,
                 occurrence_number, catch_up, catch_up_secs, reserve_at, check_at, created_by)
             select n.id, p.organization_id,
                    q.content_version_ids[1 + (n.number % cardinality(q.content_version_ids))::int],
                    p.platform_connection_id, n.at, n.planned, p.timezone, p.max_retries, p.id, n.planned, n.fold,
                    n.at, n.number, p.catch_up, p.catch_up_secs, greatest(now(), period.period_start),
                    greatest(now(), n.at - (select max(ahead) from check_ahead)), p.created_by
             from unnest($1::uuid[], $2::uuid[], $3::timestamp[], $4::smallint[], $5::timestamptz[], $6::bigint[])
                  as n (id, parent, planned, fold, at, number)
             join schedules p on p.id = n.parent
             join schedule_series q on q.schedule_id = n.parent
             join organizations o on o.id = p.organization_id
             cross join lateral usage_period(o.billing_anchor, n.at) period
             on conflict (parent_schedule_id, planned_at_local, fold) where parent_schedule_id is not null
             do nothing",
            &self.ids,
            &self.parents,
            &self.planned,
            &self.folds,
            &self.at,
            &self.numbers
        )
        .execute(conn)
        .await?;
        Ok(done.rows_affected())
    }

    /// Those that had rows before their turn get what their turn brings.
    async fn take_turns(&self, conn: &mut Conn) -> Result<()> {
        sqlx::query!(
            "select take_turns($1, $2, $3, $4)",
            &self.parents,
            &self.planned,
            &self.folds,
            &self.numbers
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}

impl Advanced {
    fn add(&mut self, id: Uuid, expansion: &Expansion) {
        self.ids.push(id);
        self.expanded_to.push(expansion.reached.expanded_to);
        self.made.push(i64::try_from(expansion.reached.made).unwrap_or(i64::MAX));
        self.expand_at.push(expansion.expand_at);
    }

    /// An older build expands by older time-zone data: a newer one sees it and follows.
    async fn write(&self, conn: &mut Conn) -> Result<()> {
        sqlx::query!(
            "update schedule_series q set expanded_to = n.expanded_to, made = n.made, expand_at = n.expand_at,
                 tzdb = least(q.tzdb, $5)
             from unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::timestamptz[])
                  as n (id, expanded_to, made, expand_at)
             where q.schedule_id = n.id",
            &self.ids,
            &self.expanded_to,
            &self.made,
            &self.expand_at as &[Option<DateTime<Utc>>],
            TZDB
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}

async fn end(conn: &mut Conn, ids: &[Uuid]) -> Result<()> {
    sqlx::query!(
        "with ended as (
             update schedules set status = 'ended', status_reason = 'Its last occurrence has passed.',
                 updated_at = now()
             where id = any ($1) returning id, organization_id, status_reason
         )
         insert into events (organization_id, type, subject_type, subject_id, message, data)
         select organization_id, 'schedule.ended', 'schedule', id, status_reason,
                jsonb_build_object('scheduleId', id)
         from ended order by id",
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}
