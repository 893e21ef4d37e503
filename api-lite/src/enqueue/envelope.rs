//! What callers send, decoded: one job or a batch.
//!
//! **Invariant:** a field that is not known is refused, never passed over.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::BATCH;
use crate::body;
use crate::problem::{Problem, Result};
use jobs::{Code, Kind, OrganizationId};

/// One job as a caller asks for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Envelope {
    pub(super) kind: String,
    pub(super) args: Value,
    #[serde(default)]
    pub(super) actor: Option<String>,
    #[serde(default)]
    pub(super) run_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) max_attempts: Option<u32>,
    #[serde(default)]
    pub(super) priority: Option<i16>,
    #[serde(default)]
    pub(super) organization_id: Option<OrganizationId>,
}

impl Envelope {
    /// A job that a route of its own stands for.
    pub(super) fn of(kind: Kind, args: Value) -> Self {
        Self {
            kind: kind.as_str().to_owned(),
            args,
            actor: None,
            run_at: None,
            max_attempts: None,
            priority: None,
            organization_id: None,
        }
    }
}

/// Everything that one request asks for.
pub(crate) struct Asked {
    pub(crate) envelopes: Vec<Envelope>,
    /// Whether it came as an array, and is answered as one.
    pub(crate) batch: bool,
    path: String,
    body: Value,
}

impl Asked {
    /// Reads the body of `POST` to `path`: an object, or an array of them.
    ///
    /// # Errors
    /// 422, naming the field.
    pub(crate) fn read(path: &str, asked: Value) -> Result<Self> {
        let (batch, values) = match &asked {
            Value::Object(_) => (false, std::slice::from_ref(&asked)),
            Value::Array(values) if (1..=BATCH).contains(&values.len()) => {
                (true, values.as_slice())
            }
            Value::Array(values) => {
                let detail = format!("expected 1 to {BATCH} jobs, not {}", values.len());
                return Err(Problem::new(Code::InvalidArgument, detail));
            }
            _ => {
                let detail = "expected a job, or an array of jobs";
                return Err(Problem::new(Code::InvalidArgument, detail));
            }
        };
        let mut envelopes = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let decoded = body::decode(value).map_err(|p| p.within(&prefix(batch, index)))?;
            envelopes.push(decoded);
        }
        Ok(Self { envelopes, batch, path: path.to_owned(), body: asked })
    }

    /// One job that the route `path` stands for.
    pub(super) fn one(path: String, envelope: Envelope) -> Self {
        Self { envelopes: vec![envelope], batch: false, path, body: Value::Null }
    }

    /// What goes before the field of a problem with the job at this place.
    pub(crate) fn prefix(&self, index: usize) -> String {
        prefix(self.batch, index)
    }

    /// What makes two requests the same: path, organization, and body whatever its spacing and the
    /// order of its fields.
    pub(super) fn fingerprint(&self, organization: Option<OrganizationId>) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update("POST ");
        hash.update(&self.path);
        hash.update(organization.map_or(uuid::Uuid::nil(), |id| id.0).as_bytes());
        canonical(&self.body, &mut hash);
        hash.finalize().into()
    }
}

fn prefix(batch: bool, index: usize) -> String {
    if batch { format!("[{index}]") } else { String::new() }
}

/// Feeds a value into a hash so that equal values, and only those, are fed the same bytes.
fn canonical(value: &Value, hash: &mut Sha256) {
    let mut sized = |tag: u8, bytes: &[u8]| {
        hash.update([tag]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    match value {
        Value::Null => sized(b'n', &[]),
        Value::Bool(truth) => sized(b'b', &[u8::from(*truth)]),
        Value::Number(number) => sized(b'#', number.to_string().as_bytes()),
        Value::String(text) => sized(b's', text.as_bytes()),
        Value::Array(values) => {
            sized(b'[', &(values.len() as u64).to_be_bytes());
            values.iter().for_each(|value| canonical(value, hash));
        }
        Value::Object(fields) => {
            sized(b'{', &(fields.len() as u64).to_be_bytes());
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            for (name, value) in fields {
                canonical(&Value::String(name.clone()), hash);
                canonical(value, hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(body: Value) -> String {
        format!("{:?}", Asked::read("/v1/jobs", body).err().expect("refused"))
    }

    #[test]
    fn a_wrong_field_is_named_with_its_place() {
        let job = json!({ "kind": "job.cancel", "args": {} });
        let said = refused(json!([job, { "kind": "job.cancel", "args": {}, "prio": 1 }]));
        assert!(said.contains("\"[1].prio\""), "{said}");
        let said = refused(json!({ "kind": "job.cancel" }));
        assert!(said.contains("field: Some(\"args\")"), "{said}");
        let said = refused(json!({ "kind": "x", "args": {}, "runAt": "tomorrow" }));
        assert!(said.contains("\"runAt\""), "{said}");
        assert!(refused(json!([])).contains("1 to 1000"));
        assert!(refused(json!(7)).contains("an array of jobs"));
    }

    #[test]
    fn the_same_request_has_the_same_fingerprint_and_no_other_has() {
        let of = |path: &str, text: &str| {
            let body = serde_json::from_str(text).expect("json");
            Asked::read(path, body).expect("fine").fingerprint(None)
        };
        let one = of("/v1/jobs", r#"{"kind":"a","args":{"x":1,"y":[2]}}"#);
        assert_eq!(one, of("/v1/jobs", r#"{ "args": {"y":[2], "x":1}, "kind":"a" }"#));
        assert_ne!(one, of("/v1/other", r#"{"kind":"a","args":{"x":1,"y":[2]}}"#));
        assert_ne!(one, of("/v1/jobs", r#"{"kind":"a","args":{"x":1,"y":["2"]}}"#));
        assert_ne!(one, of("/v1/jobs", r#"[{"kind":"a","args":{"x":1,"y":[2]}}]"#));
    }
}
