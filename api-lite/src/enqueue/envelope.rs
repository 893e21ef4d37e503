//! What callers send, decoded: one job or a batch.
//!
//! **Invariant:** a field that is not known is refused, never passed over.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::BATCH;
use crate::body::{self, Json as Body};
use crate::problem::{Problem, Result};
use jobs::{Code, Kind, OrganizationId};

/// One job as a caller asks for it.
#[derive(Debug, Deserialize)]
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
    /// Decodes one job.
    ///
    /// # Errors
    /// 422, naming the field.
    pub(super) fn read(asked: Value) -> Result<Self> {
        body::decode(asked)
    }

    /// A job with nothing but a kind and its arguments.
    #[cfg(test)]
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
    /// The jobs, not decoded yet.
    pub(super) jobs: Vec<Value>,
    pub(super) places: Places,
    /// What makes two requests the same, where that was asked for.
    pub(super) fingerprint: Option<[u8; 32]>,
    /// Held while the jobs are worked on.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Asked {
    /// Reads the body of a request: an object, or an array of them.
    ///
    /// # Errors
    /// 422.
    pub(crate) fn read(asked: Body, fingerprint: Option<[u8; 32]>) -> Result<Self> {
        let Body { value, room } = asked;
        let (batch, jobs) = match value {
            Value::Object(_) => (false, vec![value]),
            Value::Array(jobs) if (1..=BATCH).contains(&jobs.len()) => (true, jobs),
            Value::Array(jobs) => {
                let detail = format!("expected 1 to {BATCH} jobs, not {}", jobs.len());
                return Err(Problem::new(Code::InvalidArgument, detail));
            }
            _ => {
                let detail = "expected a job, or an array of jobs";
                return Err(Problem::new(Code::InvalidArgument, detail));
            }
        };
        Ok(Self { jobs, places: Places { batch }, fingerprint, room })
    }

    /// One job that a route stands for.
    pub(super) fn one(kind: Kind, args: &Value, fingerprint: Option<[u8; 32]>) -> Self {
        let jobs = vec![json!({ "kind": kind.as_str(), "args": args })];
        Self { jobs, places: Places { batch: false }, fingerprint, room: None }
    }
}

/// Where the jobs of a request stand in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// Whether it came as an array, and is answered as one.
    pub(super) batch: bool,
}

impl Places {
    /// What goes before the field of a problem with the job at this place.
    pub(crate) fn prefix(self, index: usize) -> String {
        if self.batch { format!("[{index}]") } else { String::new() }
    }
}

/// What makes two requests the same: path, organization, and body whatever its spacing and the order
/// of its fields.
pub(crate) fn fingerprint(
    path: &str,
    organization: Option<OrganizationId>,
    body: &Value,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update("POST ");
    hash.update(path);
    hash.update(organization.map_or(uuid::Uuid::nil(), |id| id.0).as_bytes());
    canonical(body, &mut hash);
    hash.finalize().into()
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

    fn refused(value: Value) -> String {
        let read = Asked::read(Body { value, room: None }, None).and_then(|asked| {
            for (index, job) in asked.jobs.into_iter().enumerate() {
                Envelope::read(job).map_err(|p| p.within(&asked.places.prefix(index)))?;
            }
            Ok(())
        });
        format!("{:?}", read.expect_err("refused"))
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
            fingerprint(path, None, &serde_json::from_str(text).expect("json"))
        };
        let one = of("/v1/jobs", r#"{"kind":"a","args":{"x":1,"y":[2]}}"#);
        assert_eq!(one, of("/v1/jobs", r#"{ "args": {"y":[2], "x":1}, "kind":"a" }"#));
        assert_ne!(one, of("/v1/other", r#"{"kind":"a","args":{"x":1,"y":[2]}}"#));
        assert_ne!(one, of("/v1/jobs", r#"{"kind":"a","args":{"x":1,"y":["2"]}}"#));
        assert_ne!(one, of("/v1/jobs", r#"[{"kind":"a","args":{"x":1,"y":[2]}}]"#));
    }
}
