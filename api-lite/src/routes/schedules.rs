//! `/v1/schedules`: when and where content goes out, and what was tried.

mod preview;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
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
use store::schedules::{self, Filter, Schedule, Status};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).merge(preview::routes())
}

/// The most publishing calls shown with a schedule, the newest ones.
const INTENTS_SHOWN: i64 = 50;

/// Which schedules to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ListSchedules {
    /// Only of this status: `scheduled`, `publishing`, `awaiting_platform`, `published`, `failed`,
    /// `unconfirmed`, `missed`, `skipped`, `on_hold` or `cancelled`.
    status: Option<String>,
    /// Only of this connection.
    platform_connection_id: Option<Uuid>,
    /// Only of this content version.
    content_version_id: Option<Uuid>,
    /// Only those that go out at or after this moment.
    from: Option<DateTime<Utc>>,
    /// Only those that go out before this moment.
    to: Option<DateTime<Utc>>,
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
    };
    let mut tx = app.database.reading(&principal).await?;
    let rows = schedules::list(&mut tx, &filter, page).await?;
    tx.commit().await?;
    Ok(page::answer(rows, page, |row| row.id.0))
}

/// Shows a schedule
///
/// With its log of attempts and the publishing calls made for it.
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
    tx.commit().await?;
    Ok(Json(ScheduleWithIntents { schedule, intents }))
}
