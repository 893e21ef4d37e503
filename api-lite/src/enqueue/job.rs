//! A job as callers see it.
//!
//! **Invariant:** no secret argument is shown, nor the hash of a key.

use serde::Serialize;
use serde_json::{Value, json};

use jobs::{Code, Kind, Problem};
use store::ledger::JobView;

/// What stands where an argument is secret.
const SEALED: &str = "[sealed]";

/// A job.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    /// The row.
    #[serde(flatten)]
    pub(crate) view: JobView,
    /// The API key that `key.create` made: shown in the first answer, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
}

impl From<JobView> for Job {
    fn from(mut view: JobView) -> Self {
        hide(&view.kind, &mut view.args);
        Self { view, key: None }
    }
}

impl Job {
    /// Whether it is history.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.view.state.as_str(), "done" | "dead" | "cancelled")
    }

    /// Why it ended without being done.
    pub(crate) fn failure(&self) -> Option<Problem> {
        let fallback = match self.view.state.as_str() {
            "dead" => Code::Internal,
            "cancelled" => Code::Cancelled,
            _ => return None,
        };
        let last = self.view.errors.as_array().and_then(|errors| errors.last());
        let said = last.and_then(|error| serde_json::from_value::<Problem>(error.clone()).ok());
        Some(said.unwrap_or_else(|| Problem::new(fallback, "the job ended without saying why")))
    }
}

fn hide(kind: &str, args: &mut Value) {
    let Ok(kind) = kind.parse::<Kind>() else {
        // Written by a newer build: which arguments are secret is not known here.
        *args = json!({});
        return;
    };
    for field in kind.spec().secrets {
        if let Some(secret) = args.get_mut(*field) {
            *secret = json!(SEALED);
        }
    }
    if let (Kind::CreateKey, Some(args)) = (kind, args.as_object_mut()) {
        args.remove("secretHash");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_argument_is_shown() {
        for kind in Kind::ALL {
            let mut args = json!({ "secretHash": "s3cret", "other": "shown" });
            for field in kind.spec().secrets {
                args[*field] = json!("s3cret");
            }
            hide(kind.as_str(), &mut args);
            assert_eq!(args["other"], json!("shown"));
            if *kind == Kind::CreateKey || !kind.spec().secrets.is_empty() {
                args.as_object_mut()
                    .expect("an object")
                    .remove("secretHash")
                    .filter(|_| *kind != Kind::CreateKey);
                assert!(!args.to_string().contains("s3cret"), "{kind}: {args}");
            }
        }
        let mut unknown = json!({ "password": "s3cret" });
        hide("thing.of_tomorrow", &mut unknown);
        assert_eq!(unknown, json!({}));
    }
}
