//! What plans allow, and how much of it organizations have used and reserved in their period.
//!
//! Something that counts is reserved when it begins, and then either used or released. The row of
//! the period's count is locked while a reservation is made, so a limit of ten lets exactly ten
//! through, however many ask at once.
//!
//! **Invariant:** `reserved` of a count is the number of its reservations.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{Conn, Result, billing};
use jobs::{Code, JobId, OrganizationId, Problem};

pub use jobs::Metric;

/// What became of a wish to reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is reserved.
    Taken,
    /// The subject had a reservation already.
    Already,
    /// The plan allows no more in this period.
    Exhausted {
        /// How many it allows.
        most: i32,
        /// When the next period begins.
        until: DateTime<Utc>,
    },
    /// The organization is on hold.
    Unpaid {
        /// Why, for people.
        reason: String,
    },
}

impl Reserved {
    /// Why it is not reserved, if it is not.
    pub fn refusal(&self, metric: Metric) -> Option<Problem> {
        match self {
            Reserved::Taken | Reserved::Already => None,
            Reserved::Exhausted { most, until } => Some(exhausted(metric, *most, *until)),
            Reserved::Unpaid { reason } => Some(unpaid(reason)),
        }
    }
}

/// Why an organization on hold may begin nothing, for people.
pub fn unpaid(reason: &str) -> Problem {
    let message = format!("{reason} Nothing new begins and nothing goes out until it is paid.");
    Problem::new(Code::PaymentRequired, message)
}

/// Why nothing more is allowed, for people.
fn exhausted(metric: Metric, most: i32, until: DateTime<Utc>) -> Problem {
    let message = format!(
        "The plan allows {most} {} in this period, and all of them are used or reserved. The next \
         period begins at {}.",
        metric.in_words(),
        until.format("%Y-%m-%dT%H:%M:%SZ")
    );
    Problem::new(Code::UsageExhausted, message)
}

/// How a reservation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was used.
    Used,
    /// It was given up, and counts no more.
    Released,
}

/// What an organization has used of something in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// What is counted.
    pub metric: Metric,
    /// How many are done.
    pub used: i32,
    /// How many have begun and not ended.
    pub reserved: i32,
    /// How many the plan, or an exception to it, allows; `null` for as many as wanted.
    pub limit: Option<i32>,
    /// Why the limit is 0 whatever the plan says: the organization is on hold until it pays.
    pub hold_reason: Option<String>,
    /// When the period began.
    pub period_start: DateTime<Utc>,
    /// When it ends.
    pub period_end: DateTime<Utc>,
}

impl Usage {
    /// Why one more is not allowed, if it is not.
    pub fn refusal(&self) -> Option<Problem> {
        if let Some(reason) = &self.hold_reason {
            return Some(unpaid(reason));
        }
        let most = self.limit.filter(|most| self.used + self.reserved >= *most)?;
        Some(exhausted(self.metric, most, self.period_end))
    }
}

/// Why a schedule is more than the plan allows, if it is: counted with others that are too many by now, or
/// not counted while there is no room.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn exceeds(
    conn: &mut Conn,
    organization: OrganizationId,
    schedule: Uuid,
) -> Result<Option<Problem>> {
    let metric = Metric::ScheduledPosts;
    let row = sqlx::query!(
        r#"select case when own.metric is null then of_plan.most else own.most end as "most?",
                  coalesce(c.used + c.reserved, 0) as "taken!", r.period_start as "counted?",
                  p.period_start as "period_start!", p.period_end as "period_end!"
           from organizations o
           cross join lateral usage_period(o.billing_anchor, now()) p
           left join usage_reservations r on r.subject_id = $3
           left join usage_counts c on c.organization_id = o.id and c.metric = $2
                and c.period_start = p.period_start
           left join plan_limits of_plan on of_plan.plan = o.plan and of_plan.metric = $2
           left join organization_limits own on own.organization_id = o.id and own.metric = $2
           where o.id = $1"#,
        organization.0,
        metric.as_str(),
        schedule
    )
    .fetch_one(conn)
    .await?;
    let Some(most) = row.most else { return Ok(None) };
    Ok(match row.counted {
        None if row.taken >= most => Some(exhausted(metric, most, row.period_end)),
        Some(counted) if counted == row.period_start && row.taken > most => {
            let message = format!(
                "The plan allows {most} {} in this period, and {} are used or reserved, this one among them.",
                metric.in_words(),
                row.taken
            );
            Some(Problem::new(Code::UsageExhausted, message))
        }
        // What was counted in another period, or has room.
        None | Some(_) => None,
    })
}

