//! What an answer of a network means for a schedule.
//!
//! Source: the classes of `tables/errors.json` of the contracts, read 2026-11-22.
//!
//! **Invariant:** no I/O and no clock; what may have published is never answered with "again".

use chrono::{DateTime, TimeDelta, Utc};

use connectors::{Closed, Commit, Error, Posted, Refusal};
use jobs::{Code, Problem, Wait, account_key};
use platforms::{ErrorClass, Platform};

/// How long a key stays closed when the network does not say.
const CLOSED_FOR: TimeDelta = TimeDelta::minutes(15);

/// Empty look-ups in a row that say that there is no post.
pub(super) const EMPTY_READS: i32 = 3;

/// What happens to a schedule next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// It is out.
    Published(Posted),
    /// It may be out: somebody must look before anything else.
    LookUp {
        /// Why that is not known.
        reason: String,
    },
    /// This attempt failed; another may succeed.
    Again {
        /// What went wrong.
        problem: Problem,
        /// Whether the uploads must be made anew.
        forget_media: bool,
    },
    /// Not now; costs no attempt.
    Later {
        /// When the key opens.
        until: DateTime<Utc>,
        /// What it waits for.
        why: Wait,
    },
    /// The account cannot be used; the schedule waits for a person.
    Hold {
        /// Why.
        reason: String,
    },
    /// The content is not approved; the schedule goes on when it is.
    AwaitApproval {
        /// Why.
        reason: String,
    },
    /// The organization is on hold; the schedule goes on when it pays.
    AwaitPayment {
        /// Why.
        reason: String,
    },
    /// A key is closed already; costs no attempt.
    Wait {
        /// When it opens.
        until: DateTime<Utc>,
        /// What it waits for.
        why: Wait,
    },
    /// The account's access token is over, or the network does not accept it.
    NewToken {
        /// What the network said; `None` when it was not asked.
        refused: Option<String>,
        /// Which version of the account's tokens it was.
        version: i64,
    },
    /// No attempt can succeed.
    Fail(Problem),
}

/// An account, and the key under which its network counts publishing calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a> {
    /// The network.
    pub(crate) platform: Platform,
    /// The network's own id of the account.
    pub(crate) id: &'a str,
    /// See [`connectors::Connector::publish_key`].
    pub(crate) publish_key: &'a str,
    /// The version of the account's tokens that the call was made with.
    pub(crate) token_version: i64,
}

impl Account<'_> {
    /// The key that the ledger closes: the account's own, on which its jobs wait, when it is the
    /// account's budget that is used up; else the network's.
    pub(crate) fn ledger_key(&self, closed: Option<&Closed>) -> String {
        match closed {
            Some(closed) if closed.key != self.publish_key => closed.key.clone(),
            Some(_) | None => account_key(self.platform, self.id),
        }
    }
}

/// What follows from the answer to the call that publishes.
pub(super) fn after_commit(commit: Commit, account: Account<'_>, now: DateTime<Utc>) -> Next {
    match commit {
        Commit::Published(posted) => Next::Published(posted),
        Commit::Unknown { reason } => Next::LookUp { reason },
        Commit::NotSent { reason } => Next::Again {
            problem: Problem::new(
                Code::Unavailable,
                format!("{} could not be reached: {reason}", account.platform.display_name()),
            ),
            forget_media: false,
        },
        Commit::Refused(refusal) => after_refusal(refusal, account, now, true),
    }
}

/// What follows from trouble with a call that publishes nothing.
pub(crate) fn after_error(error: Error, account: Account<'_>, now: DateTime<Utc>) -> Next {
    match error {
        Error::Refused(refusal) => after_refusal(refusal, account, now, false),
        Error::Unavailable { reason } => Next::Again {
            problem: Problem::new(
                Code::Unavailable,
                format!("{} did not answer: {reason}", account.platform.display_name()),
            ),
            forget_media: false,
        },
    }
}

fn after_refusal(
    refusal: Refusal,
    account: Account<'_>,
    now: DateTime<Utc>,
    publishes: bool,
) -> Next {
    let network = account.platform.display_name();
    let said = match refusal.message.is_empty() {
        true => format!("{network} answered with status {}", refusal.status),
        false => format!("{network} says: {}", refusal.message),
    };
    let again = |code, forget_media| Next::Again {
        problem: Problem::new(code, said.clone()),
        forget_media,
    };
    let refused =
        |why: &str| Next::Fail(Problem::new(Code::PlatformRefused, format!("{why} {said}")));
    match refusal.class {
        ErrorClass::RateLimited => later(refusal.closed.as_ref(), account, now, "rate_limited"),
        ErrorClass::Quota => later(refusal.closed.as_ref(), account, now, "quota"),
        // Whether the grant is gone as well says the attempt to refresh.
        ErrorClass::AuthRefresh | ErrorClass::AuthReconnect => {
            Next::NewToken { refused: Some(said), version: account.token_version }
        }
        ErrorClass::Duplicate | ErrorClass::Ambiguous | ErrorClass::Ignore if publishes => {
            Next::LookUp { reason: said }
        }
        ErrorClass::Transient | ErrorClass::Pending | ErrorClass::Ambiguous => {
            again(Code::Unavailable, false)
        }
        ErrorClass::Recreate => again(Code::Unavailable, true),
        ErrorClass::Permission => {
            refused("The account does not allow this; connect it again with all rights.")
        }
        ErrorClass::Policy => refused("The network's rules forbid this post."),
        ErrorClass::Config => refused("Our app is set up wrongly; an operator must look."),
        ErrorClass::Permanent | ErrorClass::Duplicate | ErrorClass::Ignore => {
            refused("The network does not take this.")
        }
    }
}

