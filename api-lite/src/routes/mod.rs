//! The routes: one file per resource, request, response and handler side by side.
//!
//! **Invariant:** everything but the way back from a consent page, and what networks tell, is behind [`crate::auth`]; every
//! route is in the document.

pub(crate) mod analytics;
pub(crate) mod attachments;
pub(crate) mod connections;
pub(crate) mod content_comments;
pub(crate) mod content_history;
pub(crate) mod content_requests;
pub(crate) mod content_reviews;
pub(crate) mod content_versions;
pub(crate) mod engagement;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod generations;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod oauth;
pub(crate) mod operations;
pub(crate) mod organizations;
pub(crate) mod posts;
pub(crate) mod schedules;
pub(crate) mod uploads;
pub(crate) mod usage;
pub(crate) mod webhooks;

use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::any::Any;
use std::sync::LazyLock;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::openapi;
use crate::problem::Problem;
use crate::{auth, request};
use boot::Telemetry;
use boot::admin::{Checks, metrics_router};

/// Every route below `/v1`.
fn resources() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(jobs::routes())
        .merge(organizations::routes())
        .merge(usage::routes())
        .merge(keys::routes())
        .merge(connections::routes())
        .merge(oauth::routes())
        .merge(files::routes())
        .merge(uploads::routes())
        .merge(content_requests::routes())
        .merge(content_reviews::routes())
        .merge(content_versions::routes())
        .merge(content_history::routes())
        .merge(content_comments::routes())
        .merge(attachments::routes())
        .merge(generations::routes())
        .merge(schedules::routes())
        .merge(posts::routes())
        .merge(engagement::routes())
        .merge(analytics::routes())
        .merge(events::routes())
        .merge(operations::routes())
}

/// Every route for those who have no key of ours.
fn open_routes() -> OpenApiRouter<App> {
    oauth::open_routes().merge(webhooks::open_routes())
}

/// What the routes say of themselves.
pub(crate) fn documented() -> OpenApi {
    resources().merge(open_routes()).into_openapi()
}

/// Everything that the process serves.
pub(crate) fn router(app: App, telemetry: &Telemetry) -> Router {
    static DOCUMENT: LazyLock<serde_json::Value> = LazyLock::new(openapi::document);
    let (resources, _) = resources().split_for_parts();
    let (open, _) = open_routes().split_for_parts();
    let database = app.database.clone();
    let checks = Checks::new().ready(move || {
        let database = database.clone();
        async move { database.ping().await.map_err(|_| "the database does not answer".to_owned()) }
    });
    resources
        .route_layer(from_fn_with_state(app.clone(), auth::authenticate))
        .merge(open)
        .route("/openapi.json", get(|| async { Json(&*DOCUMENT) }))
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), request::around))
        .with_state(app)
        .merge(metrics_router(telemetry, checks))
}

async fn unknown_route(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::own("unknown_route", format!("there is nothing at {path}"))
}

async fn method_not_allowed(request: Request) -> Problem {
    Problem::own("method_not_allowed", format!("not with {}", request.method()))
}

/// The panic itself has been logged by the panic hook.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::broken().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::{StatusCode, header};
    use tower::ServiceExt as _;

    async fn broken() -> StatusCode {
        panic!("a handler that panics")
    }

    #[tokio::test]
    async fn a_panic_is_answered_with_a_problem() {
        let router = Router::new().route("/", get(broken)).layer(CatchPanicLayer::custom(panicked));
        let response = router.oneshot(Request::new(Body::empty())).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
