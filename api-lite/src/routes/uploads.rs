//! `/v1/uploads`: how a file comes into the media store, ready for `media.attach`.
//!
//! **Invariant:** what was uploaded is never replaced through this API.

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
use crate::body::{Id, Json as JsonBody};
use crate::principal::Principal;
use crate::problem::{Details, Problem, Result};
use jobs::{FileId, OrganizationId, Scope};
use media::Key;

/// The route that takes the bytes.
pub(crate) const CONTENT: &str = "/v1/uploads/{fileId}";

/// How long an upload may begin after it was announced.
const EXPIRES_IN: Duration = Duration::from_secs(15 * 60);

/// How many bytes tell the type of a file.
const SNIFF_BYTES: usize = 64;

/// What networks take.
const TYPES: [&str; 5] = ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4"];

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin)).routes(routes!(put))
}

/// A file to be uploaded.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BeginUpload {
    /// What the file is called.
    filename: String,
    /// Its MIME type: `image/jpeg`, `image/png`, `image/gif`, `image/webp` or `video/mp4`.
    content_type: String,
    /// Its size.
    size_bytes: u64,
}

/// Where to upload the file.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct BegunUpload {
    /// What `media.attach` is to be given.
    file_id: FileId,
    /// The HTTP method to use.
    #[schema(example = "PUT")]
    method: &'static str,
    /// Where to send the bytes. Below this API it takes the same key as every route; elsewhere it is
    /// a secret of its own, and takes none.
    url: String,
    /// Headers to be sent exactly like this.
    headers: BTreeMap<String, String>,
    /// Until when the upload may begin.
    expires_at: DateTime<Utc>,
}

/// Begins an upload
///
/// Answers where to send the bytes of a file. When they are there, the kind `media.attach` makes
/// them a file and attaches it to a content version.
#[utoipa::path(
    post, path = "/v1/uploads", tag = "uploads", operation_id = "beginUpload",
    request_body = BeginUpload,
    responses(
        (status = 201, description = "Where to send the bytes", body = BegunUpload),
        (status = 413, description = "The file is too large", body = Details, content_type = "application/problem+json"),
        (status = 415, description = "No network takes this type", body = Details, content_type = "application/problem+json"),
    )
)]
async fn begin(State(app): State<App>, principal: Principal, body: JsonBody) -> Result<Response> {
    principal.require(Scope::ContentWrite)?;
    let organization = owner(&principal)?;
    let wanted: BeginUpload = crate::body::decode(body.value)?;
    if wanted.filename.trim().is_empty() || wanted.filename.chars().count() > 255 {
        return Err(Problem::invalid("filename", "expected 1 to 255 characters"));
    }
    if !TYPES.contains(&wanted.content_type.as_str()) {
        let detail = format!("expected one of {}", TYPES.join(", "));
        return Err(Problem::own("unsupported_media_type", detail).at("contentType"));
    }
    if wanted.size_bytes == 0 {
        return Err(Problem::invalid("sizeBytes", "expected at least 1"));
    }
    if wanted.size_bytes > app.max_upload_bytes {
        return Err(too_large(&app).at("sizeBytes"));
    }
    // Whoever takes the bytes looks at when it was made.
    let now = app.database.now().await?;
    let file_id = FileId::made_at(now);
    let key = Key::upload(organization.0, file_id.0);
    let begun = match app.media.presign_put(&key, &wanted.content_type, EXPIRES_IN) {
        Some(presigned) => BegunUpload {
            file_id,
            method: presigned.method,
            url: presigned.url.to_string(),
            headers: presigned.headers.into_iter().collect(),
            expires_at: presigned.expires_at,
        },
        None => BegunUpload {
            file_id,
            method: "PUT",
            url: address(&app, file_id),
            headers: BTreeMap::from([("content-type".to_owned(), wanted.content_type)]),
            expires_at: now + EXPIRES_IN,
        },
    };
    Ok((StatusCode::CREATED, Json(begun)).into_response())
}

/// A file that is in the media store.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Uploaded {
    /// What `media.attach` is to be given.
    file_id: FileId,
    /// Its size.
    size_bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    sha256: String,
    /// Its MIME type, by its bytes.
    content_type: &'static str,
}

