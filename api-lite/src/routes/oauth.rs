//! `/oauth/{platform}`: how an account is connected. A person is sent to the network's consent page and
//! comes back with a code, which the kind `connection.connect` exchanges.
//!
//! Nothing is kept here between the two: what the way back needs travels sealed in the state.
//!
//! **Invariant:** a person is sent back only to an address that is allowed, and a state is good for one
//! way back.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use url::Url;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
use crate::body::Filters;
use crate::consent_state::{ConsentState, LIFE};
use crate::enqueue::{self, IdempotencyKey, Job, Request};
use crate::principal::Principal;
use crate::problem::{Details, Problem, Result};
use crate::request::Context;
use jobs::{Code, Kind, Scope};
use platforms::{Consent, ConsentError, Platform};

/// How long a person who came back waits for the outcome.
const WAIT: Duration = Duration::from_secs(15);

/// For those who have a key.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(start))
}

/// For those who come from a network: the state tells who they are.
pub(crate) fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(callback))
}

/// The networks by their names in paths: `x` and `twitter` are one.
fn platform(name: &str) -> Result<Platform> {
    match name.to_ascii_lowercase().as_str() {
        "x" | "twitter" => Ok(Platform::Twitter),
        _ => {
            let name: String = name.chars().take(50).collect();
            let detail = format!("unknown network {name:?}: expected `x`");
            Err(Problem::new(Code::NotFound, detail).at("platform"))
        }
    }
}

/// The network's name in the path of the address that is registered there.
const fn path_name(platform: Platform) -> &'static str {
    match platform {
        Platform::Twitter => "x",
    }
}

/// Where the network sends people back to.
fn redirect_url(app: &App, platform: Platform) -> String {
    let base = app.public_url.as_str().trim_end_matches('/');
    format!("{base}/oauth/{}/callback", path_name(platform))
}

/// Who connects, and where they go afterwards.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct Start {
    /// Where the person is sent back to with the outcome: one of the addresses that this API was told,
    /// or one below it.
    #[param(required = true)]
    return_to: Option<String>,
    /// The person who connects: the frontend's own opaque text. The key itself when absent.
    actor: Option<String>,
}

/// Where to send the person.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Started {
    /// The network's consent page.
    url: String,
    /// Until when the way back is open.
    expires_at: DateTime<Utc>,
}

