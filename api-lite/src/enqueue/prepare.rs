//! From an envelope to a job: may the caller enqueue it, are its arguments right, its secrets
//! sealed.
//!
//! **Invariant:** no secret stands readable in the arguments of a job that leaves this file.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Request;
use super::envelope::Envelope;
use crate::app::App;
use crate::auth::KEY_PREFIX;
use crate::body::{explain, name_field};
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::{Caller, Kind, NewJob, OrganizationId, Queue, Spec};
use seal::Aad;

/// Most attempts that a caller may ask for.
const MOST_ATTEMPTS: u32 = 100;

/// How many characters of a new key tell it apart in lists: `ezre_` and eight more.
const SHOWN_OF_KEY: usize = KEY_PREFIX.len() + 8;

/// A job that may be enqueued once the rows that it names have been looked at.
pub(crate) struct Prepared {
    /// As it goes into the ledger.
    pub(crate) job: NewJob,
    /// The arguments before anything was sealed or added, where that is not what goes into the
    /// ledger.
    plain: Option<Value>,
    /// The key that `key.create` makes, to be shown once.
    pub(crate) shown_key: Option<String>,
}

impl Prepared {
    /// The arguments, unsealed.
    pub(crate) fn plain(&self) -> &Value {
        self.plain.as_ref().unwrap_or(&self.job.args)
    }
}

/// Turns an envelope into a job.
///
/// # Errors
/// 422 naming the field; 403 naming the scope.
pub(super) fn prepare(app: &App, request: &Request, envelope: Envelope) -> Result<Prepared> {
    let kind: Kind = envelope.kind.parse().map_err(|_| unknown_kind(&envelope.kind))?;
    let spec = kind.spec();
    let organization = may_enqueue(&request.principal, &envelope, kind, &spec)?;
    let mut args = normalize(kind, &envelope.args)?;
    let changes = kind == Kind::CreateKey || !spec.secrets.is_empty();
    let plain = changes.then(|| args.clone());
    let shown_key = (kind == Kind::CreateKey).then(|| make_key(&mut args));
    let mut job = NewJob::from_value(request.principal.origin(), organization, kind, args);
    seal_secrets(app, &mut job, &spec);
    job.actor = request.principal.actor(envelope.actor)?;
    job.run_at = envelope.run_at;
    job.priority = envelope.priority.unwrap_or_default();
    job.notify_end = request.wait.is_some();
    job.trace_context = Some(request.context.trace_parent.clone());
    match envelope.max_attempts {
        None => {}
        Some(attempts @ 1..=MOST_ATTEMPTS) => job.max_attempts = attempts,
        Some(_) => {
            let detail = format!("expected 1 to {MOST_ATTEMPTS}");
            return Err(Problem::invalid("maxAttempts", detail));
        }
    }
    Ok(Prepared { job, plain, shown_key })
}

fn unknown_kind(name: &str) -> Problem {
    let open = Kind::ALL.iter().filter(|kind| kind.spec().caller.is_open());
    let names: Vec<&str> = open.map(|kind| kind.as_str()).collect();
    let name: String = name.chars().take(100).collect();
    Problem::invalid("kind", format!("unknown kind {name:?}: expected one of {}", names.join(", ")))
}

/// Whose job it will be, if the caller may enqueue it.
fn may_enqueue(
    principal: &Principal,
    envelope: &Envelope,
    kind: Kind,
    spec: &Spec,
) -> Result<Option<OrganizationId>> {
    match spec.caller {
        Caller::Network | Caller::Internal => {
            return Err(Problem::invalid(
                "kind",
                format!("{kind} is enqueued by the fleet itself"),
            ));
        }
        Caller::Operator => {
            principal.require_operator().map_err(|problem| problem.at("kind"))?;
            return match envelope.organization_id {
                None => Ok(None),
                Some(_) => Err(Problem::invalid(
                    "organizationId",
                    format!("{kind} is not for one organization: leave this out"),
                )),
            };
        }
        Caller::Organization(scope) => {
            principal.require(scope).map_err(|problem| problem.at("kind"))?;
        }
    }
    let organization = match (principal, envelope.organization_id) {
        (Principal::Key { .. } | Principal::Person { .. }, Some(_)) => {
            return Err(Problem::invalid(
                "organizationId",
                "only operators name the organization; a key acts for its own",
            ));
        }
        (Principal::Operator { organization: Some(header) }, Some(named)) if *header != named => {
            return Err(Problem::invalid(
                "organizationId",
                "expected the organization that the header Ezre-Organization names",
            ));
        }
        (_, Some(named)) => Some(named),
        (principal, None) => principal.organization(),
    };
    // Control kinds of an operator may be for the fleet itself, everything else is somebody's.
    if organization.is_none() && spec.queue != Queue::Control {
        return Err(Problem::invalid(
            "organizationId",
            format!("{kind} is for one organization: name it here or in Ezre-Organization"),
        ));
    }
    Ok(organization)
}