/// Uploads the bytes of a file
///
/// The file is there whole or not at all. What was uploaded is not replaced: a second upload with
/// the same id is refused with 409.
#[utoipa::path(
    put, path = "/v1/uploads/{fileId}", tag = "uploads", operation_id = "putUpload",
    params(("fileId" = FileId, Path, description = "As `POST /v1/uploads` named it")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Stored", body = Uploaded),
        (status = 408, description = "The bytes took too long to arrive", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "Uploaded already", body = Details, content_type = "application/problem+json"),
        (status = 410, description = "The upload has expired: begin another one", body = Details, content_type = "application/problem+json"),
        (status = 413, description = "The file is too large", body = Details, content_type = "application/problem+json"),
        (status = 415, description = "No network takes this type", body = Details, content_type = "application/problem+json"),
    )
)]
async fn put(
    State(app): State<App>,
    principal: Principal,
    Id(file_id): Id<FileId>,
    request: Request,
) -> Result<Json<Uploaded>> {
    principal.require(Scope::ContentWrite)?;
    let organization = owner(&principal)?;
    check_age(file_id, app.database.now().await?)?;
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if declared.is_some_and(|size: u64| size > app.max_upload_bytes) {
        return Err(too_large(&app).with_body_unread());
    }
    let key = Key::upload(organization.0, file_id.0);
    if app.media.head(&key).await?.is_some() {
        let detail = "there are bytes of this upload already: begin another one to replace them";
        return Err(Problem::own("upload_exists", detail));
    }
    let mut arriving = Arriving::new(request.into_body(), app.request_timeout);
    let late = Arc::clone(&arriving.late);
    let slow = |problem: Problem| {
        if late.load(Ordering::Acquire) {
            Problem::own("slow_request", "the bytes stopped to arrive").with_body_unread()
        } else {
            problem
        }
    };
    let first = arriving
        .first(SNIFF_BYTES)
        .await
        .map_err(|_| slow(Problem::own("malformed_request", "the body ended before its time")))?;
    let content_type = media::sniffed_mime(&first).ok_or_else(|| {
        Problem::own("unsupported_media_type", format!("expected one of {}", TYPES.join(", ")))
    })?;
    let body = media::Body::stream(arriving.rest(first), app.max_upload_bytes);
    let stored =
        app.media.put(&key, body, content_type).await.map_err(|e| slow(Problem::from(e)))?;
    Ok(Json(Uploaded {
        file_id,
        size_bytes: stored.size_bytes,
        sha256: stored.sha256_hex(),
        content_type,
    }))
}

fn owner(principal: &Principal) -> Result<OrganizationId> {
    principal.organization().ok_or_else(|| {
        Problem::invalid("Ezre-Organization", "expected the organization whose file it will be")
    })
}

fn too_large(app: &App) -> Problem {
    Problem::own("too_large", format!("expected at most {} bytes", app.max_upload_bytes))
}

fn address(app: &App, file: FileId) -> String {
    format!("{}/v1/uploads/{file}", app.public_url.as_str().trim_end_matches('/'))
}

/// An id tells when it was made.
fn check_age(file: FileId, now: DateTime<Utc>) -> Result<()> {
    let Some(made) = file.0.get_timestamp() else { return Err(Problem::no_such("upload")) };
    let (seconds, nanos) = made.to_unix();
    let made = DateTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    if now > made + EXPIRES_IN {
        return Err(Problem::own("upload_expired", "begin another one with POST /v1/uploads"));
    }
    Ok(())
}

/// The bytes of a request as they arrive, none of them much later than the one before.
struct Arriving {
    stream: BodyDataStream,
    patience: Duration,
    late: Arc<AtomicBool>,
}

impl Arriving {
    fn new(body: Body, patience: Duration) -> Self {
        Self { stream: body.into_data_stream(), patience, late: Arc::default() }
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        match tokio::time::timeout(self.patience, self.stream.next()).await {
            Ok(piece) => piece.map(|piece| piece.map_err(io::Error::other)),
            Err(_) => {
                self.late.store(true, Ordering::Release);
                Some(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// The first bytes, at least so many unless there are fewer.
    async fn first(&mut self, count: usize) -> io::Result<Bytes> {
        let mut first = Vec::new();
        while first.len() < count
            && let Some(piece) = self.next().await
        {
            first.extend_from_slice(&piece?);
        }
        Ok(first.into())
    }

    /// All bytes, the first ones included.
    fn rest(self, first: Bytes) -> impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static {
        let rest = stream::unfold(self, async |mut arriving| {
            let piece = arriving.next().await?;
            Some((piece, arriving))
        });
        stream::iter([Ok(first)]).chain(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_that_was_announced_long_ago_or_never_is_refused() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let made = |ago: Duration| check_age(FileId::made_at(now - ago), now);
        assert!(made(Duration::ZERO).is_ok() && made(EXPIRES_IN).is_ok());
        assert!(made(EXPIRES_IN + Duration::from_secs(1)).is_err());
        assert!(check_age(FileId(uuid::Uuid::nil()), now).is_err());
    }

    #[tokio::test]
    async fn a_body_that_stops_to_arrive_is_late() {
        let stuck =
            stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"GIF"))]).chain(stream::pending());
        let mut arriving = Arriving::new(Body::from_stream(stuck), Duration::from_millis(5));
        assert!(arriving.first(SNIFF_BYTES).await.is_err());
        assert!(arriving.late.load(Ordering::Acquire));
    }
}
