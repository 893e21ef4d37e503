//! Objects in a bucket of an S3-compatible server.
//!
//! One of the two kinds of [`crate::Store`]. Requests are signed in their address, which makes
//! them the same as those handed out to others.
//!
//! **Invariant:** no signed address and no secret appears in an error or a log.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LAST_MODIFIED};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rusty_s3::actions::{DeleteObject, GetObject, HeadObject, PutObject};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::fs::File;
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;
use url::Url;

use crate::body::{Content, measure, pour};
use crate::{Body, Error, Head, Key, Presigned, Stored};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the addresses of our own requests hold: far longer than a clock is wrong.
const OWN_EXPIRY: Duration = Duration::from_secs(900);

/// Source: <https://aws.amazon.com/premiumsupport/knowledge-center/presigned-url-s3-bucket-expiration/>,
/// read 2026-11-22.
const LONGEST_EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How much of a refusal is read to find its code.
const REFUSAL_BYTES: u64 = 16 * 1024;

/// Where a bucket is and how to sign for it.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// The server, without the bucket.
    pub endpoint: Url,
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key.
    pub access_key_id: SecretString,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// Whether the bucket stands in the path (MinIO) or in the host name (AWS).
    pub path_style: bool,
}

/// A bucket of an S3-compatible server.
#[derive(Clone)]
pub struct S3 {
    bucket: Bucket,
    credentials: Credentials,
    client: Client,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3({})", self.bucket.base_url())
    }
}

impl S3 {
    /// Prepares the client; the server is not asked yet.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] when endpoint and bucket make no address.
    pub fn open(settings: &S3Settings) -> Result<Self, Error> {
        let style = if settings.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let (bucket, region) = (settings.bucket.clone(), settings.region.clone());
        let bucket = Bucket::new(settings.endpoint.clone(), style, bucket, region)
            .map_err(|error| Error::Settings { reason: format!("endpoint and bucket: {error}") })?;
        let credentials = Credentials::new(
            settings.access_key_id.expose_secret(),
            settings.secret_access_key.expose_secret(),
        );
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Settings { reason: format!("HTTP client: {error}") })?;
        Ok(Self { bucket, credentials, client })
    }

    pub(crate) async fn put(
        &self,
        key: &Key,
        body: Body<'_>,
        content_type: &str,
    ) -> Result<Stored, Error> {
        let (stored, body) = match body.0 {
            Content::Bytes(bytes) => (measure(&bytes).await, reqwest::Body::from(bytes)),
            Content::Stream { .. } => spool(body).await?,
        };
        let request = PutObject::new(&self.bucket, Some(&self.credentials), key.as_str());
        let request = self
            .client
            .put(request.sign(OWN_EXPIRY))
            .timeout(patience(stored.size_bytes))
            .header(CONTENT_TYPE, content_type)
            .header(CONTENT_LENGTH, stored.size_bytes)
            .body(body);
        accepted("putting an object", key, send("putting an object", request).await?).await?;
        Ok(stored)
    }

    pub(crate) async fn get(&self, key: &Key, limit_bytes: u64) -> Result<Bytes, Error> {
        let doing = "getting an object";
        let request = GetObject::new(&self.bucket, Some(&self.credentials), key.as_str());
        let request = self.client.get(request.sign(OWN_EXPIRY)).timeout(patience(limit_bytes));
        let response = accepted(doing, key, send(doing, request).await?).await?;
        read(doing, response, limit_bytes).await
    }

    pub(crate) async fn head(&self, key: &Key) -> Result<Option<Head>, Error> {
        let doing = "asking for an object";
        let request = HeadObject::new(&self.bucket, Some(&self.credentials), key.as_str());
        let request = self.client.head(request.sign(OWN_EXPIRY)).timeout(patience(0));
        let response = match accepted(doing, key, send(doing, request).await?).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            response => response?,
        };
        let headers = response.headers();
        Ok(Some(Head {
            size_bytes: text(headers, CONTENT_LENGTH)
                .and_then(|size| size.parse().ok())
                .ok_or_else(|| Error::unavailable(doing, "the answer tells no size"))?,
            content_type: text(headers, CONTENT_TYPE).map(str::to_owned),
            modified_at: text(headers, LAST_MODIFIED)
                .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
                .map(|date| date.to_utc()),
        }))
    }

    pub(crate) async fn delete(&self, key: &Key) -> Result<(), Error> {
        let doing = "deleting an object";
        let request = DeleteObject::new(&self.bucket, Some(&self.credentials), key.as_str());
        let request = self.client.delete(request.sign(OWN_EXPIRY)).timeout(patience(0));
        match accepted(doing, key, send(doing, request).await?).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn presign_put(
        &self,
        key: &Key,
        content_type: &str,
        expires: Duration,
    ) -> Presigned {
        let mut request = PutObject::new(&self.bucket, Some(&self.credentials), key.as_str());
        request.headers_mut().insert("content-type", content_type.to_owned());
        let mut presigned = presigned("PUT", request, expires);
        presigned.headers.push(("content-type".to_owned(), content_type.to_owned()));
        presigned
    }

    pub(crate) fn presign_get(&self, key: &Key, expires: Duration) -> Presigned {
        let request = GetObject::new(&self.bucket, Some(&self.credentials), key.as_str());
        presigned("GET", request, expires)
    }
}

