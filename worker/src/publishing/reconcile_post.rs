//! `post.reconcile`: what became of a publishing call that ended without a clear answer.
//!
//! Source: `tables/reconcile.json` of the contracts, read 2026-11-22.
//!
//! **Invariant:** a post is called absent only after three looks in a row, each later than the
//! network may still bring it.

use chrono::{DateTime, TimeDelta, Utc};

use super::decide::{self, EMPTY_READS, Finding, Next, after_error, attempts_left};
use super::settle::{entry, fail, lock, publish_job, record_post, tell, token_over};
use super::target;
use crate::fleet::Fleet;
use crate::run::{Answer, Run, failed};
use connectors::{Access, Draft, FoundPost, Posted};
use jobs::kinds::{ReconcilePost, ReconciledPost};
use jobs::{Code, Failure, Problem, Wait};
use platforms::Platform;
use store::intents::{self, Closing, Intent, Standing};
use store::schedules::{self, Entry, Locked, Move, Status};
use store::{Claimed, ledger::Finish, published_posts};

/// How far the network's clock may be behind the database's.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// How long after a call the account is read back for the first time, and between two reads.
pub(super) fn wait(fleet: &Fleet, platform: Platform) -> TimeDelta {
    let wait = fleet.publishing.reconcile_wait.unwrap_or(platform.reconcile_wait());
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::minutes(1))
}

/// Looks for the post of a call.
pub(crate) async fn reconcile_post(run: Run<ReconcilePost>) -> Answer<ReconcilePost> {
    let mut tx = run.begin().await?;
    let (schedule, intent) = lock_both(&run, &mut tx).await?;
    match intent.standing() {
        Standing::Published { id, url } => {
            let message = "Published; the network's answer was written down late.";
            return found(&run, tx, &schedule, &intent, Posted { id, url }, message).await;
        }
        Standing::NoPost if intent.state == "absent" => return over(&run, tx, "resolved").await,
        Standing::NoPost => return publish_again(&run, tx, &schedule, &intent).await,
        Standing::Open | Standing::Unknown => {}
    }
    let not_before = intent.answer_before + wait(&run.fleet, schedule.platform);
    if schedule.now < not_before {
        return Err(Failure::Snooze { until: not_before, why: looking(), close: false });
    }
    intents::set_asked(&mut tx, intent.id, false).await.map_err(failed)?;
    let reason = "The worker that published it died before it could write down the answer.";
    intents::close(&mut tx, intent.id, &Closing::Unknown { reason }).await.map_err(failed)?;
    let connection = schedule.platform_connection_id;
    let right = target::right(&run.fleet, &mut tx, connection, &schedule.account_id).await?;
    let right = match right {
        Ok(right) => right,
        Err(next) => return give_way(&run, tx, &schedule, &intent, next).await,
    };
    let first_call = intents::first_call(&mut tx, intent.id).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    let first_call = first_call.unwrap_or(intent.opened_at);
    match look(&run, &schedule, &intent, first_call, &right.access).await? {
        Ok(post) => write(&run, post).await,
        Err(error) => no_look(&run, right.token_version, error).await,
    }
}

fn looking() -> Wait {
    let message = "the account is being looked through for the post".to_owned();
    Wait { code: "look_up".to_owned(), message, key: None }
}

async fn lock_both(
    run: &Run<ReconcilePost>,
    tx: &mut Claimed,
) -> Result<(Locked, Intent), Failure> {
    let schedule = lock(tx, run.organization()?, run.args.schedule_id).await?;
    let intent = intents::lock(tx, run.args.intent_id)
        .await
        .map_err(failed)?
        .filter(|intent| intent.schedule_id == schedule.id)
        .ok_or_else(|| {
            Failure::Dead(Problem::not_found("intent", run.args.intent_id).at("intentId"))
        })?;
    Ok((schedule, intent))
}

async fn over(run: &Run<ReconcilePost>, tx: Claimed, outcome: &str) -> Answer<ReconcilePost> {
    run.end(tx, &ReconciledPost { outcome: outcome.to_owned() }).await
}

