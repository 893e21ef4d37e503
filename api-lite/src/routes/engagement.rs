//! `/v1/posts/{id}/engagement`: what people did with a post.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::analytics::{Group, Row, by_time, names};
use crate::analytics::{Figures, Form, Wanted, csv, edge, form, longest, word};
use crate::app::App;
use crate::body::{Filters, Id};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{ConnectionId, PostId, Scope};
use store::analytics::read::{self, Edge, Grain};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// What to show of a post.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ShowEngagement {
    /// `day` or `hour`: how long a period of the series is.
    #[param(default = "day")]
    grain: Option<String>,
    /// Where the series begins: a date on the organization's clocks, or a moment. When the post went
    /// out, when absent.
    from: Option<String>,
    /// Where it ends: before this date, or with the hour before this moment. Now, when absent, or at the
    /// end of the longest series. At most 366 days; 31 by hour.
    to: Option<String>,
    /// The figures to show, separated by commas, as for `getAnalytics`. All, when absent.
    metrics: Option<String>,
    /// `json`, or `csv`: the series. `Accept: text/csv` says the same.
    format: Option<String>,
}

/// What people did with a post.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct EngagementView {
    /// The post.
    published_post_id: PostId,
    /// The network.
    platform: String,
    /// The account.
    platform_connection_id: ConnectionId,
    /// Where people see it.
    platform_post_url: String,
    /// When it went out.
    published_at: DateTime<Utc>,
    /// When it was deleted at the network, or found to be.
    deleted_at: Option<DateTime<Utc>>,
    /// The moment of which the network last told the totals; null when it never has.
    as_of: Option<DateTime<Utc>>,
    /// When the network is asked again; null when it is not asked any more.
    next_poll_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    totals: Figures,
    /// The zone in which days and hours begin.
    timezone: String,
    /// When the series begins.
    from: DateTime<Utc>,
    /// When it ends.
    to: DateTime<Utc>,
    /// What happened in each hour or day.
    series: Vec<Row>,
}

/// Shows what people did with a post
///
/// Its totals so far, and how they came about by day or by hour. A total that the network does not tell is
/// null. The engagement is likes, comments, shares, saves and clicks together; the engagement rate is that
/// divided by impressions.
#[utoipa::path(
    get, path = "/v1/posts/{id}/engagement", tag = "analytics", operation_id = "getPostEngagement",
    params(("id" = PostId, Path, description = "The published post"), ShowEngagement),
    responses((status = 200, description = "What people did with it", content(
        (EngagementView = "application/json"), (String = "text/csv"),
    )))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<PostId>,
    headers: HeaderMap,
    Filters(query): Filters<ShowEngagement>,
) -> Result<Response> {
    principal.require(Scope::Read)?;
    let words = [("day", Grain::Day), ("hour", Grain::Hour)];
    let by = word("grain", query.grain.as_deref(), &words)?.unwrap_or(Grain::Day);
    let wanted = Wanted::listed(query.metrics.as_deref())?;
    let form = form(query.format.as_deref(), &headers)?;
    let from = query.from.as_deref().map(|from| edge("from", from)).transpose()?;
    let to = query.to.as_deref().map(|to| edge("to", to)).transpose()?;

    let mut tx = app.database.reading(&principal).await?;
    let post = read::post(&mut tx, id).await?;
    let post = post.ok_or_else(|| Problem::no_such("published post"))?;
    let now = store::now(&mut tx).await?;
    let to = to.unwrap_or_else(|| whole(by, end(post.published_at, from.is_none(), by, now)));
    let from = from.unwrap_or_else(|| whole(by, post.published_at));
    let range = read::range(&mut tx, post.organization_id, from, to).await?;
    let range = range.ok_or_else(|| Problem::no_such("published post"))?;
    longest(&range, Some(by))?;
    let subjects = [id.0];
    let sums = read::sums(&mut tx, &subjects, range.grain(), &range.timezone, range.from, range.to)
        .await?;
    let known = read::together(&sums).known;
    let series = by_time(&mut tx, &subjects, by, &range, known, wanted).await?;
    tx.commit().await?;
    if form == Form::Csv {
        let group = if by == Grain::Day { Group::Day } else { Group::Hour };
        let rows = series.into_iter().map(|row| row.cells(group));
        return Ok(csv(&names(group, wanted), rows));
    }
    Ok(Json(EngagementView {
        published_post_id: id,
        platform: post.platform,
        platform_connection_id: post.platform_connection_id,
        platform_post_url: post.platform_post_url,
        published_at: post.published_at,
        deleted_at: post.deleted_at,
        as_of: post.as_of,
        next_poll_at: post.next_poll_at,
        totals: Figures::of(&post.totals, wanted),
        timezone: range.timezone,
        from: range.from,
        to: range.to,
        series,
    })
    .into_response())
}

/// A moment as the end of a range of whole periods.
fn whole(by: Grain, at: DateTime<Utc>) -> Edge {
    match by {
        Grain::Day => Edge::DayOf(at),
        Grain::Hour => Edge::Moment(at),
    }
}

/// Now, or the end of the longest series where that is earlier and nobody said where it begins.
fn end(
    published_at: DateTime<Utc>,
    from_the_start: bool,
    by: Grain,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let now = now.max(published_at + TimeDelta::seconds(1));
    let days = if by == Grain::Day { 365 } else { 30 };
    if from_the_start { now.min(published_at + TimeDelta::days(days)) } else { now }
}
