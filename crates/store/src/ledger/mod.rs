//! The ledger: live jobs, their history, and the workers that hold them.
//!
//! Each statement is a fast form of [`jobs::protocol::next`]; `model.rs` and `walk.rs` compare them.
//!
//! **Invariant:** whoever changes a claimed job names the claim number under which it works.

mod cancel;
mod claim;
mod enqueue;
mod figures;
mod finish;
mod limits;
#[cfg(test)]
mod model;
mod pause;
mod prune;
mod read;
mod rescue;
#[cfg(test)]
mod walk;
mod workers;

pub use cancel::{Cancelled, cancel, cancel_requests};
pub use claim::{ClaimedJob, Claims, Floor, Window, begin, claim, next_due};
pub use enqueue::{Enqueued, Fresh, enqueue, enqueue_shown};
pub use figures::{Head, Held, KeyClass, QueueFigures, Standing, heads, held, queues, standing};
pub use finish::{Ended, Finish, finish, hand_back, progress};
pub use limits::{Asking, LimitView, Told, admit, limits, next_in_line, remove_limit, set_limit};
pub use pause::{
    ClosedKey, Paused, close_key, closed, free_parked, look_again, pause, pause_account, pauses,
    reopen_key, resume,
};
pub use prune::{make_partitions, prune};
pub use read::{JobFilter, JobView, get, get_many, list, oldest_due};
pub use rescue::{Rescued, rescue};
pub use workers::{WorkerView, held_by, register, renew, stop, workers};