/// Reads the account back to the moment of the call. The first post that is the same and that we do
/// not know is the one.
async fn look(
    run: &Run<ReconcilePost>,
    schedule: &Locked,
    intent: &Intent,
    first_call: DateTime<Utc>,
    access: &Access,
) -> Result<Result<Option<FoundPost>, connectors::Error>, Failure> {
    let connector = run.fleet.connector(schedule.platform);
    let draft = Draft { text: intent.text.clone(), media_ids: intent.media_ids.clone() };
    // From the first call with this text on: an earlier one, given up as absent, may have come late.
    let since = first_call - CLOCK_SKEW;
    let mut alike: Vec<FoundPost> = Vec::new();
    let mut page: Option<String> = None;
    loop {
        let read = match connector.posts_since(access, since, page.as_deref()).await {
            Ok(called) => called.value,
            Err(error) => return Ok(Err(error)),
        };
        alike.extend(read.posts.into_iter().filter(|post| in_window(post, since)));
        alike.retain(|post| connector.is_same(&draft, post));
        page = read.next;
        if page.is_none() {
            break;
        }
    }
    if alike.is_empty() {
        return Ok(Ok(None));
    }
    let ids: Vec<String> = alike.iter().map(|post| post.posted.id.clone()).collect();
    let mut tx = run.begin().await?;
    let known = published_posts::known(&mut tx, schedule.platform, &schedule.account_id, &ids)
        .await
        .map_err(failed)?;
    Ok(Ok(first_unknown(alike, &known)))
}

fn in_window(post: &FoundPost, since: DateTime<Utc>) -> bool {
    post.created_at >= since
}

fn first_unknown(alike: Vec<FoundPost>, known: &[String]) -> Option<FoundPost> {
    alike
        .into_iter()
        .filter(|post| !known.contains(&post.posted.id))
        .min_by_key(|post| post.created_at)
}

/// Writes what was found, or that nothing was.
async fn write(run: &Run<ReconcilePost>, post: Option<FoundPost>) -> Answer<ReconcilePost> {
    let mut tx = run.begin().await?;
    let (schedule, intent) = lock_both(run, &mut tx).await?;
    if intent.standing() != Standing::Unknown {
        // Somebody else settled it while we looked: look at it afresh.
        return Err(Failure::Snooze { until: schedule.now, why: looking(), close: false });
    }
    let empty_reads = match &post {
        Some(_) => intent.empty_reads,
        None => intents::count_empty_read(&mut tx, intent.id).await.map_err(failed)?,
    };
    match (decide::conclude(post.is_some(), empty_reads), post) {
        (Finding::Found, Some(post)) => {
            let closing = Closing::Published { id: &post.posted.id, url: &post.posted.url };
            intents::close(&mut tx, intent.id, &closing).await.map_err(failed)?;
            let message = "Published; the post was found on the account.";
            found(run, tx, &schedule, &intent, post.posted, message).await
        }
        (Finding::Absent, _) => {
            let reason = format!("It was not on the account at {EMPTY_READS} looks in a row.");
            let closing = Closing::Absent { reason: &reason };
            intents::close(&mut tx, intent.id, &closing).await.map_err(failed)?;
            publish_again(run, tx, &schedule, &intent).await
        }
        (Finding::NotYet, _) | (Finding::Found, None) => {
            let until = schedule.now + wait(&run.fleet, schedule.platform);
            run.finish(tx, Finish::Snooze(until, looking())).await
        }
    }
}

async fn found(
    run: &Run<ReconcilePost>,
    mut tx: Claimed,
    schedule: &Locked,
    intent: &Intent,
    posted: Posted,
    message: &str,
) -> Answer<ReconcilePost> {
    if schedule.status == Status::Published {
        return over(run, tx, "published").await;
    }
    if !record_post(run, &mut tx, schedule, &posted, "published", message).await? {
        tracing::warn!(schedule.id = %schedule.id, intent.id = %intent.id, "the post was recorded before");
    }
    over(run, tx, "published").await
}

/// There is no post: it is published again with the attempts that are left.
async fn publish_again(
    run: &Run<ReconcilePost>,
    mut tx: Claimed,
    schedule: &Locked,
    intent: &Intent,
) -> Answer<ReconcilePost> {
    if schedule.status != Status::Unconfirmed {
        return over(run, tx, schedule.status.as_str()).await;
    }
    let retry_count = schedule.retry_count + 1;
    let Some(attempts) = attempts_left(schedule.max_retries, retry_count) else {
        let why = intent.reason.as_deref().unwrap_or("the network gave no clear answer");
        let message = format!("It is not on the account, and no attempt is left. Last: {why}");
        return fail(run, tx, schedule, Problem::new(Code::Unavailable, message)).await;
    };
    let message = "It is not on the account; it is published again.";
    let entry = Entry { at: schedule.now, outcome: "absent", message, attempt: None };
    schedules::restart(&mut tx, schedule.id, retry_count, Some(&entry)).await.map_err(failed)?;
    let job = publish_job(schedule, attempts);
    run.follow_up(&mut tx, [job]).await?;
    over(run, tx, "absent").await
}

