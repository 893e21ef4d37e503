//! Which part of time is asked about, and whose.
//!
//! **Invariant:** ranges begin and end with hours, or days, of the clocks by which the sums are kept.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::OrganizationId;

/// How long a period of sums is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// An hour of the clock.
    Hour,
    /// A day.
    Day,
}

impl Grain {
    /// The word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Grain::Hour => "hour",
            Grain::Day => "day",
        }
    }
}

/// One end of a range, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The beginning of a date on the organization's clocks.
    Date(NaiveDate),
    /// A range begins with the day in which this lies, or ends with it.
    DayOf(DateTime<Utc>),
    /// A moment. Sums are kept by the hour: a range begins with the hour in which this lies, and ends
    /// with it.
    Moment(DateTime<Utc>),
}

impl Edge {
    /// The date, the moment, whether the moment stands for its day.
    fn parts(self) -> (Option<NaiveDate>, Option<DateTime<Utc>>, bool) {
        match self {
            Edge::Date(date) => (Some(date), None, false),
            Edge::DayOf(at) => (None, Some(at), true),
            Edge::Moment(at) => (None, Some(at), false),
        }
    }
}

/// A range of hours, in the zone of an organization's sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The zone.
    pub timezone: String,
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it ends.
    pub to: DateTime<Utc>,
    /// Its first date.
    pub first: NaiveDate,
    /// The date on which it ends, or before which.
    pub end: NaiveDate,
    /// Whether it begins and ends with a day.
    pub whole_days: bool,
    /// When the range of the same length begins that ends where this one begins: as many days, where
    /// these are whole days.
    pub before: DateTime<Utc>,
}

impl Range {
    /// The longest periods of which it is made up.
    pub fn grain(&self) -> Grain {
        if self.whole_days { Grain::Day } else { Grain::Hour }
    }
}

/// The range between two edges; `None` when there is no such organization.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn range(
    conn: &mut Conn,
    organization: OrganizationId,
    from: Edge,
    to: Edge,
) -> Result<Option<Range>> {
    let (from_date, from_moment, from_day) = from.parts();
    let (to_date, to_moment, to_day) = to.parts();
    Ok(sqlx::query_as!(
        Range,
        r#"select z.zone as "timezone!", r.from_at as "from!", r.to_at as "to!",
                  d.first as "first!", d.last as "end!", w.whole as "whole_days!",
                  case when w.whole then analytics_midnight(d.first - (d.last - d.first), z.zone)
                       else r.from_at - (r.to_at - r.from_at) end as "before!"
           from (select coalesce(s.timezone, o.timezone) as zone
                 from organizations o left join analytics_states s on s.organization_id = o.id
                 where o.id = $1) z
           cross join lateral (
               select case when $2::date is not null then analytics_midnight($2, z.zone)
                           when $4 then analytics_day($3::timestamptz, z.zone)
                           else analytics_hour($3, z.zone) end as from_at,
                      case when $5::date is not null then analytics_midnight($5, z.zone)
                           when $7 then analytics_midnight(($6::timestamptz at time zone z.zone)::date + 1, z.zone)
                           else analytics_hour($6 - interval '1 microsecond', z.zone) + interval '1 hour' end as to_at
           ) r
           cross join lateral (
               select (r.from_at at time zone z.zone)::date as first, (r.to_at at time zone z.zone)::date as last
           ) d
           cross join lateral (
               select r.from_at = analytics_midnight(d.first, z.zone)
                      and r.to_at = analytics_midnight(d.last, z.zone) as whole
           ) w"#,
        organization.0,
        from_date,
        from_moment,
        from_day,
        to_date,
        to_moment,
        to_day
    )
    .fetch_optional(conn)
    .await?)
}

/// An account, connected or not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The connection.
    pub id: Uuid,
    /// Its network.
    pub platform: String,
    /// What the network calls it.
    pub name: String,
}

/// The accounts of an organization, those that were disconnected too.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn accounts(conn: &mut Conn, organization: OrganizationId) -> Result<Vec<Account>> {
    Ok(sqlx::query_as!(
        Account,
        "select id, platform, account_name as name from platform_connections
         where organization_id = $1 order by platform, account_name, id",
        organization.0
    )
    .fetch_all(conn)
    .await?)
}
