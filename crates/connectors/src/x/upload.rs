//! Uploads to X: in one request, or in parts, then the description.
//!
//! **Invariant:** nothing here is seen by people until a post names it.

use bytes::Bytes;
use platforms::ErrorClass;
use platforms::x::{ALT_TEXT_MAX, Endpoint, GIF_TYPE, IMAGE_MAX_BYTES, message};
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

use super::X;
use super::answer::{Budget, unreadable};
use crate::{Access, Called, Closed, Error, Refusal, Upload, Uploaded};

/// One part of a file that is too large for one request, in bytes.
const PART_BYTES: usize = 4 * 1024 * 1024;
/// Time for one request that carries a file.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(120);
/// Time for X to work on a file, after which the upload is tried again.
const PROCESSING_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest pause between two looks at a file in work.
const LOOK_MAX: Duration = Duration::from_secs(30);

/// Uploads a file and describes it.
pub(super) async fn upload(
    x: &X,
    access: &Access,
    upload: Upload,
) -> Result<Called<Uploaded>, Error> {
    let mut run = Run { x, access, closed: None };
    let category = category(&upload.mime);
    let in_parts = category == "tweet_video" || upload.bytes.len() as u64 > IMAGE_MAX_BYTES;
    let data = if in_parts {
        run.in_parts(&upload, category).await?
    } else {
        run.whole(&upload, category).await?
    };
    let media_id = id_of(&data)?;
    let expires_in = data["expires_after_secs"]
        .as_u64()
        .map(|seconds| Duration::from_secs(seconds.min(u64::from(u32::MAX))));
    run.wait_until_ready(&media_id, data).await?;
    if let Some(text) = upload.alt_text.as_deref().filter(|text| !text.trim().is_empty()) {
        run.describe(&media_id, text).await?;
    }
    Ok(Called { value: Uploaded { media_id, expires_in }, closed: run.closed })
}

/// What X shall take a file for.
fn category(mime: &str) -> &'static str {
    match mime {
        GIF_TYPE => "tweet_gif",
        mime if mime.starts_with("video/") => "tweet_video",
        _ => "tweet_image",
    }
}

/// The calls of one upload, and the key that they closed.
struct Run<'a> {
    x: &'a X,
    access: &'a Access,
    closed: Option<Closed>,
}

impl Run<'_> {
    fn request(&self, endpoint: Endpoint, id: &str) -> RequestBuilder {
        self.x.request(&self.x.client, endpoint, id, &self.access.token)
    }

    /// Makes a call and returns the `data` of its answer.
    async fn call(&mut self, endpoint: Endpoint, request: RequestBuilder) -> Result<Value, Error> {
        let budget = Budget::of_account(endpoint, self.access);
        let mut called = self.x.call(request, &budget).await?;
        let latest = self.closed.take().into_iter().chain(called.closed);
        self.closed = latest.max_by_key(|closed| closed.opens_in);
        Ok(called.value.get_mut("data").map(Value::take).unwrap_or_default())
    }

    async fn whole(&mut self, upload: &Upload, category: &'static str) -> Result<Value, Error> {
        let form = Form::new()
            .text("media_category", category)
            .part("media", file_part(upload.bytes.clone(), &upload.mime));
        let request = self.request(Endpoint::UploadMedia, "");
        let request = request.timeout(TRANSFER_TIMEOUT).multipart(form);
        self.call(Endpoint::UploadMedia, request).await
    }

    async fn in_parts(&mut self, upload: &Upload, category: &'static str) -> Result<Value, Error> {
        let start = json!({
            "media_type": upload.mime,
            "total_bytes": upload.bytes.len(),
            "media_category": category,
        });
        let request = self.request(Endpoint::InitializeUpload, "").json(&start);
        let id = id_of(&self.call(Endpoint::InitializeUpload, request).await?)?;
        for (index, from) in (0..upload.bytes.len()).step_by(PART_BYTES).enumerate() {
            let to = upload.bytes.len().min(from + PART_BYTES);
            let form = Form::new()
                .text("segment_index", index.to_string())
                .part("media", file_part(upload.bytes.slice(from..to), &upload.mime));
            let request = self.request(Endpoint::AppendUpload, &id);
            let request = request.timeout(TRANSFER_TIMEOUT).multipart(form);
            self.call(Endpoint::AppendUpload, request).await?;
        }
        let request = self.request(Endpoint::FinalizeUpload, &id);
        self.call(Endpoint::FinalizeUpload, request).await
    }

    /// Waits while X works on the file, as often and as long as X asks.
    async fn wait_until_ready(&mut self, media_id: &str, mut data: Value) -> Result<(), Error> {
        let deadline = Instant::now() + PROCESSING_TIMEOUT;
        loop {
            let processing = &data["processing_info"];
            match processing["state"].as_str() {
                Some("pending" | "in_progress") => {}
                Some("failed") => return Err(Error::Refused(self.refused(&data))),
                _ => return Ok(()),
            }
            let pause = Duration::from_secs(processing["check_after_secs"].as_u64().unwrap_or(1));
            let look_at = Instant::now() + pause.min(LOOK_MAX);
            if look_at > deadline {
                let reason = format!("X is still working on media {media_id}");
                return Err(Error::Unavailable { reason });
            }
            sleep_until(look_at).await;
            let request = self.request(Endpoint::UploadStatus, "");
            let request = request.query(&[("command", "STATUS"), ("media_id", media_id)]);
            data = self.call(Endpoint::UploadStatus, request).await?;
        }
    }

    /// X took the file and then could not use it.
    fn refused(&self, data: &Value) -> Refusal {
        let message = message(&json!({ "data": data }));
        Refusal {
            class: ErrorClass::Permanent,
            status: 200,
            message: Budget::of_account(Endpoint::UploadStatus, self.access).tell(&message),
            closed: None,
        }
    }

    async fn describe(&mut self, media_id: &str, text: &str) -> Result<(), Error> {
        let text: String = text.chars().take(ALT_TEXT_MAX).collect();
        let body = json!({ "id": media_id, "metadata": { "alt_text": { "text": text } } });
        let request = self.request(Endpoint::MediaMetadata, "").json(&body);
        self.call(Endpoint::MediaMetadata, request).await.map(drop)
    }
}

fn file_part(bytes: Bytes, mime: &str) -> Part {
    let part = || {
        let length = bytes.len() as u64;
        Part::stream_with_length(bytes.clone(), length).file_name("media")
    };
    // A MIME type that is no MIME type is left out: X looks at the bytes anyway.
    part().mime_str(mime).unwrap_or_else(|_| part())
}

fn id_of(data: &Value) -> Result<String, Error> {
    let id = data["id"].as_str().filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| unreadable("the upload has no id"))
}
