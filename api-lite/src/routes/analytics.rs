//! `/v1/analytics`: what people did with an organization's posts, over a range.

mod look;
mod rows;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::analytics::{Changes, Figures, Form, Wanted, edge, form, longest, word};
use crate::app::App;
use crate::body::Filters;
use crate::page::one_of;
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::Scope;
use platforms::Platform;
use store::analytics::read::{self, Grain};

pub(crate) use rows::{Row, by_time, names};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What to show.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ShowAnalytics {
    /// Where the range begins: a date on the organization's clocks (`2026-11-01`), or a moment, which
    /// stands for the beginning of its hour.
    from: String,
    /// Where it ends: before this date (`2026-12-01` is all of November), or with the hour before this
    /// moment. At most 366 days; 31 by hour, and where the range does not begin and end at midnight.
    to: String,
    /// What the rows are of: each `hour`, `day`, `platform`, `account`, or each `post` that went out in the
    /// range, newest first, with its totals so far. Without it there are no rows.
    group_by: Option<String>,
    /// Only of this account, connected or not any more.
    platform_connection_id: Option<Uuid>,
    /// Only of accounts on this network.
    platform: Option<String>,
    /// The figures to show, separated by commas: `likes`, `comments`, `impressions`, `clicks`, `shares`,
    /// `saves`, `engagement`, `engagementRate`. All, when absent.
    metrics: Option<String>,
    /// Compares with the range of the same length directly before: as many days of the organization's
    /// clocks, or as many hours.
    #[param(default = false)]
    compare: Option<bool>,
    /// So many of the posts that went out in the range and have had the most engagement so far, 0 to 100.
    #[param(default = 0, minimum = 0, maximum = 100)]
    top: Option<i64>,
    /// So many of the hours of the week in which there was the most engagement in the range, 0 to 168.
    #[param(default = 0, minimum = 0, maximum = 168)]
    best_hours: Option<i64>,
    /// At most so many rows of posts, 1 to 1000.
    #[param(default = 100, minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// `nextCursor` of the page before, of rows of posts.
    cursor: Option<Uuid>,
    /// `json`, or `csv`: the rows, or the totals where there are none. `Accept: text/csv` says the same.
    format: Option<String>,
}

/// What rows are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Group {
    /// Each hour of the organization's clocks.
    Hour,
    /// Each of its days.
    Day,
    /// Each network.
    Platform,
    /// Each account.
    Account,
    /// Each post.
    Post,
}

impl Group {
    const WORDS: [(&'static str, Group); 5] = [
        ("hour", Group::Hour),
        ("day", Group::Day),
        ("platform", Group::Platform),
        ("account", Group::Account),
        ("post", Group::Post),
    ];
}

/// What people did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct AnalyticsView {
    /// When the range begins.
    from: DateTime<Utc>,
    /// When it ends.
    to: DateTime<Utc>,
    /// The zone in which days and hours begin.
    timezone: String,
    /// What happened in the range.
    totals: Figures,
    /// What the rows are of.
    group_by: Option<Group>,
    /// The rows.
    rows: Vec<Row>,
    /// What to give as `cursor` for more rows of posts; null when there are no more.
    next_cursor: Option<Uuid>,
    /// The range before, where `compare` asks for it.
    comparison: Option<Comparison>,
    /// The posts with the most engagement, where `top` asks for them.
    top_posts: Vec<Row>,
    /// The hours of the week with the most engagement, where `bestHours` asks for them.
    best_hours: Vec<WeekHourView>,
}

/// The range before.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Comparison {
    /// When it begins.
    from: DateTime<Utc>,
    /// When it ends: where the other one begins.
    to: DateTime<Utc>,
    /// What happened in it.
    totals: Figures,
    /// What has changed since.
    change: Changes,
}

/// An hour of the week.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct WeekHourView {
    /// 1 is Monday, 7 is Sunday.
    weekday: i32,
    /// The hour on the organization's clocks, 0 to 23.
    hour: i32,
    #[serde(flatten)]
    figures: Figures,
}

/// What was asked for, as far as it can be understood without looking at any row.
struct Asked {
    query: ShowAnalytics,
    group: Option<Group>,
    wanted: Wanted,
    form: Form,
    top: i64,
    best_hours: i64,
    limit: i64,
}

/// Shows analytics
///
/// What people did with the organization's posts: totals of a range, rows by time, network, account or
/// post, the range before, the posts and the hours that did best. The engagement is likes, comments,
/// shares, saves and clicks together; the engagement rate is that divided by impressions. A figure that no
/// network has told yet is null; once it was told, days without any are 0. Figures are those that were
/// added up by now, a second or two behind. An operator names the organization in `Ezre-Organization`.
#[utoipa::path(
    get, path = "/v1/analytics", tag = "analytics", operation_id = "getAnalytics", params(ShowAnalytics),
    responses((status = 200, description = "What people did", content(
        (AnalyticsView = "application/json"), (String = "text/csv"),
    )))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    headers: HeaderMap,
    Filters(query): Filters<ShowAnalytics>,
) -> Result<Response> {
    principal.require(Scope::Read)?;
    let asked = understand(query, &headers)?;
    let (from, to) = (edge("from", &asked.query.from)?, edge("to", &asked.query.to)?);
    let Some(organization) = principal.organization() else {
        return Err(Problem::invalid("Ezre-Organization", "expected whose analytics to show"));
    };
    let mut tx = app.database.reading(&principal).await?;
    let range = read::range(&mut tx, organization, from, to).await?;
    let range = range.ok_or_else(|| Problem::no_such("organization"))?;
    longest(&range, (asked.group == Some(Group::Hour)).then_some(Grain::Hour))?;
    let answer = look::look(&mut tx, organization, &asked, range).await?;
    tx.commit().await?;
    Ok(match asked.form {
        Form::Json => Json(answer).into_response(),
        Form::Csv => rows::sheet(answer, asked.wanted),
    })
}

fn understand(query: ShowAnalytics, headers: &HeaderMap) -> Result<Asked> {
    let group = word("groupBy", query.group_by.as_deref(), &Group::WORDS)?;
    let wanted = Wanted::listed(query.metrics.as_deref())?;
    let form = form(query.format.as_deref(), headers)?;
    let networks = Platform::ALL.map(Platform::as_str);
    one_of("platform", query.platform.as_deref(), &networks)?;
    let within = |name: &str, given: Option<i64>, least: i64, most: i64, usual: i64| {
        let given = given.unwrap_or(usual);
        let message = || format!("expected {least} to {most}");
        (least..=most)
            .contains(&given)
            .then_some(given)
            .ok_or_else(|| Problem::invalid(name, message()))
    };
    let top = within("top", query.top, 0, 100, 0)?;
    let best_hours = within("bestHours", query.best_hours, 0, 168, 0)?;
    let limit = within("limit", query.limit, 1, 1000, 100)?;
    if group != Some(Group::Post) {
        for (name, given) in [("limit", query.limit.is_some()), ("cursor", query.cursor.is_some())]
        {
            if given {
                return Err(Problem::invalid(name, "expected this with groupBy=post alone"));
            }
        }
    }
    Ok(Asked { query, group, wanted, form, top, best_hours, limit })
}
