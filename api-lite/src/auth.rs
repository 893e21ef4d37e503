//! From a bearer token to a caller, and the rate of each key.
//!
//! The layer around every route below `/v1`: without a caller no handler runs.
//!
//! **Invariant:** a revoked key is refused everywhere at most [`REMEMBERED`] after its revocation.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{Code, OrganizationId, Scope};
use store::api_keys::{self, Key};

/// The first characters of every key of an organization.
pub(crate) const KEY_PREFIX: &str = "ezre_";

/// Names the one organization for which an operator acts.
pub(crate) const ORGANIZATION: HeaderName = HeaderName::from_static("ezre-organization");

/// How long a key that was looked up is not looked up again.
const REMEMBERED: Duration = Duration::from_secs(2);

/// The most keys that are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// Rates are per minute.
const MINUTE: Duration = Duration::from_secs(60);

/// Keys that were looked up a moment ago, by their hash.
#[derive(Default)]
pub(crate) struct Keys(Mutex<HashMap<[u8; 32], (Instant, Key)>>);

impl Keys {
    fn get(&self, hash: &[u8; 32]) -> Option<Key> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, key) = keys.get(hash)?;
        (since.elapsed() < REMEMBERED).then(|| key.clone())
    }

    /// Remembers a key as it was at `since`, which is before the database was asked.
    fn put(&self, hash: [u8; 32], since: Instant, key: Key) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MOST_REMEMBERED {
            keys.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        }
        if keys.len() < MOST_REMEMBERED {
            keys.insert(hash, (since, key));
        }
    }
}

/// Lets a request through with its [`Principal`], or refuses it.
pub(crate) async fn authenticate(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    let (principal, limit) = match identify(&app, request.headers()).await {
        Ok(found) => found,
        Err(problem) => return problem.into_response(),
    };
    let Some((key, limit)) = limit else {
        request.extensions_mut().insert(principal);
        return next.run(request).await;
    };
    let rate = app.bell.take(&format!("key:{key}"), limit, MINUTE).await;
    let mut response = if rate.allowed {
        request.extensions_mut().insert(principal);
        next.run(request).await
    } else {
        let detail = format!("this key may make {limit} requests a minute");
        Problem::new(Code::RateLimited, detail)
            .with_header(header::RETRY_AFTER, seconds(rate.retry_after))
            .into_response()
    };
    for (name, value) in [
        ("ratelimit-limit", HeaderValue::from(rate.limit)),
        ("ratelimit-remaining", HeaderValue::from(rate.remaining)),
        ("ratelimit-reset", seconds(rate.reset_after)),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> HeaderValue {
    HeaderValue::from(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

/// Who calls, and the key and rate that the call counts for.
async fn identify(
    app: &App,
    headers: &HeaderMap,
) -> Result<(Principal, Option<(uuid::Uuid, u32)>)> {
    let token = bearer(headers)?;
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let is_operator = app
        .operator_token
        .as_ref()
        .is_some_and(|operator| bool::from(operator.as_bytes().ct_eq(&hash)));
    if is_operator {
        return Ok((Principal::Operator { organization: named_organization(headers)? }, None));
    }
    let Some(key) = lookup(app, token, hash).await? else {
        return Err(unauthorized("the key is unknown or was revoked"));
    };
    if headers.contains_key(&ORGANIZATION) {
        return Err(Problem::new(
            Code::Forbidden,
            "the header Ezre-Organization is for operators: a key acts for its own organization",
        ));
    }
    let limit = key.rate_limit_per_minute.and_then(|limit| u32::try_from(limit).ok());
    let principal = Principal::Key {
        id: key.id,
        organization: key.organization,
        scopes: Scope::ALL
            .into_iter()
            .filter(|scope| key.scopes.iter().any(|word| word == scope.as_str()))
            .collect(),
    };
    Ok((principal, Some((key.id.0, limit.unwrap_or(app.default_rate_limit)))))
}

async fn lookup(app: &App, token: &str, hash: [u8; 32]) -> Result<Option<Key>> {
    if !token.starts_with(KEY_PREFIX) {
        return Ok(None);
    }
    if let Some(key) = app.keys.get(&hash) {
        return Ok(Some(key));
    }
    let asked = Instant::now();
    let mut tx = app.database.anonymous().await?;
    let found = api_keys::lookup(&mut tx, &hash).await?;
    tx.commit().await?;
    if let Some(key) = &found {
        app.keys.put(hash, asked, key.clone());
    }
    Ok(found)
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(unauthorized("expected the header Authorization: Bearer <key>"));
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() =>
        {
            Ok(token.trim())
        }
        _ => Err(unauthorized("expected the header Authorization: Bearer <key>")),
    }
}

fn named_organization(headers: &HeaderMap) -> Result<Option<OrganizationId>> {
    let Some(value) = headers.get(&ORGANIZATION) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| {
        Problem::invalid("Ezre-Organization", "expected the id of an organization, a UUID")
    })
}

fn unauthorized(detail: &str) -> Problem {
    Problem::own("unauthorized", detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ezre\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(authorization))])
    }

    #[test]
    fn only_a_bearer_token_is_one() {
        assert_eq!(bearer(&headers("Bearer ezre_x")).ok(), Some("ezre_x"));
        assert_eq!(bearer(&headers("bearer  ezre_x ")).ok(), Some("ezre_x"));
        for wrong in ["ezre_x", "Basic ezre_x", "Bearer", "Bearer ", "Bearer   "] {
            assert!(bearer(&headers(wrong)).is_err(), "{wrong}");
        }
        assert!(bearer(&HeaderMap::new()).is_err());
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), HeaderValue::from(1));
        assert_eq!(seconds(Duration::from_secs(7)), HeaderValue::from(7));
        assert_eq!(seconds(Duration::ZERO), HeaderValue::from(0));
    }
}
