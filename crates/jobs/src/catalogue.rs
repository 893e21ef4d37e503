//! The catalogue: every kind of job there is, in one list.
//!
//! **Invariant:** a kind's wire name is chosen once and never changes; every `match` over
//! [`Kind`] is exhaustive, so that the compiler names what a new kind still lacks.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use utoipa::openapi::{RefOr, schema::Schema};

use crate::{Problem, Queue, Retry, kinds};

/// Who may enqueue a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A key of an organization with this scope; an operator may too, naming the organization.
    Organization(Scope),
    /// An operator alone.
    Operator,
    /// Only a network, by what it tells with a webhook.
    Network,
    /// Only the fleet itself.
    Internal,
}

impl Caller {
    /// Whether anybody may enqueue it through `POST /v1/jobs`.
    pub const fn is_open(self) -> bool {
        match self {
            Caller::Organization(_) | Caller::Operator => true,
            Caller::Network | Caller::Internal => false,
        }
    }

    /// The word in `job_kinds`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Caller::Organization(_) => "organization",
            Caller::Operator => "operator",
            Caller::Network => "network",
            Caller::Internal => "internal",
        }
    }
}

/// What a key may do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
pub enum Scope {
    /// Read everything of the organization.
    #[serde(rename = "read")]
    Read,
    /// Write, edit and comment content, attach media.
    #[serde(rename = "content:write")]
    ContentWrite,
    /// Approve and reject content.
    #[serde(rename = "content:approve")]
    ContentApprove,
    /// Schedule, reschedule, cancel, resolve and delete posts.
    #[serde(rename = "schedules:write")]
    SchedulesWrite,
    /// Bring in and disconnect accounts.
    #[serde(rename = "connections:write")]
    ConnectionsWrite,
    /// Cancel and retry jobs, pause and resume queues.
    #[serde(rename = "jobs:write")]
    JobsWrite,
    /// Change the organization and its keys.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 7] = [
        Scope::Read,
        Scope::ContentWrite,
        Scope::ContentApprove,
        Scope::SchedulesWrite,
        Scope::ConnectionsWrite,
        Scope::JobsWrite,
        Scope::Admin,
    ];

    /// The word in rows and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::ContentWrite => "content:write",
            Scope::ContentApprove => "content:approve",
            Scope::SchedulesWrite => "schedules:write",
            Scope::ConnectionsWrite => "connections:write",
            Scope::JobsWrite => "jobs:write",
            Scope::Admin => "admin",
        }
    }
}

/// What the fleet knows of a kind without looking at a job.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// One sentence for the reference.
    pub summary: &'static str,
    /// Which version of the arguments this build writes. It reads this one and all before it.
    pub args_version: i16,
    /// Where it runs.
    pub queue: Queue,
    /// Who may enqueue it.
    pub caller: Caller,
    /// How often a failed attempt is repeated.
    pub retry: Retry,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Arguments that travel sealed and are never readable.
    pub secrets: &'static [&'static str],
}

/// A kind of job: its arguments are the type that implements this.
pub trait JobKind:
    Serialize + DeserializeOwned + Clone + Send + Sync + 'static + utoipa::ToSchema
{
    /// The entry in the catalogue.
    const KIND: Kind;
    /// What the fleet knows of the kind.
    const SPEC: Spec;
    /// What a job of this kind answers when it is done.
    type Output: Serialize + DeserializeOwned + Send + utoipa::ToSchema;

    /// What can be said against the arguments without looking at any row.
    ///
    /// # Errors
    /// The first [`Problem`] found, naming the field.
    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }
}

/// There is no such kind in this build.
#[derive(Debug, thiserror::Error)]
#[error("unknown kind {0:?}")]
pub struct UnknownKind(pub String);

