//! Control: jobs are cancelled and retried, queues and accounts paused and resumed,
//! keys limited.
//!
//! **Invariant:** an organization's job touches that organization's rows alone; an operator's job
//! without an organization may touch any.

mod cancel_job;
mod pause_queue;
mod resume_queue;
mod retry_job;
mod set_limit;

pub(crate) use cancel_job::cancel_job;
pub(crate) use pause_queue::pause_queue;
pub(crate) use resume_queue::resume_queue;
pub(crate) use retry_job::retry_job;
pub(crate) use set_limit::{remove_limit, set_limit};
