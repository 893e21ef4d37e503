//! The kinds, one file each: arguments, queue, retries, timeout, and what can be said against the
//! arguments without looking at any row.
//!
//! **Invariant:** fields are only ever added, with a default.

mod attach_media;
mod cancel_job;
mod cancel_schedule;
mod create_content;
mod create_key;
mod create_organization;
mod create_schedule;
mod delete_post;
mod disconnect_connection;
mod generate_content;
mod generate_media;
mod import_connection;
mod limit_usage;
mod pause_queue;
mod prepare_post;
mod prune_ledger;
mod publish_post;
mod reconcile_post;
mod remove_limit;
mod resolve_post;
mod resume_queue;
mod retry_job;
mod revoke_key;
mod set_limit;
mod set_plan;
mod update_organization;
mod update_schedule;

pub use attach_media::{AttachMedia, AttachedMedia};
pub use cancel_job::{CancelJob, CancelledJob};
pub use cancel_schedule::{CancelSchedule, CancelledSchedule};
pub use create_content::{CreateContent, CreatedContent, NewVersion};
pub use create_key::{CreateKey, CreatedKey};
pub use create_organization::{CreateOrganization, CreatedOrganization, Plan};
pub use create_schedule::{CreateSchedule, CreatedSchedule};
pub use delete_post::{DeletePost, DeletedPost};
pub use disconnect_connection::{DisconnectConnection, DisconnectedConnection};
pub use generate_content::{GenerateContent, GeneratedContent, unknown_model};
pub use generate_media::{GenerateMedia, GeneratedMedia};
pub use import_connection::{ImportConnection, ImportedConnection};
pub use limit_usage::{LimitUsage, UsageLimited};
pub use pause_queue::{PauseQueue, PausedQueue};
pub use prepare_post::{PreparePost, PreparedPost};
pub use prune_ledger::{PruneLedger, PrunedLedger};
pub use publish_post::{PublishPost, PublishedPost};
pub use reconcile_post::{ReconcilePost, ReconciledPost};
pub use remove_limit::{RemoveLimit, RemovedLimit};
pub use resolve_post::{Resolution, ResolvePost, ResolvedPost};
pub use resume_queue::{ResumeQueue, ResumedQueue};
pub use retry_job::{RetriedJob, RetryJob};
pub use revoke_key::{RevokeKey, RevokedKey};
pub use set_limit::{LimitSet, SetLimit};
pub use set_plan::{PlanSet, SetPlan};
pub use update_organization::{UpdateOrganization, UpdatedOrganization};
pub use update_schedule::{UpdateSchedule, UpdatedSchedule};