/// Begins to connect an account
///
/// Answers with the network's consent page: as `Location`, to be followed, and in the body. The person
/// comes back to `returnTo` with the query parameters `outcome`, `platform` and, where they are known,
/// `connectionId`, `jobId`, `code` and `message`.
///
/// | `outcome` | what it means |
/// | --- | --- |
/// | `connected` | the account is connected; with `reconnected=true` it was before, and keeps its id; with `alsoInAnotherOrganization=true` another organization has connected it as well |
/// | `denied` | the person did not consent |
/// | `expired` | the person came back too late |
/// | `used` | the person came back this way before |
/// | `failed` | the network did not give the account; `message` says why |
/// | `pending` | the network is slow: `jobId` tells the outcome later |
#[utoipa::path(
    get, path = "/oauth/{platform}/start", tag = "connections", operation_id = "startConnecting",
    params(("platform" = String, Path, description = "The network", example = "x"), Start),
    responses(
        (status = 302, description = "The consent page", body = Started, headers(("Location" = String, description = "The consent page"))),
        (status = 404, description = "The network is unknown", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "Our app is not set up at this network", body = Details, content_type = "application/problem+json"),
        (status = 422, description = "`returnTo` is not allowed, or a parameter is wrong; `field` names it", body = Details, content_type = "application/problem+json"),
    )
)]
async fn start(
    State(app): State<App>,
    principal: Principal,
    Path(name): Path<String>,
    Filters(query): Filters<Start>,
) -> Result<Response> {
    principal.require(Scope::ConnectionsWrite)?;
    let platform = platform(&name)?;
    let organization = principal.organization().ok_or_else(|| {
        Problem::new(Code::InvalidArgument, "name the organization in Ezre-Organization")
    })?;
    let return_to = query.return_to.unwrap_or_default();
    let return_to = allowed(&app.oauth.return_urls, &return_to)?;
    let actor = principal.actor(query.actor)?;
    let client_id = app.oauth.client_id(platform).ok_or_else(|| {
        let detail = format!("our app is not set up for {}", platform.display_name());
        Problem::own("network_not_set_up", detail)
    })?;
    let mut tx = app.database.reading(&principal).await?;
    let now = store::now(&mut tx).await?;
    tx.commit().await?;
    let state = ConsentState::new(organization, actor, return_to, now);
    let sealed = state.seal(&app.travel_keys, platform);
    let url = Consent {
        page: app.oauth.consent_page(platform),
        client_id,
        redirect_url: &redirect_url(&app, platform),
        scopes: platform.scopes(),
        state: &sealed,
        verifier: state.verifier.expose_secret(),
    }
    .url(platform)
    .map_err(|error| match error {
        ConsentError::StateTooLong { length, max } => {
            let over = (length - max) * 3 / 4 + 1;
            let detail = format!("too long: together with `actor`, by about {over} bytes");
            Problem::invalid("returnTo", detail)
        }
        error @ (ConsentError::Verifier | ConsentError::Address) => Problem::internal(&error),
    })?;
    let location = [(header::LOCATION, url.clone())];
    let started = Started { url, expires_at: now + LIFE };
    Ok((StatusCode::FOUND, location, Json(started)).into_response())
}

/// The address, if it is one of those that are allowed or lies below one of them.
fn allowed(allowed: &[Url], asked: &str) -> Result<Url> {
    let refused = || {
        Problem::invalid("returnTo", "expected an address that this API was told to send people to")
    };
    let url = Url::parse(asked).map_err(|_| refused())?;
    let below = |base: &Url| {
        let folder = base.path().trim_end_matches('/');
        let rest = url.path().strip_prefix(folder);
        base.origin() == url.origin()
            && base.origin().is_tuple()
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let plain = url.username().is_empty() && url.password().is_none();
    if plain && allowed.iter().any(below) { Ok(url) } else { Err(refused()) }
}

/// What the network says of a person who comes back.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Callback {
    /// What was sent along.
    state: Option<String>,
    /// The code, after consent.
    code: Option<String>,
    /// Why there is none.
    error: Option<String>,
}

/// Comes back from a consent page
///
/// Networks send people here. The answer sends them on to the address with which they began.
#[utoipa::path(
    get, path = "/oauth/{platform}/callback", tag = "connections", operation_id = "finishConnecting",
    params(("platform" = String, Path, description = "The network", example = "x"), Callback),
    responses(
        (status = 303, description = "Back to where it began, with the outcome", headers(("Location" = String, description = "`returnTo` with the outcome"))),
        (status = 400, description = "The state is missing, or not one of ours", body = Details, content_type = "application/problem+json"),
    )
)]
async fn callback(
    State(app): State<App>,
    context: Context,
    Path(name): Path<String>,
    Filters(query): Filters<Callback>,
) -> Result<Response> {
    let platform = platform(&name)?;
    let sealed = query.state.unwrap_or_default();
    let state = ConsentState::open(&app.travel_keys, platform, &sealed)
        .ok_or_else(|| Problem::own("unknown_state", "begin anew where you came from"))?;
    let back = |parts: &[(&str, &str)]| Ok(send_back(&state.return_to, platform, parts));
    let principal =
        Principal::Person { organization: state.organization, actor: state.actor.clone() };
    let mut tx = app.database.writing(&principal).await?;
    let now = store::now(&mut tx).await?;
    tx.commit().await?;
    if let Some(error) = query.error {
        let outcome = if error == "access_denied" { "denied" } else { "failed" };
        let error: String = error.chars().take(100).collect();
        return back(&[("outcome", outcome), ("message", &error)]);
    }
    if now > state.expires_at {
        let message = "You came back too late. Connect the account again.";
        return back(&[("outcome", "expired"), ("message", message)]);
    }
    let Some(code) = query.code.filter(|code| !code.trim().is_empty()) else {
        return back(&[("outcome", "failed"), ("message", "The network sent no code.")]);
    };
    let args = json!({
        "platform": platform,
        "code": code,
        "verifier": state.verifier.expose_secret(),
        "redirectUrl": redirect_url(&app, platform),
        "issuedAt": now,
    });
    // The same for each way back with this state, whatever code comes with it.
    let used = IdempotencyKey::of_consent(&sealed);
    let idempotency = Some(used);
    let request = Request { principal, context, idempotency, wait: Some(WAIT) };
    let (job, replayed) =
        enqueue::enqueue_for(&app, request, &sealed, Kind::ConnectAccount, &args).await?;
    if replayed {
        let message = "This way back was used before. Connect the account again.";
        return back(&[("outcome", "used"), ("message", message)]);
    }
    let outcome = outcome(&job);
    let parts: Vec<(&str, &str)> = outcome.iter().map(|(name, text)| (*name, &**text)).collect();
    back(&parts)
}

