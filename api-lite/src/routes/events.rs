//! `/v1/events`: the feed of what people must know.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
use crate::body::{Filters, Id};
use crate::page;
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::Scope;
use store::events::{self, Cursor, Event};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Which part of the feed to read.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct Feed {
    /// `nextCursor` of an earlier answer; the beginning when absent.
    after: Option<String>,
    /// At most so many, 1 to 200.
    #[param(default = 50, minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// A part of the feed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Events {
    /// The events, oldest first.
    items: Vec<Event>,
    /// What to give as `after` the next time, also when there was nothing new. Opaque.
    next_cursor: Option<String>,
}

/// Reads the feed of events
///
/// Oldest first. Whoever asks again with the last `nextCursor` misses no event and sees none
/// twice. An event appears once every older write has ended, usually at once.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "listEvents", params(Feed),
    responses((status = 200, description = "A part of the feed", body = Events))
)]
async fn list(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<Feed>,
) -> Result<Json<Events>> {
    principal.require(Scope::Read)?;
    let limit = page::limit(query.limit)?;
    let after: Option<Cursor> = match &query.after {
        None => None,
        Some(text) => {
            let read = text
                .parse()
                .map_err(|error: events::NotACursor| Problem::invalid("after", error.to_string()));
            Some(read?)
        }
    };
    let mut tx = app.database.reading(&principal).await?;
    let items = events::feed(&mut tx, after, limit).await?;
    tx.commit().await?;
    let last = items.last().map(Event::cursor).or(after);
    Ok(Json(Events { next_cursor: last.map(|cursor| cursor.to_string()), items }))
}

/// Shows an event
#[utoipa::path(
    get, path = "/v1/events/{id}", tag = "events", operation_id = "getEvent",
    params(("id" = i64, Path, description = "The event")),
    responses((status = 200, description = "The event", body = Event))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Id(id): Id<i64>,
) -> Result<Json<Event>> {
    principal.require(Scope::Read)?;
    let mut tx = app.database.reading(&principal).await?;
    let event = events::get(&mut tx, id).await?;
    tx.commit().await?;
    event.map(Json).ok_or_else(|| Problem::no_such("event"))
}
