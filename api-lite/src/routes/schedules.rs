//! `/v1/schedules`: when and where content goes out, and what was tried.

mod preview;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::app::App;
use crate::body::{Filters, Id};
use crate::page::{self, Items};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{ScheduleId, Scope};
use store::Page;
use store::intents::{self, Intent};
use store::schedules::series::{self, SeriesView};
use store::schedules::{self, Filter, Occurrence, Schedule, Status};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(occurrences))
        .merge(preview::routes())
}

/// The most publishing calls shown with a schedule, the newest ones.
const INTENTS_SHOWN: i64 = 50;

/// Which schedules to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListSchedules {
    /// Only of this status: `scheduled`, `publishing`, `awaiting_platform`, `published`, `failed`,
    /// `unconfirmed`, `missed`, `skipped`, `on_hold` or `cancelled`; of recurring ones `active`, `paused` or
    /// `ended`.
    status: Option<String>,
    /// Only of this connection.
    platform_connection_id: Option<Uuid>,
    /// Only of this content version.
    content_version_id: Option<Uuid>,
    /// Only those that go out at or after this moment.
    from: Option<DateTime<Utc>>,
    /// Only those that go out before this moment.
    to: Option<DateTime<Utc>>,
    /// Only occurrences of this recurring schedule.
    parent_id: Option<Uuid>,
    /// Only recurring ones, or only others.
    is_recurring: Option<bool>,
    /// `nextCursor` of the page before.
    cursor: Option<Uuid>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// A schedule, and the publishing calls made for it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct ScheduleWithIntents {
    /// The schedule.
    #[serde(flatten)]
    schedule: Schedule,
    /// The publishing calls made for it, newest first.
    intents: Vec<Intent>,
    /// How it recurs; null where it does not.
    series: Option<SeriesView>,
}

/// Which occurrences to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListOccurrences {
    /// Only those that the series plans at or after this moment.
    from: Option<DateTime<Utc>>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Lists schedules
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/schedules", tag = "schedules", operation_id = "listSchedules",
    params(ListSchedules),
    responses((status = 200, description = "A page", body = Items<Schedule>))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ListSchedules>,
) -> Result<Json<Items<Schedule>>> {
    principal.require(Scope::Read)?;
    let page = page::page(query.cursor, query.limit)?;
    page::one_of("status", query.status.as_deref(), &Status::ALL.map(Status::as_str))?;
    let filter = Filter {
        status: query.status,
        platform_connection_id: query.platform_connection_id,
        content_version_id: query.content_version_id,
        scheduled_from: query.from,
        scheduled_before: query.to,
        parent_schedule_id: query.parent_id,
        is_recurring: query.is_recurring,
    };
    let mut tx = app.database.reading(&principal).await?;
    let rows = schedules::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows a schedule
///
/// With its log of attempts and the publishing calls made for it, or with how it recurs.
#[utoipa::path(
    get, path = "/v1/schedules/{id}", tag = "schedules", operation_id = "getSchedule",
    params(("id" = ScheduleId, Path, description = "The schedule")),
    responses((status = 200, description = "The schedule", body = ScheduleWithIntents))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ScheduleId>,
) -> Result<Json<ScheduleWithIntents>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let schedule = schedules::get(&mut tx, id).await?;
    let schedule = schedule.ok_or_else(|| Problem::no_such("schedule"))?;
    let filter = intents::Filter { schedule_id: Some(id.0), state: None };
    let page = Page { before: None, limit: INTENTS_SHOWN };
    let intents = intents::list(&mut tx, &filter, page).await?;
    let series = match schedule.is_recurring {
        true => series::get(&mut tx, id).await?,
        false => None,
    };
    tx.commit().await?;
    Ok(Json(ScheduleWithIntents { schedule, intents, series }))
}

/// Lists the occurrences of a recurring schedule
///
/// In the order in which the series plans them, the earliest first: those that have passed, those ahead, and
/// the next 20,000 that its rule plans and that nobody has made yet.
#[utoipa::path(
    get, path = "/v1/schedules/{id}/occurrences", tag = "schedules", operation_id = "listOccurrences",
    params(("id" = ScheduleId, Path, description = "The recurring schedule"), ListOccurrences),
    responses((status = 200, description = "A page", body = Items<Occurrence>))
)]
async fn occurrences(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<ScheduleId>,
    Filters(query): Filters<ListOccurrences>,
) -> Result<Json<Items<Occurrence>>> {
    principal.require(Scope::Read)?;
    let limit = page::limit(query.limit)?;
    let after = match query.cursor.as_deref() {
        Some(cursor) => place(cursor).ok_or_else(|| {
            Problem::invalid("cursor", "not a cursor: expected one that an earlier answer gave")
        })?,
        None => {
            (query.from.unwrap_or(DateTime::UNIX_EPOCH) - TimeDelta::microseconds(1), Uuid::max())
        }
    };
    let mut tx = app.database.reading(&principal).await?;
    let found = schedules::occurrences(&mut tx, id, after, limit + 1).await?;
    tx.commit().await?;
    let mut items = found.ok_or_else(|| Problem::no_such("recurring schedule"))?;
    let wanted = usize::try_from(limit).unwrap_or_default();
    let more = items.len() > wanted;
    items.truncate(wanted);
    let next_cursor = items.last().filter(|_| more).map(|last| {
        // Nothing that has no row yet shares its moment with anything.
        let id = last.schedule_id.unwrap_or(Uuid::max());
        format!("{}-{}", last.occurrence_at.timestamp_micros(), id.simple())
    });
    Ok(Json(Items { items, next_cursor }))
}

/// The place in the order of occurrences that a cursor means.
fn place(cursor: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let (micros, id) = cursor.rsplit_once('-')?;
    Some((DateTime::from_timestamp_micros(micros.parse().ok()?)?, id.parse().ok()?))
}
