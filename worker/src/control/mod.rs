//! What steers the other jobs: cancelling, retrying, pausing. On a queue that is never paused.
//!
//! **Invariant:** a caller steers only jobs and pauses of its own organization.

mod cancel_job;
mod pause_queue;
mod resume_queue;
mod retry_job;

pub(crate) use cancel_job::cancel_job;
pub(crate) use pause_queue::pause_queue;
pub(crate) use resume_queue::resume_queue;
pub(crate) use retry_job::retry_job;
