//! Asking a model within a run: noted before it is done, with its cost afterwards, and ended at once
//! when the run shall stop.
//!
//! The handler holds a shield while it asks, so that it is told to stop and not cut: it drops the call
//! and writes down that it did.
//!
//! **Invariant:** whatever comes of an ask is noted in the transaction that does what follows from it.

use chrono::{DateTime, TimeDelta, Utc};
use std::future::Future;
use std::time::Duration;
use uuid::Uuid;

use crate::run::{Run, failed};
use jobs::{Code, Failure, JobKind, OrganizationId, Problem, Wait, model_key};
use llm::{Error, Model, Usage};
use platforms::ErrorClass;
use queue::Reason;
use store::Claimed;
use store::generations::{self, For, Outcome, Spent};
use store::ledger;

/// The longest that a model is asked. The time of the kinds leaves some to write down the outcome.
const LONGEST: Duration = Duration::from_secs(570);

/// How long a model stays closed when its provider does not say.
const CLOSED_FOR: TimeDelta = TimeDelta::seconds(10);

/// However long a provider says, it is asked again after this time.
const CLOSED_MOST: TimeDelta = TimeDelta::hours(24);

/// A model that is about to be asked, and the row that says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    id: Uuid,
    model: &'a Model,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The model or its provider is to blame.
    Error {
        /// What it said.
        error: Error,
        /// What it cost.
        usage: Usage,
        /// How often it was asked.
        asks: u32,
    },
    /// The run was told to stop.
    Stopped(Reason),
    /// It took too long.
    TookTooLong,
}

/// What is left to be done when there is no answer.
#[derive(Debug, PartialEq)]
pub(super) enum Left {
    /// The job gives up.
    GiveUp(Problem),
    /// Somebody no longer wants the job.
    Cancelled(Problem),
    /// The job runs again, or is handed back.
    Leave(Failure),
}

/// When the provider of a model wants no calls: until when, as the run's end.
///
/// # Errors
/// [`Failure::Interrupted`].
pub(super) async fn closed(tx: &mut Claimed, model: &Model) -> Result<Option<Failure>, Failure> {
    let closed = ledger::closed(tx, &[model_key(model.name())]).await.map_err(failed)?;
    Ok(closed.map(|closed| Failure::Snooze {
        until: closed.until,
        why: no_more_calls(model),
        close: false,
    }))
}

fn no_more_calls(model: &Model) -> Wait {
    Wait {
        code: "rate_limited".to_owned(),
        message: format!("the provider of the model {} wants no more calls for now", model.name()),
        key: Some(model_key(model.name())),
    }
}

/// Notes that a model is about to be asked.
///
/// # Errors
/// [`Failure::Interrupted`].
pub(super) async fn open<'a, K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    organization: OrganizationId,
    of: For,
    model: &'a Model,
) -> Result<Asking<'a>, Failure> {
    let id = run.job.id.derive(&format!("generation {}", run.job.claim_no));
    generations::open(tx, id, organization, run.job.id, of, model.name()).await.map_err(failed)?;
    Ok(Asking { id, model })
}

/// Waits for an answer as long as it is wanted. To be called under a shield.
///
/// # Errors
/// [`NoAnswer::Stopped`], [`NoAnswer::TookTooLong`].
pub(super) async fn while_wanted<K: JobKind, T>(
    run: &Run<K>,
    answer: impl Future<Output = T>,
) -> Result<T, NoAnswer> {
    tokio::select! {
        biased;
        reason = run.stop.stopped() => Err(NoAnswer::Stopped(reason)),
        answer = tokio::time::timeout(LONGEST, answer) => answer.map_err(|_| NoAnswer::TookTooLong),
    }
}

impl Asking<'_> {
    /// What so many tokens cost.
    pub(super) fn spent(&self, usage: Usage, asks: u32) -> Spent {
        Spent {
            asks,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost_microdollars: self.model.prices().cost(usage),
        }
    }

    /// Notes that the answer was kept, or why not.
    ///
    /// # Errors
    /// [`Failure::Interrupted`].
    pub(super) async fn answered(
        &self,
        tx: &mut Claimed,
        spent: Spent,
        problem: Option<&Problem>,
    ) -> Result<(), Failure> {
        let outcome = if problem.is_none() { Outcome::Done } else { Outcome::Failed };
        let message = problem.map(|problem| problem.message.as_str());
        generations::close(tx, self.id, outcome, message, Some(spent)).await.map_err(failed)
    }

    /// Notes why there is no answer, and says what is left to be done in the transaction in which it
    /// did so.
    ///
    /// # Errors
    /// [`Failure::ClaimLost`], [`Failure::Interrupted`].
    pub(super) async fn unanswered<K: JobKind>(
        &self,
        run: &Run<K>,
        why: NoAnswer,
    ) -> Result<(Claimed, Left), Failure> {
        let mut tx = run.begin().await?;
        let now = store::now(&mut tx).await.map_err(failed)?;
        let (outcome, spent, left) = match why {
            NoAnswer::Stopped(Reason::Cancelled) => {
                let problem = Problem::new(Code::Cancelled, "cancelled on request");
                (Outcome::Cancelled, None, Left::Cancelled(problem))
            }
            NoAnswer::Stopped(Reason::Shutdown | Reason::LeaseLost) => {
                (Outcome::Interrupted, None, Left::Leave(Failure::Interrupted))
            }
            NoAnswer::TookTooLong => {
                let message = format!("The model took longer than {} s.", LONGEST.as_secs());
                let problem = Problem::new(Code::Timeout, message);
                (Outcome::Failed, None, Left::Leave(Failure::Retry(problem)))
            }
            NoAnswer::Error { error, usage, asks } => {
                let (outcome, left) = after(&error, self.model, now);
                let told = usage != Usage::default() || !matches!(error, Error::Unreachable(_));
                (outcome, told.then(|| self.spent(usage, asks)), left)
            }
        };
        let left = if run.is_last_attempt() { left.at_last(run.job.max_attempts) } else { left };
        generations::close(&mut tx, self.id, outcome, left.message(), spent)
            .await
            .map_err(failed)?;
        Ok((tx, left))
    }
}

