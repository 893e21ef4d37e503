//! Uploads: in one request, in parts, their processing and their descriptions.
//!
//! Source: `x/openapi.trimmed.json` (bodies and answers), `tables/limits.json` (sizes) and
//! `tables/media_states.json`, read 2026-11-22.
//!
//! **Invariant:** an attachment belongs to who uploaded it (and to the additional owners), and is
//! of no use to anybody else.

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use platforms::MediaFacts;
use platforms::x::{GIF_MAX_BYTES, IMAGE_MAX_BYTES, VIDEO_MAX_BYTES};
use serde_json::{Map, Value, json};

use super::parameters;
use super::problem::{Outcome, Problem};
use super::shape::{check_fields, is_id, whole};
use super::sniff::{self, Looked};
use crate::call::{Part, Payload};

/// A file that has been uploaded whole.
#[derive(Clone, Debug)]
pub(super) struct Media {
    pub(super) id: String,
    owners: Vec<String>,
    pub(super) facts: MediaFacts,
    pub(super) alt_text: Option<String>,
    pub(super) expires_at: DateTime<Utc>,
    ready_at: DateTime<Utc>,
}

/// An upload in parts that is not finished.
#[derive(Debug)]
struct Session {
    owners: Vec<String>,
    media_type: Option<String>,
    category: String,
    total_bytes: Option<i64>,
    segments: BTreeMap<i64, Bytes>,
    expires_at: DateTime<Utc>,
}

/// All uploads, by id.
#[derive(Debug, Default)]
pub(super) struct Library {
    files: HashMap<String, Media>,
    sessions: HashMap<String, Session>,
}

/// When an upload that is made now ends, and when it is ready.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) now: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// For animations and videos.
    pub(super) processed_at: DateTime<Utc>,
}

impl Media {
    /// `3_…` for photos, `7_…` for videos, `16_…` for animations, as X does.
    pub(super) fn key(&self) -> String {
        let prefix = match self.kind() {
            "photo" => 3,
            "video" => 7,
            _ => 16,
        };
        format!("{prefix}_{}", self.id)
    }

    /// `photo`, `video` or `animated_gif`.
    pub(super) fn kind(&self) -> &'static str {
        match self.facts.mime.as_str() {
            "image/gif" => "animated_gif",
            mime if mime.starts_with("video/") => "video",
            _ => "photo",
        }
    }

    fn answer(&self, now: DateTime<Utc>, always_state: bool) -> Value {
        let mut data = json!({
            "id": self.id,
            "media_key": self.key(),
            "size": self.facts.size_bytes,
            "expires_after_secs": (self.expires_at - now).num_seconds().max(0),
        });
        let (w, h) = (self.facts.width, self.facts.height);
        if let (Some(w), Some(h)) = (w, h) {
            data["image"] = json!({ "image_type": self.facts.mime, "w": w, "h": h });
        } else if self.kind() == "video" {
            data["video"] = json!({ "video_type": self.facts.mime });
        }
        let left_ms = (self.ready_at - now).num_milliseconds();
        if left_ms > 0 {
            let state = if always_state { "in_progress" } else { "pending" };
            let secs = (left_ms + 999) / 1000;
            data["processing_info"] =
                json!({ "state": state, "check_after_secs": secs, "progress_percent": 0 });
        } else if always_state && self.kind() != "photo" {
            data["processing_info"] = json!({ "state": "succeeded", "progress_percent": 100 });
        }
        json!({ "data": data })
    }
}

/// The fields of an upload's body, and its file.
fn read_body(payload: &Payload) -> Outcome<(Map<String, Value>, Bytes)> {
    match payload {
        Payload::Json(Value::Object(object)) => {
            let file = object.get("media").and_then(Value::as_str).unwrap_or_default();
            let file = STANDARD
                .decode(file)
                .map_err(|_| Problem::invalid("media", "", "The `media` must be base64"))?;
            Ok((object.clone(), Bytes::from(file)))
        }
        Payload::Json(_) => Err(Problem::invalid("body", "", "The body must be an object")),
        Payload::Form(parts) => read_form(parts),
        Payload::Empty => Err(Problem::invalid("body", "", "The body can not be empty")),
        Payload::Unreadable(reason) => Err(Problem::invalid("body", "", reason.as_str())),
        Payload::Fields(_) => Err(Problem::unsupported_type("application/x-www-form-urlencoded")),
        Payload::Other(kind) => Err(Problem::unsupported_type(kind)),
    }
}