/// The account could not be read.
async fn no_look(
    run: &Run<ReconcilePost>,
    token_version: i64,
    error: connectors::Error,
) -> Answer<ReconcilePost> {
    let mut tx = run.begin().await?;
    let (schedule, intent) = lock_both(run, &mut tx).await?;
    let publish_key = run.fleet.connector(schedule.platform).publish_key(&schedule.account_id);
    let account = decide::Account {
        platform: schedule.platform,
        id: &schedule.account_id,
        publish_key: &publish_key,
        token_version,
    };
    let next = after_error(error, account, schedule.now);
    give_way(run, tx, &schedule, &intent, next).await
}

/// Something stands in the way of a look.
async fn give_way(
    run: &Run<ReconcilePost>,
    mut tx: Claimed,
    schedule: &Locked,
    intent: &Intent,
    next: Next,
) -> Answer<ReconcilePost> {
    let problem = match next {
        Next::Later { until, why } => return Err(Failure::Snooze { until, why, close: true }),
        Next::Again { problem, .. } if !run.is_last_attempt() => {
            return Err(Failure::Retry(problem));
        }
        Next::Again { problem, .. } | Next::Fail(problem) => problem,
        Next::NewToken { refused, version } => {
            let over = token_over(schedule, version, refused.as_deref());
            let (until, why) = over.wait(run, &mut tx).await?;
            return run.finish(tx, Finish::Snooze(until, why)).await;
        }
        Next::Wait { until, why } => return run.finish(tx, Finish::Snooze(until, why)).await,
        Next::Hold { reason } => Problem::new(Code::AccountDisconnected, reason),
        Next::AwaitApproval { reason }
        | Next::AwaitPayment { reason }
        | Next::LookUp { reason } => Problem::new(Code::PlatformRefused, reason),
        Next::Published(_) => Problem::new(Code::Internal, "A read cannot publish."),
    };
    ask_person(run, tx, schedule, intent, problem).await
}

/// No look-up will say: a person must.
async fn ask_person(
    run: &Run<ReconcilePost>,
    mut tx: Claimed,
    schedule: &Locked,
    intent: &Intent,
    problem: Problem,
) -> Answer<ReconcilePost> {
    if schedule.status != Status::Unconfirmed {
        return over(run, tx, schedule.status.as_str()).await;
    }
    let reason = format!(
        "Whether the post is out could not be found out: {} Look at the account, then say whether it is there or shall be published again.",
        sentence(&problem.message)
    );
    intents::set_asked(&mut tx, intent.id, true).await.map_err(failed)?;
    let change = Move {
        to: Status::Unconfirmed,
        reason: Some(&reason),
        error: Some(&problem.message),
        failed_attempts: 0,
        entry: Some(entry(run, schedule.now, "unconfirmed", &reason)),
    };
    schedules::move_to(&mut tx, schedule.id, &change).await.map_err(failed)?;
    tell(&mut tx, schedule, "post.unconfirmed", &reason).await?;
    run.end_dead(tx, problem).await
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?', ')']) { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(id: &str, at: i64) -> FoundPost {
        FoundPost {
            posted: Posted { id: id.into(), url: format!("https://x.com/a/status/{id}") },
            created_at: DateTime::from_timestamp(at, 0).expect("a valid time"),
            text: "hello".into(),
            media_count: 0,
        }
    }

    #[test]
    fn the_first_post_that_we_do_not_know_is_the_one() {
        let alike = vec![post("3", 30), post("1", 10), post("2", 20)];
        let known = ["1".to_owned()];
        let found = first_unknown(alike.clone(), &known).map(|post| post.posted.id);
        assert_eq!(found.as_deref(), Some("2"));
        let all = ["1", "2", "3"].map(str::to_owned);
        assert_eq!(first_unknown(alike, &all), None);
    }

    #[test]
    fn reasons_end_as_sentences() {
        assert_eq!(sentence("It is gone "), "It is gone.");
        assert_eq!(sentence("It is gone."), "It is gone.");
    }
}
