//! All sums of an organization, made anew from its events.
//!
//! **Invariant:** readers see the old sums until the new ones are committed, and never a part of either.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};

use super::place;
use crate::{Conn, Result};
use jobs::OrganizationId;

/// What was made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// From so many events.
    pub events: i64,
    /// In this zone.
    pub timezone: String,
}

/// Makes all sums of an organization anew, in its present zone; `None` when there is no such
/// organization. Waits for whoever adds up meanwhile, and keeps everybody else from it until the
/// transaction ends. Reads every event: minutes, where there are millions.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn rebuild(conn: &mut Conn, organization: OrganizationId) -> Result<Option<Rebuilt>> {
    // Statements over all that there is, planned for what there is: a worker's others are not.
    sqlx::raw_sql(
        "set local statement_timeout = '50min'; set local plan_cache_mode = force_custom_plan;
         set local enable_seqscan = on; set local enable_hashjoin = on; set local enable_mergejoin = on;
         set local work_mem = '64MB'",
    )
    .execute(&mut *conn)
    .await?;
    place(conn, organization).await?;
    let locked = sqlx::query_scalar!(
        "select organization_id from analytics_states where organization_id = $1 for update",
        organization.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    if locked.is_none() {
        return Ok(None);
    }
    // Read once the lock is held: what was changed meanwhile counts.
    let timezone =
        sqlx::query_scalar!("select timezone from organizations where id = $1", organization.0)
            .fetch_one(&mut *conn)
            .await?;
    sqlx::query!(
        "delete from analytics_aggregates where subject_id in (
             select $1 union all select id from platform_connections where organization_id = $1
             union all select id from published_posts where organization_id = $1)",
        organization.0
    )
    .execute(&mut *conn)
    .await?;
    let mut events = 0;
    for (from, to) in spans(conn, organization).await? {
        let added = sqlx::query_file_scalar!(
            "src/analytics/rebuild.sql",
            organization.0,
            from,
            to,
            timezone
        );
        events += added.fetch_one(&mut *conn).await?;
    }
    sqlx::query!(
        "update analytics_states set timezone = $2, rebuilt_at = now() where organization_id = $1",
        organization.0,
        timezone
    )
    .execute(conn)
    .await?;
    Ok(Some(Rebuilt { events, timezone }))
}

type Span = (DateTime<Utc>, DateTime<Utc>);

/// All of time, cut at the beginnings of months, where the table of events is cut too.
async fn spans(conn: &mut Conn, organization: OrganizationId) -> Result<Vec<Span>> {
    let known = sqlx::query!(
        r#"select min(occurred_at) as first, max(occurred_at) as last, now() as "now!"
           from engagement_events where organization_id = $1"#,
        organization.0
    )
    .fetch_one(conn)
    .await?;
    Ok(cut(known.first.unwrap_or(known.now), known.last.unwrap_or(known.now)))
}

/// The first span has no beginning and the last one no end: what is recorded meanwhile is in one of them.
fn cut(first: DateTime<Utc>, last: DateTime<Utc>) -> Vec<Span> {
    let month = |at: DateTime<Utc>| NaiveDate::from_ymd_opt(at.year(), at.month(), 1);
    let first = month(first).and_then(|month| month.checked_add_months(Months::new(1)));
    let cuts = std::iter::successors(first, |cut| cut.checked_add_months(Months::new(1)))
        .map(|cut| cut.and_time(chrono::NaiveTime::MIN).and_utc())
        .take_while(|cut| *cut <= last);
    let (mut spans, mut from) = (Vec::new(), ENDS.0);
    for cut in cuts {
        spans.push((from, cut));
        from = cut;
    }
    spans.push((from, ENDS.1));
    spans
}

/// From the year 1 to the year 10000.
const ENDS: Span = {
    let (Some(first), Some(last)) = (
        DateTime::from_timestamp(-62_135_596_800, 0),
        DateTime::from_timestamp(253_402_300_800, 0),
    ) else {
        panic!("both can be told")
    };
    (first, last)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_each_other_and_leave_nothing_out() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("a moment");
        let spans = cut(at("2026-01-31T23:00:00Z"), at("2026-04-01T00:00:00Z"));
        assert_eq!(spans.len(), 4);
        assert_eq!((spans[0].0, spans[3].1), ENDS);
        assert!(spans.windows(2).all(|pair| pair[0].1 == pair[1].0));
        assert_eq!(spans[0].1, at("2026-02-01T00:00:00Z"));
        assert_eq!(cut(at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")), [ENDS]);
    }
}
