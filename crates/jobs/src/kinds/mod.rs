//! The kinds, one file each: arguments, queue, retries, timeout, and what can be said against the
//! arguments without looking at any row.
//!
//! **Invariant:** fields are only ever added, with a default.

mod add_comment;
mod approve_content;
mod attach_media;
mod cancel_job;
mod cancel_schedule;
mod create_content;
mod create_key;
mod create_organization;
mod create_schedule;
mod delete_post;
mod disconnect_connection;
mod edit_comment;
mod edit_version;
mod import_connection;
mod pause_queue;
mod prepare_post;
mod prune_ledger;
mod publish_post;
mod reconcile_post;
mod reject_content;
mod remove_limit;
mod resolve_comment;
mod resolve_post;
mod resume_queue;
mod retry_job;
mod revert_version;
mod revoke_key;
mod select_version;
mod set_limit;
mod update_organization;
mod update_schedule;

pub use add_comment::{AddComment, AddedComment};
pub use approve_content::{ApproveContent, ApprovedContent, SeenVersion};
pub use attach_media::{AttachMedia, AttachedMedia};
pub use cancel_job::{CancelJob, CancelledJob};
pub use cancel_schedule::{CancelSchedule, CancelledSchedule};
pub use create_content::{CreateContent, CreatedContent, NewVersion};
pub use create_key::{CreateKey, CreatedKey};
pub use create_organization::{CreateOrganization, CreatedOrganization, Plan};
pub use create_schedule::{CreateSchedule, CreatedSchedule};
pub use delete_post::{DeletePost, DeletedPost};
pub use disconnect_connection::{DisconnectConnection, DisconnectedConnection};
pub use edit_comment::{EditComment, EditedComment};
pub use edit_version::{EditVersion, EditedVersion};
pub use import_connection::{ImportConnection, ImportedConnection};
pub use pause_queue::{PauseQueue, PausedQueue};
pub use prepare_post::{PreparePost, PreparedPost};
pub use prune_ledger::{PruneLedger, PrunedLedger};
pub use publish_post::{PublishPost, PublishedPost};
pub use reconcile_post::{ReconcilePost, ReconciledPost};
pub use reject_content::{RejectContent, RejectedContent};
pub use remove_limit::{RemoveLimit, RemovedLimit};
pub use resolve_comment::{ResolveComment, ResolvedComment};
pub use resolve_post::{Resolution, ResolvePost, ResolvedPost};
pub use resume_queue::{ResumeQueue, ResumedQueue};
pub use retry_job::{RetriedJob, RetryJob};
pub use revert_version::RevertVersion;
pub use revoke_key::{RevokeKey, RevokedKey};
pub use select_version::{SelectVersion, SelectedVersion};
pub use set_limit::{LimitSet, SetLimit};
pub use update_organization::{UpdateOrganization, UpdatedOrganization};
pub use update_schedule::{UpdateSchedule, UpdatedSchedule};
