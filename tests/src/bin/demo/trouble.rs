//! What goes wrong on the way, and how it is told.
//!
//! **Invariant:** what a trouble does to the network stands here, and nowhere else.

use simulator::{Action, Rule, When};

/// The name under which the network holds a call until its worker has been killed.
pub(crate) const KILLED: &str = "killed";
/// The name under which it holds a call until its worker has been stopped.
pub(crate) const STOPPED: &str = "stopped";

/// How long the network wants no more calls, in milliseconds.
const RATE_LIMIT_MS: u64 = 8_000;

/// What goes wrong for one post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Nothing; there is an image.
    Image,
    /// The account's token ends while the post is on its way; there is a new one to be had.
    TokenEnded,
    /// The network answers 429 with the time of its reset.
    RateLimited,
    /// The network drops the connection before it acts.
    DropBefore,
    /// The network accepts the post and drops the connection.
    DropAfter,
    /// The network answers 503.
    Status503,
    /// The worker is killed between the call and the record.
    Killed,
    /// The worker is stopped past its lease in the middle of the call, and wakes up.
    Stopped,
    /// Redis has been emptied just before.
    WithoutRedis,
    /// The network accepts the post, drops the connection, and refuses every look-up.
    Unfindable,
}

impl Trouble {
    /// How many publishing calls it takes: one more where the first one did not act.
    pub(crate) fn calls(self) -> usize {
        match self {
            Trouble::TokenEnded
            | Trouble::RateLimited
            | Trouble::DropBefore
            | Trouble::Status503 => 2,
            Trouble::None
            | Trouble::Image
            | Trouble::DropAfter
            | Trouble::Killed
            | Trouble::Stopped
            | Trouble::WithoutRedis
            | Trouble::Unfindable => 1,
        }
    }

    /// For the table.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Trouble::None => "",
            Trouble::Image => "one image goes up ahead of time",
            Trouble::TokenEnded => "by a model, reviewed; its token ends on the way",
            Trouble::RateLimited => "429, reset in 8 s",
            Trouble::DropBefore => "line dropped before acting",
            Trouble::DropAfter => "line dropped after accepting",
            Trouble::Status503 => "503",
            Trouble::Killed => "kill -9 between call and record",
            Trouble::Stopped => "worker stopped past its lease",
            Trouble::WithoutRedis => "Redis emptied",
            Trouble::Unfindable => "line dropped after accepting, every look-up fails",
        }
    }

    /// Whether nothing keeps the post from going out at its moment.
    pub(crate) fn is_punctual(self) -> bool {
        matches!(self, Trouble::None | Trouble::Image | Trouble::WithoutRedis)
    }

    /// Whether the post goes out at the second moment.
    pub(crate) fn is_late_in_the_play(self) -> bool {
        matches!(self, Trouble::Stopped | Trouble::WithoutRedis)
    }

    /// Whether the trouble is its account's own.
    pub(crate) fn wants_own_account(self) -> bool {
        !self.is_punctual()
    }

    /// What the network does to the calls of this user.
    pub(crate) fn rules(self, user: &str) -> Vec<Rule> {
        let publish = |action| Rule::on("POST", "/2/tweets", action).user(user);
        match self {
            Trouble::None | Trouble::Image | Trouble::WithoutRedis => Vec::new(),
            Trouble::TokenEnded => vec![publish(Action::RevokeToken {})],
            Trouble::RateLimited => {
                vec![publish(Action::RateLimited { reset_in_ms: RATE_LIMIT_MS })]
            }
            Trouble::DropBefore => vec![publish(Action::DropBefore {})],
            Trouble::DropAfter => vec![publish(Action::DropAfter {})],
            Trouble::Status503 => vec![publish(Action::status(503))],
            Trouble::Killed => vec![publish(Action::hold(KILLED, When::After))],
            Trouble::Stopped => vec![publish(Action::hold(STOPPED, When::After))],
            Trouble::Unfindable => {
                let look_up = Rule::on("GET", "/2/users/*", Action::status(503));
                vec![publish(Action::DropAfter {}), look_up.user(user).forever()]
            }
        }
    }
}