fn read_form(parts: &[Part]) -> Outcome<(Map<String, Value>, Bytes)> {
    let mut object = Map::new();
    let mut file = Bytes::new();
    for part in parts {
        let value = match part.name.as_str() {
            "media" => {
                file = part.bytes.clone();
                Value::from("")
            }
            name => {
                let text = std::str::from_utf8(&part.bytes)
                    .map_err(|_| Problem::invalid(name, "", format!("The `{name}` is no text")))?;
                match (name, text.parse::<i64>()) {
                    ("segment_index", Ok(number)) => Value::from(number),
                    _ => Value::from(text),
                }
            }
        };
        if object.insert(part.name.clone(), value).is_some() {
            let message = format!("The `{}` is given twice", part.name);
            return Err(Problem::invalid(&part.name, "", message));
        }
    }
    Ok((object, file))
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// Looks into a file and holds it against its category.
fn inspect(file: &[u8], category: &str) -> Outcome<Looked> {
    let refuse = |message: String| Err(Problem::invalid("media", "", message));
    let Some(looked) = sniff::look(file, category) else {
        return refuse("The file is of no type that can be processed".into());
    };
    let mime = looked.mime;
    let (fits, limit) = match category.rsplit('_').next().unwrap_or_default() {
        "image" => (mime.starts_with("image/"), IMAGE_MAX_BYTES),
        "gif" => (mime == "image/gif", GIF_MAX_BYTES),
        "video" => (mime.starts_with("video/"), VIDEO_MAX_BYTES),
        _ => (mime.starts_with("text/"), IMAGE_MAX_BYTES),
    };
    if !fits {
        return refuse(format!("A file of type {mime} is no {category}"));
    }
    if file.len() as u64 > limit {
        return refuse(format!("File size exceeds {limit} bytes."));
    }
    Ok(looked)
}

impl Library {
    fn keep(
        &mut self,
        id: String,
        owners: Vec<String>,
        (file, category): (&[u8], &str),
        terms: Terms,
    ) -> Outcome<&Media> {
        let looked = inspect(file, category)?;
        let still = looked.mime.starts_with("image/") && !category.ends_with("gif");
        let media = Media {
            id: id.clone(),
            owners,
            facts: MediaFacts {
                mime: looked.mime.to_owned(),
                size_bytes: file.len() as u64,
                width: looked.width,
                height: looked.height,
            },
            alt_text: None,
            expires_at: terms.expires_at,
            ready_at: if still { terms.now } else { terms.processed_at },
        };
        Ok(self.files.entry(id).insert_entry(media).into_mut())
    }

    /// `POST /2/media/upload`.
    pub(super) fn upload(
        &mut self,
        id: String,
        owner: &str,
        payload: &Payload,
        terms: Terms,
    ) -> Outcome<(&Media, Value)> {
        let (body, file) = read_body(payload)?;
        check_fields(parameters::UPLOAD, true, "", &body)?;
        let mut owners = vec![owner.to_owned()];
        let more = text(&body, "additional_owners").unwrap_or_default();
        owners.extend(more.split(',').map(str::trim).filter(|id| is_id(id)).map(str::to_owned));
        let category = text(&body, "media_category").unwrap_or_default();
        let media = self.keep(id, owners, (&file, category), terms)?;
        Ok((media, media.answer(terms.now, false)))
    }

    /// `POST /2/media/upload/initialize`.
    pub(super) fn initialize(
        &mut self,
        id: String,
        owner: &str,
        body: &Map<String, Value>,
        terms: Terms,
    ) -> Outcome<Value> {
        check_fields(parameters::INITIALIZE, true, "", body)?;
        let mut owners = vec![owner.to_owned()];
        let more = body.get("additional_owners").and_then(Value::as_array);
        owners.extend(more.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        let session = Session {
            owners,
            media_type: text(body, "media_type").map(str::to_owned),
            category: text(body, "media_category").unwrap_or("tweet_image").to_owned(),
            total_bytes: body.get("total_bytes").and_then(whole),
            segments: BTreeMap::new(),
            expires_at: terms.expires_at,
        };
        self.sessions.insert(id.clone(), session);
        let secs = (terms.expires_at - terms.now).num_seconds();
        Ok(json!({ "data": { "id": id, "expires_after_secs": secs } }))
    }

    fn session(&mut self, id: &str, user: &str, now: DateTime<Utc>) -> Outcome<&mut Session> {
        let session = self.sessions.get_mut(id);
        session
            .filter(|s| s.owners.iter().any(|owner| owner == user) && now < s.expires_at)
            .ok_or_else(|| Problem::not_found("media", "id", id))
    }

    /// `POST /2/media/upload/{id}/append`.
    pub(super) fn append(
        &mut self,
        id: &str,
        user: &str,
        payload: &Payload,
        now: DateTime<Utc>,
    ) -> Outcome<Value> {
        let (body, file) = read_body(payload)?;
        check_fields(parameters::APPEND, true, "", &body)?;
        let session = self.session(id, user, now)?;
        let index = body.get("segment_index").and_then(whole).unwrap_or_default();
        session.segments.insert(index, file);
        Ok(json!({ "data": { "expires_at": session.expires_at.timestamp() } }))
    }

    /// `POST /2/media/upload/{id}/finalize`.
    pub(super) fn finalize(
        &mut self,
        id: &str,
        user: &str,
        terms: Terms,
    ) -> Outcome<(&Media, Value)> {
        let session = self.session(id, user, terms.now)?;
        let refuse = |message: String| Err(Problem::invalid("id", id, message));
        let gap = session.segments.keys().zip(0..).any(|(index, expected)| *index != expected);
        if session.segments.is_empty() || gap {
            return refuse("Segments do not add up to provided total file size.".into());
        }
        let file = session.segments.values().fold(Vec::new(), |mut file, part| {
            file.extend_from_slice(part);
            file
        });
        if session.total_bytes.is_some_and(|total| total != file.len() as i64) {
            return refuse("Segments do not add up to provided total file size.".into());
        }
        let (owners, category) = (session.owners.clone(), session.category.clone());
        let announced = session.media_type.clone();
        let found = inspect(&file, &category)?.mime;
        if let Some(announced) = announced.filter(|announced| announced != found) {
            return refuse(format!("The file is {found} and was announced as {announced}"));
        }
        self.sessions.remove(id);
        let media = self.keep(id.to_owned(), owners, (&file, &category), terms)?;
        Ok((media, media.answer(terms.now, false)))
    }

    /// `GET /2/media/upload?command=STATUS`.
    pub(super) fn status(&self, id: &str, user: &str, now: DateTime<Utc>) -> Outcome<Value> {
        match self.own(id, user) {
            Some(media) => Ok(media.answer(now, true)),
            None => Err(Problem::not_found("media", "media_id", id)),
        }
    }

    /// `POST /2/media/metadata`.
    pub(super) fn describe(
        &mut self,
        body: &Map<String, Value>,
        user: &str,
        now: DateTime<Utc>,
    ) -> Outcome<Value> {
        check_fields(parameters::METADATA, false, "", body)?;
        let id = text(body, "id").unwrap_or_default();
        let media = self.files.get_mut(id);
        let media = media
            .filter(|m| m.owners.iter().any(|owner| owner == user) && now < m.expires_at)
            .ok_or_else(|| Problem::not_found("media", "id", id))?;
        let metadata = body.get("metadata").cloned().unwrap_or_else(|| json!({}));
        if let Some(text) = metadata.pointer("/alt_text/text").and_then(Value::as_str) {
            media.alt_text = Some(text.to_owned());
        }
        Ok(json!({ "data": { "id": id, "associated_metadata": metadata } }))
    }

    /// An upload that belongs to the user, expired or not.
    fn own(&self, id: &str, user: &str) -> Option<&Media> {
        self.files.get(id).filter(|media| media.owners.iter().any(|owner| owner == user))
    }

    /// An upload that the user may post now.
    pub(super) fn usable(&self, id: &str, user: &str, now: DateTime<Utc>) -> Option<&Media> {
        self.own(id, user).filter(|media| now < media.expires_at && now >= media.ready_at)
    }

    /// An upload, whoever it belongs to.
    pub(super) fn get(&self, id: &str) -> Option<&Media> {
        self.files.get(id)
    }
}