impl Left {
    /// A failure of the last attempt is the end.
    fn at_last(self, attempts: i32) -> Self {
        match self {
            Left::Leave(Failure::Retry(problem)) => {
                let message = format!("The last of {attempts} attempts failed: {problem}");
                Left::GiveUp(Problem { message, ..problem })
            }
            left => left,
        }
    }

    fn message(&self) -> Option<&str> {
        match self {
            Left::GiveUp(problem) | Left::Cancelled(problem) => Some(&problem.message),
            Left::Leave(Failure::Retry(problem)) => Some(&problem.message),
            Left::Leave(Failure::Snooze { why, .. }) => Some(&why.message),
            Left::Leave(_) => None,
        }
    }
}

/// What follows from an error, by its class alone.
fn after(error: &Error, model: &Model, now: DateTime<Utc>) -> (Outcome, Left) {
    let name = model.name();
    let give_up = |code, message: String| Left::GiveUp(Problem::new(code, message));
    let for_an_operator = |code, message: String| {
        tracing::error!(model = name, %error, "the model cannot be asked: an operator must act");
        give_up(code, message)
    };
    let left = match error.class() {
        ErrorClass::RateLimited => {
            let wait = match error {
                Error::Refused { wait: Some(wait), .. } => {
                    TimeDelta::from_std(*wait).unwrap_or(CLOSED_MOST).min(CLOSED_MOST)
                }
                _ => CLOSED_FOR,
            };
            let why = no_more_calls(model);
            let snooze = Failure::Snooze { until: now + wait, why, close: true };
            return (Outcome::RateLimited, Left::Leave(snooze));
        }
        ErrorClass::Quota => for_an_operator(
            Code::SpendLimit,
            format!(
                "What may be spent at the provider of the model {name} is used up, and nothing was \
                 generated. An operator has to raise it. The provider says: {error}"
            ),
        ),
        ErrorClass::Config
        | ErrorClass::AuthRefresh
        | ErrorClass::AuthReconnect
        | ErrorClass::Permission => for_an_operator(
            Code::NotConfigured,
            format!(
                "The model {name} is not set up rightly, and nothing was generated. An operator has \
                 to see to it. The provider says: {error}"
            ),
        ),
        ErrorClass::Policy => give_up(
            Code::GenerationFailed,
            format!("The model {name} declined, and nothing was generated. It says: {error}"),
        ),
        ErrorClass::Permanent | ErrorClass::Duplicate | ErrorClass::Ignore => {
            give_up(Code::GenerationFailed, format!("Nothing was generated: {error}"))
        }
        ErrorClass::Transient
        | ErrorClass::Ambiguous
        | ErrorClass::Pending
        | ErrorClass::Recreate => {
            let message = format!("The model {name} did not answer: {error}");
            Left::Leave(Failure::Retry(Problem::new(Code::Unavailable, message)))
        }
    };
    (Outcome::Failed, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let settings = llm::Settings {
            dialect: llm::Dialect::OpenAi,
            base_url: "http://127.0.0.1:1/v1".parse().expect("an address"),
            key: None,
            model: "m".to_owned(),
            prices: llm::Prices::default(),
            silence: Duration::from_secs(1),
        };
        Model::new(settings).expect("it can be set up")
    }

    fn refused(class: ErrorClass, wait: Option<Duration>) -> Error {
        Error::Refused { class, message: "no".to_owned(), wait, usage: Usage::default() }
    }

    #[test]
    fn a_rate_limit_waits_and_a_spend_limit_does_not() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        let waits = |wait| match after(&refused(ErrorClass::RateLimited, wait), &model(), now).1 {
            Left::Leave(Failure::Snooze { until, why, close: true }) => {
                assert_eq!(why.key.as_deref(), Some("model:m"));
                until - now
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(waits(Some(Duration::from_secs(30))), TimeDelta::seconds(30));
        assert_eq!(waits(None), CLOSED_FOR);
        assert_eq!(waits(Some(Duration::MAX)), CLOSED_MOST);
        for (class, code) in [
            (ErrorClass::Quota, Code::SpendLimit),
            (ErrorClass::Config, Code::NotConfigured),
            (ErrorClass::Policy, Code::GenerationFailed),
            (ErrorClass::Permanent, Code::GenerationFailed),
        ] {
            let (_, left) = after(&refused(class, None), &model(), now);
            assert!(matches!(left, Left::GiveUp(problem) if problem.code == code), "{class:?}");
        }
    }

    #[test]
    fn only_the_last_failure_is_the_end() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        let (_, left) = after(&Error::Unreachable("reset".to_owned()), &model(), now);
        assert!(matches!(&left, Left::Leave(Failure::Retry(_))), "{left:?}");
        let Left::GiveUp(problem) = left.at_last(5) else { panic!("it was the last") };
        assert_eq!(problem.code, Code::Unavailable);
        assert!(problem.message.starts_with("The last of 5 attempts failed"), "{problem}");
        let (_, left) = after(&refused(ErrorClass::RateLimited, None), &model(), now);
        assert!(matches!(left.at_last(5), Left::Leave(Failure::Snooze { .. })));
    }
}