/// Reserves one for a subject: a generation's job, a schedule, a file. `job` is the job with which
/// the reservation ends at the latest, if one does. Holds a lock on the count until the transaction
/// ends: commit soon.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn reserve(
    conn: &mut Conn,
    organization: OrganizationId,
    metric: Metric,
    subject: Uuid,
    job: Option<JobId>,
) -> Result<Reserved> {
    sqlx::query!(
        "insert into usage_counts (organization_id, metric, period_start, period_end)
         select o.id, $2, p.period_start, p.period_end
         from organizations o cross join lateral usage_period(o.billing_anchor, now()) p
         where o.id = $1
         on conflict (organization_id, period_start, metric) do nothing",
        organization.0,
        metric.as_str()
    )
    .execute(&mut *conn)
    .await?;
    let count = sqlx::query!(
        r#"select c.period_start, c.period_end, c.used, c.reserved
           from organizations o
           cross join lateral usage_period(o.billing_anchor, now()) p
           join usage_counts c on c.organization_id = o.id and c.metric = $2 and c.period_start = p.period_start
           where o.id = $1 for update of c"#,
        organization.0,
        metric.as_str()
    )
    .fetch_one(&mut *conn)
    .await?;
    // Statements of their own: they see what others committed before the lock was ours.
    let known = sqlx::query_scalar!(
        r#"select exists (select from usage_reservations where subject_id = $1) as "known!""#,
        subject
    )
    .fetch_one(&mut *conn)
    .await?;
    if known {
        return Ok(Reserved::Already);
    }
    if let Some(reason) = billing::hold(conn, organization).await? {
        return Ok(Reserved::Unpaid { reason });
    }
    if let Some(most) = limit(conn, organization, metric).await?
        && count.used + count.reserved >= most
    {
        return Ok(Reserved::Exhausted { most, until: count.period_end });
    }
    sqlx::query!(
        "with taken as (
             insert into usage_reservations (subject_id, organization_id, metric, period_start, job_id)
             values ($1, $2, $3, $4, $5)
         )
         update usage_counts set reserved = reserved + 1
         where organization_id = $2 and metric = $3 and period_start = $4",
        subject,
        organization.0,
        metric.as_str(),
        count.period_start,
        job.map(|job| job.0)
    )
    .execute(conn)
    .await?;
    Ok(Reserved::Taken)
}