macro_rules! catalogue {
    ($($variant:ident = $name:literal;)*) => {
        /// Every kind of job.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`: see [`kinds::", stringify!($variant), "`].")] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of the catalogue.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// The wire name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* }
            }

            /// What the fleet knows of the kind.
            pub const fn spec(self) -> Spec {
                match self { $(Kind::$variant => <kinds::$variant as JobKind>::SPEC,)* }
            }

            /// Decodes and checks arguments as a caller gave them, and encodes them again with
            /// every default filled in.
            ///
            /// # Errors
            /// A [`Problem`] that names the field.
            pub fn normalize(self, args: &Value) -> Result<Value, Problem> {
                match self { $(Kind::$variant => normalize::<kinds::$variant>(args),)* }
            }

            /// The schema of the arguments.
            pub fn args_schema(self) -> RefOr<Schema> {
                match self { $(Kind::$variant => <kinds::$variant as utoipa::PartialSchema>::schema(),)* }
            }

            /// The schema of the result.
            pub fn output_schema(self) -> RefOr<Schema> {
                match self { $(
                    Kind::$variant =>
                        <<kinds::$variant as JobKind>::Output as utoipa::PartialSchema>::schema(),
                )* }
            }

            /// The schemas that the two above refer to, by name.
            pub fn referenced_schemas(self, into: &mut Vec<(String, RefOr<Schema>)>) {
                match self { $(Kind::$variant => {
                    <kinds::$variant as utoipa::ToSchema>::schemas(into);
                    <<kinds::$variant as JobKind>::Output as utoipa::ToSchema>::schemas(into);
                })* }
            }

            /// The name of the arguments' type, for the reference.
            pub fn args_name(self) -> &'static str {
                match self { $(Kind::$variant => stringify!($variant),)* }
            }
        }
    };
}

catalogue! {
    CreateOrganization = "organization.create";
    UpdateOrganization = "organization.update";
    SetPlan = "plan.set";
    LimitUsage = "usage.limit";
    ApplyBilling = "billing.apply";
    EnforceBilling = "billing.enforce";
    CreateKey = "key.create";
    RevokeKey = "key.revoke";
    ConnectAccount = "connection.connect";
    ImportConnection = "connection.import";
    RefreshConnection = "connection.refresh";
    CheckConnection = "connection.check";
    DisconnectConnection = "connection.disconnect";
    CreateContent = "content.create";
    GenerateContent = "content.generate";
    AttachMedia = "media.attach";
    ApproveContent = "content.approve";
    RejectContent = "content.reject";
    SelectVersion = "version.select";
    EditVersion = "version.edit";
    RevertVersion = "version.revert";
    AddComment = "comment.add";
    EditComment = "comment.edit";
    ResolveComment = "comment.resolve";
    GenerateMedia = "media.generate";
    CreateSchedule = "schedule.create";
    UpdateSchedule = "schedule.update";
    CancelSchedule = "schedule.cancel";
    PauseSchedule = "schedule.pause";
    ResumeSchedule = "schedule.resume";
    SkipOccurrence = "occurrence.skip";
    MoveOccurrence = "occurrence.move";
    EditOccurrence = "occurrence.edit";
    CheckSchedule = "schedule.check";
    PreparePost = "post.prepare";
    PublishPost = "post.publish";
    ReconcilePost = "post.reconcile";
    ResolvePost = "post.resolve";
    DeletePost = "post.delete";
    IngestEngagement = "engagement.ingest";
    PollEngagement = "engagement.poll";
    AggregateAnalytics = "analytics.aggregate";
    RebuildAnalytics = "analytics.rebuild";
    CancelJob = "job.cancel";
    RetryJob = "job.retry";
    PauseQueue = "queue.pause";
    ResumeQueue = "queue.resume";
    SetLimit = "limit.set";
    RemoveLimit = "limit.remove";
    PruneLedger = "ledger.prune";
}

fn normalize<K: JobKind>(args: &Value) -> Result<Value, Problem> {
    let decoded: K = serde_path_to_error::deserialize(args).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        Problem {
            code: crate::Code::InvalidArgument,
            field: Some(if path == "." { "args".to_owned() } else { format!("args.{path}") }),
            message,
        }
    })?;
    decoded.check()?;
    Ok(serde_json::to_value(&decoded).expect("arguments are plain data with string keys"))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| UnknownKind(name.to_owned()))
    }
}