fn later(closed: Option<&Closed>, account: Account<'_>, now: DateTime<Utc>, code: &str) -> Next {
    let until = closed.map_or(now + CLOSED_FOR, |closed| closed.until(now));
    let message = format!(
        "{} wants no more calls until {}",
        account.platform.display_name(),
        until.format("%Y-%m-%d %H:%M:%S UTC")
    );
    let key = Some(account.ledger_key(closed));
    Next::Later { until, why: Wait { code: code.to_owned(), message, key } }
}

/// What a look at the account says about a call of unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The post is there.
    Found,
    /// It is not there, and will not come any more.
    Absent,
    /// It is not there yet.
    NotYet,
}

/// What follows from a look, after `empty_reads` looks in a row without the post, this one included.
pub(super) const fn conclude(found: bool, empty_reads: i32) -> Finding {
    match (found, empty_reads) {
        (true, _) => Finding::Found,
        (false, EMPTY_READS..) => Finding::Absent,
        (false, _) => Finding::NotYet,
    }
}

/// Attempts that a new publishing job gets after `retry_count` failures, or none.
pub(super) fn attempts_left(max_retries: i32, retry_count: i32) -> Option<u32> {
    u32::try_from(max_retries + 1 - retry_count).ok().filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "tests")]
    use super::*;
    use std::time::Duration;

    const KEY: &str = "x:user:7:POST /2/tweets";

    fn account() -> Account<'static> {
        Account { platform: Platform::Twitter, id: "7", publish_key: KEY, token_version: 3 }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time")
    }

    fn refused(class: ErrorClass, closed: Option<Closed>) -> Next {
        let refusal = Refusal { class, status: 400, message: "No.".into(), closed };
        after_commit(Commit::Refused(refusal), account(), now())
    }

    #[test]
    fn what_may_have_published_is_looked_up() {
        for class in [ErrorClass::Duplicate, ErrorClass::Ambiguous, ErrorClass::Ignore] {
            assert!(matches!(refused(class, None), Next::LookUp { .. }), "{class:?}");
        }
        let unknown = Commit::Unknown { reason: "reset".into() };
        assert!(matches!(after_commit(unknown, account(), now()), Next::LookUp { .. }));
    }

    #[test]
    fn what_was_never_sent_is_tried_again() {
        let next = after_commit(Commit::NotSent { reason: "no route".into() }, account(), now());
        assert!(matches!(next, Next::Again { forget_media: false, .. }));
        assert!(matches!(
            refused(ErrorClass::Recreate, None),
            Next::Again { forget_media: true, .. }
        ));
        assert!(matches!(refused(ErrorClass::Transient, None), Next::Again { .. }));
    }

    #[test]
    fn a_refusal_for_good_says_why() {
        use ErrorClass::{Config, Permanent, Permission, Policy};
        for class in [Permission, Permanent, Policy, Config] {
            let Next::Fail(problem) = refused(class, None) else { panic!("{class:?}") };
            assert_eq!(problem.code, Code::PlatformRefused);
            assert!(problem.message.ends_with("X says: No."), "{}", problem.message);
        }
    }

    #[test]
    fn a_used_up_budget_closes_the_accounts_key_until_it_opens() {
        let until = now() + TimeDelta::seconds(90);
        let opens_in = Duration::from_secs(90);
        let closed = Closed { key: KEY.into(), opens_in };
        let Next::Later { until: opens, why } = refused(ErrorClass::RateLimited, Some(closed))
        else {
            panic!("a rate limit makes the job wait");
        };
        assert_eq!((opens, why.code.as_str()), (until, "rate_limited"));
        assert_eq!(why.key.as_deref(), Some("account:TWITTER:7"));

        let app = Closed { key: "x:app:POST /2/tweets".into(), opens_in };
        let Next::Later { why, .. } = refused(ErrorClass::Quota, Some(app)) else {
            panic!("a quota makes the job wait");
        };
        assert_eq!(
            (why.code.as_str(), why.key.as_deref()),
            ("quota", Some("x:app:POST /2/tweets"))
        );

        let Next::Later { until, .. } = refused(ErrorClass::RateLimited, None) else {
            panic!("a rate limit makes the job wait");
        };
        assert_eq!(until, now() + CLOSED_FOR);
    }

    #[test]
    fn a_refused_token_asks_for_a_new_one_and_not_for_another_attempt() {
        for class in [ErrorClass::AuthRefresh, ErrorClass::AuthReconnect] {
            assert!(matches!(refused(class, None), Next::NewToken { version: 3, .. }));
        }
    }

    #[test]
    fn three_empty_looks_say_that_there_is_no_post() {
        assert_eq!(conclude(false, 1), Finding::NotYet);
        assert_eq!(conclude(false, 2), Finding::NotYet);
        assert_eq!(conclude(false, 3), Finding::Absent);
        assert_eq!(conclude(true, 3), Finding::Found);
    }

    #[test]
    fn retries_are_counted_over_all_jobs_of_a_schedule() {
        assert_eq!(attempts_left(3, 0), Some(4));
        assert_eq!(attempts_left(3, 3), Some(1));
        assert_eq!(attempts_left(3, 4), None);
        assert_eq!(attempts_left(0, 1), None);
    }
}