/// Makes an exception from the organization's plan: at most so many, or as many as wanted.
///
/// # Errors
/// [`crate::Error::Rule`] `organization_limits_organization_id_fkey` when there is no such organization.
pub async fn make_exception(
    conn: &mut Conn,
    organization: OrganizationId,
    metric: Metric,
    most: Option<i32>,
    actor: &str,
) -> Result<()> {
    sqlx::query!(
        "insert into organization_limits (organization_id, metric, most, set_by) values ($1, $2, $3, $4)
         on conflict (organization_id, metric)
         do update set most = excluded.most, set_by = excluded.set_by, set_at = now()",
        organization.0,
        metric.as_str(),
        most,
        actor
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends an exception: the plan counts again.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end_exception(
    conn: &mut Conn,
    organization: OrganizationId,
    metric: Metric,
) -> Result<()> {
    sqlx::query!(
        "delete from organization_limits where organization_id = $1 and metric = $2",
        organization.0,
        metric.as_str()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What the organization's plan allows, or the exception made for it.
async fn limit(
    conn: &mut Conn,
    organization: OrganizationId,
    metric: Metric,
) -> Result<Option<i32>> {
    Ok(sqlx::query_scalar!(
        r#"select case when own.metric is null then of_plan.most else own.most end as "most?"
           from organizations o
           left join plan_limits of_plan on of_plan.plan = o.plan and of_plan.metric = $2
           left join organization_limits own on own.organization_id = o.id and own.metric = $2
           where o.id = $1"#,
        organization.0,
        metric.as_str()
    )
    .fetch_one(conn)
    .await?)
}

/// Ends a subject's reservation; `false` when it has none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn end(conn: &mut Conn, subject: Uuid, how: Ended) -> Result<bool> {
    let done = sqlx::query!(
        "with gone as (
             delete from usage_reservations where subject_id = $1
             returning organization_id, metric, period_start
         )
         update usage_counts c set reserved = reserved - 1, used = used + case when $2 then 1 else 0 end
         from gone g
         where c.organization_id = g.organization_id and c.metric = g.metric
           and c.period_start = g.period_start",
        subject,
        how == Ended::Used
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Releases the reservations of these subjects, of those that have one.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn release(conn: &mut Conn, subjects: &[Uuid]) -> Result<()> {
    if subjects.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with gone as (
             delete from usage_reservations where subject_id = any ($1)
             returning organization_id, metric, period_start
         ),
         counts as (
             select organization_id, metric, period_start, count(*)::int as n from gone
             group by organization_id, metric, period_start
         ),
         -- In one order, so that two who do this at once wait for each other.
         locked as (
             select c.organization_id, c.metric, c.period_start, n.n
             from usage_counts c join counts n using (organization_id, metric, period_start)
             order by c.organization_id, c.metric, c.period_start for update of c
         )
         update usage_counts c set reserved = c.reserved - l.n
         from locked l
         where c.organization_id = l.organization_id and c.metric = l.metric
           and c.period_start = l.period_start",
        subjects
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Releases at most `limit` reservations whose job is no longer live; says how many.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn sweep(conn: &mut Conn, limit: i64) -> Result<u64> {
    let done = sqlx::query_scalar!(
        r#"with gone as (
             delete from usage_reservations where subject_id in (
                 select r.subject_id from usage_reservations r
                 where r.job_id is not null and r.reserved_at < now() - interval '1 minute'
                   and not exists (select from jobs j where j.id = r.job_id)
                 order by r.reserved_at limit $1 for update skip locked)
             returning organization_id, metric, period_start
         ),
         counts as (
             select organization_id, metric, period_start, count(*)::int as n from gone
             group by organization_id, metric, period_start
         ),
         given_back as (
             update usage_counts c set reserved = reserved - n.n
             from counts n
             where c.organization_id = n.organization_id and c.metric = n.metric
               and c.period_start = n.period_start
         )
         select count(*) as "released!" from gone"#,
        limit
    )
    .fetch_one(conn)
    .await?;
    Ok(done.cast_unsigned())
}

/// What the organization has used in its present period, one entry for each metric.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn present(conn: &mut Conn, organization: OrganizationId) -> Result<Vec<Usage>> {
    let rows = sqlx::query!(
        r#"select m.metric as "metric!", coalesce(c.used, 0) as "used!", coalesce(c.reserved, 0) as "reserved!",
                  case when o.billing_hold_at <= now() then 0
                       when own.metric is null then of_plan.most else own.most end as "most?",
                  case when o.billing_hold_at <= now() then o.billing_hold_reason end as hold_reason,
                  p.period_start as "period_start!", p.period_end as "period_end!"
           from organizations o
           cross join lateral usage_period(o.billing_anchor, now()) p
           cross join unnest($2::text[]) with ordinality as m (metric, nth)
           left join usage_counts c on c.organization_id = o.id and c.metric = m.metric
                and c.period_start = p.period_start
           left join plan_limits of_plan on of_plan.plan = o.plan and of_plan.metric = m.metric
           left join organization_limits own on own.organization_id = o.id and own.metric = m.metric
           where o.id = $1
           order by m.nth"#,
        organization.0,
        &Metric::ALL.map(|metric| metric.as_str().to_owned())
    )
    .fetch_all(conn)
    .await?;
    let usage = rows.into_iter().filter_map(|row| {
        Some(Usage {
            metric: Metric::of(&row.metric)?,
            used: row.used,
            reserved: row.reserved,
            limit: row.most,
            hold_reason: row.hold_reason,
            period_start: row.period_start,
            period_end: row.period_end,
        })
    });
    Ok(usage.collect())
}

/// The plans there are, by name.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn plans(conn: &mut Conn) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!("select plan from plans order by plan").fetch_all(conn).await?)
}

/// One period in the product's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tracked {
    /// When the period began.
    pub period_start: DateTime<Utc>,
    /// When it ended, or ends.
    pub period_end: DateTime<Utc>,
    /// Contents generated.
    pub generations_count: i32,
    /// Posts scheduled.
    pub scheduled_posts_count: i32,
    /// Files uploaded.
    pub files_uploaded_count: i32,
}

/// The last periods in which the organization used anything, the newest first, at most `limit`.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn history(
    conn: &mut Conn,
    organization: OrganizationId,
    limit: i64,
) -> Result<Vec<Tracked>> {
    Ok(sqlx::query_as!(
        Tracked,
        r#"select period_start as "period_start!", period_end as "period_end!",
                  generations_count as "generations_count!", scheduled_posts_count as "scheduled_posts_count!",
                  files_uploaded_count as "files_uploaded_count!"
           from usage_tracking where organization_id = $1 order by period_start desc limit $2"#,
        organization.0,
        limit
    )
    .fetch_all(conn)
    .await?)
}

#[cfg(test)]
mod tests;