fn normalize(kind: Kind, args: &Value) -> Result<Value> {
    if kind == Kind::CreateKey {
        for field in ["secretHash", "prefix"] {
            if args.get(field).is_some() {
                let detail = "filled in by the API, which makes the key: leave this out";
                return Err(Problem::invalid(&format!("args.{field}"), detail));
            }
        }
    }
    kind.normalize(args).map_err(|mut problem| {
        problem.field = problem.field.map(|field| name_field(field, &problem.message));
        problem.message = explain(problem.message);
        Problem::from(problem)
    })
}

/// Makes a key, and puts its hash and its first characters into the arguments.
fn make_key(args: &mut Value) -> String {
    let random: [u8; 32] = rand::random();
    let key = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    args["secretHash"] = json!(hex::encode(Sha256::digest(key.as_bytes())));
    args["prefix"] = json!(key[..SHOWN_OF_KEY]);
    key
}

fn seal_secrets(app: &App, job: &mut NewJob, spec: &Spec) {
    for field in spec.secrets {
        if let Some(Value::String(secret)) = job.args.get_mut(*field) {
            let aad = Aad::job_argument(job.id, field);
            let plain = SecretString::from(std::mem::take(secret));
            *secret = app.travel_keys.seal(&plain, &aad).to_string();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::{ApiKeyId, Scope};

    fn key(scopes: &[Scope]) -> Principal {
        let (id, organization) = (ApiKeyId::new(), OrganizationId::new());
        Principal::Key { id, organization, scopes: scopes.to_vec() }
    }

    fn ask(
        principal: &Principal,
        kind: Kind,
        named: Option<OrganizationId>,
    ) -> Result<Option<OrganizationId>> {
        let mut envelope = Envelope::of(kind, json!({}));
        envelope.organization_id = named;
        may_enqueue(principal, &envelope, kind, &kind.spec())
    }

    #[test]
    fn every_kind_is_open_to_those_that_the_catalogue_names_and_to_nobody_else() {
        let operator = Principal::Operator { organization: None };
        let somebody = Some(OrganizationId::new());
        for kind in Kind::ALL.iter().copied() {
            let nobody = key(&[]);
            assert!(ask(&nobody, kind, None).is_err(), "{kind} without a scope");
            match kind.spec().caller {
                Caller::Network | Caller::Internal => {
                    assert!(ask(&key(&Scope::ALL), kind, None).is_err(), "{kind}");
                    assert!(ask(&operator, kind, somebody).is_err(), "{kind}");
                }
                Caller::Operator => {
                    assert!(ask(&key(&Scope::ALL), kind, None).is_err(), "{kind}");
                    assert!(ask(&operator, kind, None).is_ok(), "{kind}");
                }
                Caller::Organization(scope) => {
                    let (owner, admin) = (key(&[scope]), key(&[Scope::Admin]));
                    assert_eq!(ask(&owner, kind, None).ok(), Some(owner.organization()), "{kind}");
                    assert!(ask(&admin, kind, None).is_ok(), "{kind}");
                    assert!(ask(&owner, kind, somebody).is_err(), "{kind} for another");
                    assert_eq!(ask(&operator, kind, somebody).ok(), Some(somebody), "{kind}");
                }
            }
        }
    }

    #[test]
    fn an_operator_does_not_name_two_organizations() {
        let header = OrganizationId::new();
        let operator = Principal::Operator { organization: Some(header) };
        let kind = Kind::UpdateOrganization;
        assert_eq!(ask(&operator, kind, None).ok(), Some(Some(header)));
        assert!(ask(&operator, kind, Some(OrganizationId::new())).is_err());
        let fleet = Principal::Operator { organization: None };
        assert!(ask(&fleet, kind, None).is_err(), "whose name is to change?");
        assert_eq!(ask(&fleet, Kind::PauseQueue, None).ok(), Some(None));
    }

    #[test]
    fn a_new_key_is_found_by_its_hash_and_told_apart_by_its_prefix() {
        let mut args = json!({});
        let made = make_key(&mut args);
        assert_eq!(made.len(), KEY_PREFIX.len() + 43);
        assert!(made.starts_with(args["prefix"].as_str().expect("a text")));
        assert_eq!(args["secretHash"], json!(hex::encode(Sha256::digest(&made))));
        assert!(!args.to_string().contains(&made));
        let given = json!({ "name": "n", "scopes": ["read"], "secretHash": "00" });
        assert!(normalize(Kind::CreateKey, &given).is_err());
    }

    #[test]
    fn a_wrong_argument_is_named() {
        let said =
            |kind: Kind, args: Value| format!("{:?}", normalize(kind, &args).expect_err("wrong"));
        let args = json!({ "title": "t", "versions": [{ "platform": "TWITTER", "text": 7 }] });
        assert!(said(Kind::CreateContent, args).contains("\"args.versions[0].text\""));
        assert!(said(Kind::CancelJob, json!({})).contains("\"args.jobId\""));
        let args = json!({ "jobId": uuid::Uuid::nil(), "force": true });
        assert!(said(Kind::CancelJob, args).contains("\"args.force\""));
    }
}
