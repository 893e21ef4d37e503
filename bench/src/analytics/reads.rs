//! What is read, and the same questions in plain SQL over the events.
//!
//! **Invariant:** both are told as the same lines of text, so that they can be compared.

use anyhow::{Context, Result};
use chrono::{Days, NaiveDate};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::fill::Organization;
use crate::servers::Database;

/// A question.
pub(super) struct Read {
    pub(super) name: &'static str,
    /// As it is asked of the API.
    pub(super) path: String,
    /// The API's answer, as lines.
    pub(super) told: fn(&Value) -> Vec<String>,
    /// The same question of the events; one text column.
    pub(super) plain: String,
}

const ZONE: &str = "Europe/Berlin";
/// What is summed by the events where figures are compared: likes and impressions.
const FIGURES: &str = "sum(count) filter (where event_type = 'like') || ' ' || \
                       sum(count) filter (where event_type = 'impression')";
const ENGAGEMENT: &str = "coalesce(sum(count) filter (where event_type <> 'impression'), 0)";

/// All questions about an organization.
pub(super) async fn reads(database: &Database, of: &Organization) -> Result<Vec<Read>> {
    let id = of.id;
    let text = async |sql: String| -> Result<String> {
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&database.owner).await?)
    };
    let today = format!("select (now() at time zone '{ZONE}')::date::text");
    let today: NaiveDate = text(today).await?.parse()?;
    let account = text(format!(
        "select id::text from platform_connections where organization_id = '{id}' order by id limit 1"
    ));
    let account = account.await?;
    // One of which all was told.
    let post = text(format!(
        "select published_post_id::text from post_engagement where organization_id = '{id}'
         order by published_at, published_post_id offset {} limit 1",
        of.posts / 2
    ));
    let post = post.await?;
    let back = |days: u64| today.checked_sub_days(Days::new(days)).context("a date");
    let range =
        |from: NaiveDate| format!("/v1/analytics?from={from}&to={today}&metrics=likes,impressions");
    let events = |from: NaiveDate| {
        format!(
            "engagement_events where organization_id = '{id}'
             and occurred_at >= '{from}'::timestamp at time zone '{ZONE}'
             and occurred_at < '{today}'::timestamp at time zone '{ZONE}'"
        )
    };
    let by = |label: &str, from: NaiveDate, also: &str| {
        let label = format!("({label})::text");
        format!(
            "select {label} || ' ' || {FIGURES} from {}{also} group by {label}
             having sum(count) filter (where event_type in ('like', 'impression')) <> 0 order by {label}",
            events(from)
        )
    };
    let day = format!("(occurred_at at time zone '{ZONE}')::date");
    // Hours by UTC are the hours of this zone.
    let hour = "to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:00:00\"Z\"')";
    let (month, quarter, year) = (back(30)?, back(90)?, back(365)?);
    Ok(vec![
        Read {
            name: "a month beside the one before",
            path: format!("{}&compare=true", range(month)),
            told: |answer| vec![figures(&answer["totals"]), figures(&answer["comparison"]["totals"])],
            plain: format!(
                "select {FIGURES} from {} union all select {FIGURES} from {} and occurred_at < '{month}'::timestamp at time zone '{ZONE}'",
                events(month),
                events(back(60)?)
            ),
        },
        Read {
            name: "90 days by day",
            path: format!("{}&groupBy=day", range(quarter)),
            told: |answer| rows(answer, "date"),
            plain: by(&day, quarter, ""),
        },
        Read {
            name: "365 days by day",
            path: format!("{}&groupBy=day", range(year)),
            told: |answer| rows(answer, "date"),
            plain: by(&day, year, ""),
        },
        Read {
            name: "30 days by hour",
            path: format!("{}&groupBy=hour", range(month)),
            told: |answer| rows(answer, "start"),
            plain: by(hour, month, ""),
        },
        Read {
            name: "365 days by account",
            path: format!("{}&groupBy=account", range(year)),
            told: |answer| rows(answer, "platformConnectionId"),
            plain: format!(
                "select p.platform_connection_id || ' ' || {FIGURES}
                 from published_posts p join (select * from {}) e on e.published_post_id = p.id
                 group by p.platform_connection_id order by p.platform_connection_id::text",
                events(year)
            ),
        },
        Read {
            name: "90 days of an account by day",
            path: format!("{}&groupBy=day&platformConnectionId={account}", range(quarter)),
            told: |answer| rows(answer, "date"),
            plain: by(
                &day,
                quarter,
                &format!(
                    " and published_post_id in (select id from published_posts where platform_connection_id = '{account}')"
                ),
            ),
        },
        Read {
            name: "top 10 of 365 days",
            path: format!("/v1/analytics?from={year}&to={today}&metrics=engagement&top=10"),
            told: |answer| {
                let posts = answer["topPosts"].as_array().into_iter().flatten();
                posts.map(|post| format!("{} {}", word(&post["publishedPostId"]), post["engagement"])).collect()
            },
            plain: format!(
                "select p.id || ' ' || {ENGAGEMENT}
                 from published_posts p join engagement_events e on e.published_post_id = p.id
                 where p.organization_id = '{id}' and p.published_at >= '{year}'::timestamp at time zone '{ZONE}'
                   and p.published_at < '{today}'::timestamp at time zone '{ZONE}'
                 group by p.id order by {ENGAGEMENT} desc, p.published_at desc, p.id desc limit 10"
            ),
        },
        Read {
            name: "best 10 hours of 365 days",
            path: format!("/v1/analytics?from={year}&to={today}&metrics=engagement&bestHours=10"),
            told: |answer| {
                let hours = answer["bestHours"].as_array().into_iter().flatten();
                hours.map(|hour| format!("{} {} {}", hour["weekday"], hour["hour"], hour["engagement"])).collect()
            },
            plain: format!(
                "select extract(isodow from local) || ' ' || extract(hour from local) || ' ' || {ENGAGEMENT}
                 from (select *, occurred_at at time zone '{ZONE}' as local from {}) e
                 group by extract(isodow from local), extract(hour from local)
                 order by {ENGAGEMENT} desc, extract(isodow from local), extract(hour from local) limit 10",
                events(year)
            ),
        },
        Read {
            name: "a page of 100 posts of 365 days",
            path: format!("{}&groupBy=post", range(year)),
            told: |answer| all_rows(answer, "publishedPostId"),
            plain: format!(
                "select p.id || ' ' || {FIGURES} from (
                     select * from published_posts where organization_id = '{id}'
                       and published_at >= '{year}'::timestamp at time zone '{ZONE}'
                       and published_at < '{today}'::timestamp at time zone '{ZONE}'
                     order by published_at desc, id desc limit 100) p
                 join engagement_events e on e.published_post_id = p.id
                 group by p.id, p.published_at order by p.published_at desc, p.id desc"
            ),
        },
        Read {
            name: "a post by day",
            path: format!("/v1/posts/{post}/engagement?metrics=likes,impressions"),
            told: |answer| {
                let series = answer["series"].as_array().into_iter().flatten();
                let days = series.filter(|day| !is_empty(day));
                days.map(|day| format!("{} {}", word(&day["date"]), figures(day))).collect()
            },
            plain: format!(
                "select {day} || ' ' || coalesce(sum(count) filter (where event_type = 'like'), 0) || ' '
                        || coalesce(sum(count) filter (where event_type = 'impression'), 0)
                 from engagement_events where published_post_id = '{post}' group by {day}
                 having sum(count) filter (where event_type in ('like', 'impression')) <> 0 order by {day}"
            ),
        },
    ])
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn figures(of: &Value) -> String {
    format!("{} {}", of["likes"], of["impressions"])
}

fn is_empty(row: &Value) -> bool {
    [&row["likes"], &row["impressions"]].iter().all(|count| count.as_i64().unwrap_or(0) == 0)
}

fn all_rows(answer: &Value, label: &str) -> Vec<String> {
    let rows = answer["rows"].as_array().into_iter().flatten();
    rows.map(|row| format!("{} {}", word(&row[label]), figures(row))).collect()
}

/// Rows in which anything happened, in the order of their labels.
fn rows(answer: &Value, label: &str) -> Vec<String> {
    let rows = answer["rows"].as_array().into_iter().flatten().filter(|row| !is_empty(row));
    let mut lines: Vec<String> =
        rows.map(|row| format!("{} {}", word(&row[label]), figures(row))).collect();
    lines.sort();
    lines
}