fn presigned<'a>(method: &'static str, request: impl S3Action<'a>, expires: Duration) -> Presigned {
    let expires = expires.min(LONGEST_EXPIRY);
    let lasting = TimeDelta::from_std(expires).expect("seven days are within any range");
    Presigned {
        method,
        expires_at: Utc::now() + lasting,
        url: request.sign(expires),
        headers: vec![],
    }
}

/// Half a minute, and a second for every 256 KiB that may have to be carried.
fn patience(size_bytes: u64) -> Duration {
    Duration::from_secs(30 + (size_bytes / (256 * 1024)).min(3600))
}

/// S3 wants the size before the bytes: a stream goes through a file that nobody else can see.
async fn spool(body: Body<'_>) -> Result<(Stored, reqwest::Body), Error> {
    let failed = |error: std::io::Error| Error::unavailable("writing a temporary file", error);
    let mut file = File::from_std(tempfile::tempfile().map_err(failed)?);
    let stored = pour(body, &mut file).await?;
    file.rewind().await.map_err(failed)?;
    Ok((stored, reqwest::Body::wrap_stream(ReaderStream::new(file))))
}

async fn send(doing: &'static str, request: RequestBuilder) -> Result<Response, Error> {
    request.send().await.map_err(|error| Error::unavailable(doing, error.without_url()))
}

/// The response, if the server did what it was asked.
async fn accepted(doing: &'static str, key: &Key, response: Response) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let said = read(doing, response, REFUSAL_BYTES).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let code = code(&said).unwrap_or("no code").to_owned();
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    if status == StatusCode::NOT_FOUND && code != "NoSuchBucket" {
        return Err(Error::NotFound { key: key.clone() });
    }
    if status.is_server_error() || later.contains(&status) {
        return Err(Error::unavailable(doing, format!("status {}, {code}", status.as_u16())));
    }
    Err(Error::Refused { doing, status: status.as_u16(), code })
}

/// The text of the first `Code` element, which is a single word.
fn code(xml: &str) -> Option<&str> {
    let (code, _) = xml.split_once("<Code>")?.1.split_once("</Code>")?;
    (code.len() < 100 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
}

async fn read(doing: &'static str, mut response: Response, limit: u64) -> Result<Bytes, Error> {
    let too_large = Error::TooLarge { limit_bytes: limit };
    if response.content_length().is_some_and(|size| size > limit) {
        return Err(too_large);
    }
    let mut bytes = BytesMut::new();
    let failed = |error: reqwest::Error| Error::unavailable(doing, error.without_url());
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(too_large);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn text(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
