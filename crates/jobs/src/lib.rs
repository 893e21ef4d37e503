//! The contract between everybody who asks for work and everybody who does it.
//!
//! The [`Kind`] catalogue says what jobs there are, their arguments, queues, retries and who may
//! ask for them; [`protocol`] says how a job moves from state to state; [`Failure`] says what a
//! handler may answer. The API, the scheduler and the worker all speak in these terms.
//!
//! **Invariant:** no I/O, and no clock but the one handed in.

pub mod billing;
mod catalogue;
mod catch_up;
pub mod engagement;
mod failure;
mod ids;
mod job;
pub mod kinds;
mod limit;
mod metric;
mod planned;
mod prose;
pub mod protocol;
mod queue;
pub mod recurrence;
mod repeat;
mod retry;
pub mod review;
pub mod series;
pub mod wall_time;

pub use catalogue::{Caller, JobKind, Kind, Scope, Spec, UnknownKind};
pub use catch_up::CatchUp;
pub use failure::{Code, Failure, Problem, Wait};
pub use ids::{
    ApiKeyId, AttachmentId, CommentId, ConnectionId, ContentRequestId, ContentVersionId, EditId,
    FileId, IntentId, JobId, OrganizationId, PostId, ReviewId, ScheduleId, WebhookEventId,
    WorkerId,
};
pub use job::{
    NewJob, Origin, account_key, connection_key, model_key, organization_key, publish_limit_keys,
};
pub use limit::{Limit, Rate, Usage, limit_patterns};
pub use metric::Metric;
pub use planned::Planned;
pub use queue::{Queue, UnknownQueue};
pub use repeat::{Begun, Recurrence};
pub use retry::Retry;