/// What became of the job, as query parameters.
fn outcome(job: &Job) -> Vec<(&'static str, String)> {
    let mut parts = vec![("jobId", job.view.id.to_string())];
    if let Some(problem) = job.failure() {
        parts.extend([
            ("outcome", "failed".to_owned()),
            ("code", problem.code.as_str().to_owned()),
            ("message", problem.message),
        ]);
        return parts;
    }
    let Some(result) = &job.view.result else {
        parts.push(("outcome", "pending".to_owned()));
        return parts;
    };
    parts.push(("outcome", "connected".to_owned()));
    if let Some(id) = result["connectionId"].as_str() {
        parts.push(("connectionId", id.to_owned()));
    }
    for name in ["reconnected", "alsoInAnotherOrganization"] {
        if result[name] == true {
            parts.push((name, "true".to_owned()));
        }
    }
    parts
}

fn send_back(return_to: &Url, platform: Platform, parts: &[(&str, &str)]) -> Response {
    let mut url = return_to.clone();
    url.query_pairs_mut().append_pair("platform", platform.as_str()).extend_pairs(parts);
    Redirect::to(url.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_sent_back_only_where_that_is_allowed() {
        let bases: Vec<Url> = ["https://app.example.com/accounts", "https://other.example.com"]
            .iter()
            .map(|url| url.parse().expect("a URL"))
            .collect();
        for good in [
            "https://app.example.com/accounts",
            "https://app.example.com/accounts/x?tab=1",
            "https://other.example.com/anything",
            "https://OTHER.example.com:443/",
        ] {
            assert!(allowed(&bases, good).is_ok(), "{good}");
        }
        for bad in [
            "https://app.example.com/accountsx",
            "https://app.example.com/accounts/../admin",
            "https://app.example.com/",
            "http://app.example.com/accounts",
            "https://app.example.com:8443/accounts",
            "https://app.example.com.evil.example/accounts",
            "https://user@other.example.com/",
            "https://user:pass@other.example.com/",
            "javascript:alert(1)",
            "//other.example.com/",
            "",
        ] {
            assert!(allowed(&bases, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_outcome_is_added_to_what_the_address_says_already() {
        let url: Url = "https://app.example.com/a?tab=1#top".parse().expect("a URL");
        let response =
            send_back(&url, Platform::Twitter, &[("outcome", "denied"), ("message", "no & never")]);
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(
            response.headers()[header::LOCATION],
            "https://app.example.com/a?tab=1&platform=TWITTER&outcome=denied&message=no+%26+never#top"
        );
    }
}
