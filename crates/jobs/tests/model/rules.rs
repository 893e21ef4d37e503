//! What must hold, said without looking at how `next` is written.
//!
//! **Invariant:** the rules judge by the model's own count of claims ([`Row::right`]), never by the
//! claim number that they are to check.

use jobs::protocol::{Event, Job, MAX_CRASHES, Outcome, State as Stage, Verdict};

use crate::state::{Claim, NOW, Row};

/// A rule, by what it promises.
pub(crate) type Rule = &'static str;

pub(crate) const STALE_CLAIM: Rule = "no write by a stale claim is accepted";
pub(crate) const LIVE_CLAIM: Rule = "no write by a live claim is refused";
pub(crate) const TWO_RIGHTS: Rule = "no two hold an unfenced right to the same job at once";
pub(crate) const TWO_ENDS: Rule = "no job is finished by two";
pub(crate) const LOST_JOB: Rule = "no job is lost";
pub(crate) const NOT_DUE: Rule = "no job runs before it is due";
pub(crate) const MOVES: Rule = "the claim number moves with every claim, hand-back and rescue";
pub(crate) const ATTEMPTS: Rule =
    "a failure costs one attempt, the last one ends the job, nothing else does";
pub(crate) const CRASHES: Rule =
    "a crash is counted apart from attempts, and only of what had begun";
pub(crate) const QUARANTINE: Rule = "the third crash quarantines, and no earlier one";
pub(crate) const HANDED_BACK: Rule = "an interrupted job spends nothing";
pub(crate) const CANCELLED: Rule = "a cancelled job does not run again";
pub(crate) const REVIVED: Rule = "a lost incarnation stays lost";

/// The rule that an accepted write breaks.
pub(crate) fn accepted(
    row: &Row,
    event: Event,
    writer: Option<Claim>,
    after: &Job,
) -> Option<Rule> {
    let before = &row.job;
    let attempts = i64::from(after.attempt) - i64::from(before.attempt);
    let crashes = i64::from(after.crashes) - i64::from(before.crashes);
    let waits = matches!(after.state, Stage::Scheduled | Stage::Ready);
    let is_dead = after.state == Stage::Ended(Outcome::Dead);
    let must_move = matches!(event, Event::Claim | Event::HandBack(_) | Event::Rescue);
    let rules = [
        (TWO_ENDS, !row.has_ended()),
        (STALE_CLAIM, writer.is_none_or(|claim| row.right == Some(claim.right))),
        (TWO_RIGHTS, event != Event::Claim || row.right.is_none()),
        (NOT_DUE, event != Event::Promote || before.run_at <= NOW),
        (
            MOVES,
            after.claim_no > before.claim_no || !must_move && after.claim_no == before.claim_no,
        ),
        (CANCELLED, !(before.cancel_requested && (waits || event == Event::Claim))),
        (CANCELLED, event != Event::Cancel || after.cancel_requested || row.right.is_none()),
        (
            LOST_JOB,
            (after.state == Stage::Running)
                == matches!(
                    (event, row.right),
                    (Event::Claim, _) | (Event::Cancel | Event::Begin(_), Some(_))
                ),
        ),
        match event {
            Event::Finish(_, Verdict::Retry(_)) => {
                let last = after.attempt >= before.max_attempts && !before.cancel_requested;
                (ATTEMPTS, (attempts, crashes) == (1, 0) && is_dead == last)
            }
            Event::Finish(_, Verdict::Dead) => (ATTEMPTS, (attempts, crashes) == (1, 0) && is_dead),
            Event::HandBack(_) => (HANDED_BACK, (attempts, crashes) == (0, 0) && !is_dead),
            Event::Rescue => (CRASHES, (attempts, crashes) == (0, i64::from(row.begun))),
            Event::Promote
            | Event::Claim
            | Event::Begin(_)
            | Event::Park(_)
            | Event::Cancel
            | Event::Finish(_, Verdict::Done | Verdict::Snooze(_) | Verdict::Cancelled) => {
                (ATTEMPTS, (attempts, crashes) == (0, 0) && !is_dead)
            }
        },
        (
            QUARANTINE,
            event != Event::Rescue
                || before.cancel_requested
                || is_dead == (after.crashes >= MAX_CRASHES),
        ),
    ];
    rules.into_iter().find(|(_, holds)| !holds).map(|(rule, _)| rule)
}

/// The rule that a refusal breaks.
pub(crate) fn refused(row: &Row, writer: Option<Claim>) -> Option<Rule> {
    writer.is_some_and(|claim| row.right == Some(claim.right)).then_some(LIVE_CLAIM)
}
