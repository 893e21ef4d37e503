//! `schedule.check`: whether a schedule can go out, a day and an hour before it does.
//!
//! First what the database knows, then, where that is wanted, whether the network still takes the
//! account's token: asked once for all posts of the account that are checked meanwhile. A token that it
//! refuses is refreshed as for any call; when that fails for good the account is lost, and the job says so.
//!
//! **Invariant:** a check changes nothing of a schedule but its warnings.

use std::ops::ControlFlow;

use super::decide::Next;
use super::settle::lock;
use super::target::{Right, right};
use crate::accounts::tokens::TokenOver;
use crate::run::{Answer, Ended, Run, failed};
use connectors::{Error, Refusal};
use jobs::kinds::{CheckSchedule, CheckedSchedule};
use jobs::{Code, ConnectionId, Failure, JobKind, NewJob, OrganizationId, Origin, Problem, Wait};
use platforms::ErrorClass;
use store::Claimed;
use store::ledger::Finish;
use store::schedules::{self, Asking, Locked};

/// How many schedules are looked at again because of one change. The others are later, by themselves.
const AGAIN: i64 = 200;

/// Checks a schedule.
pub(crate) async fn check_schedule(run: Run<CheckSchedule>) -> Answer<CheckSchedule> {
    let (mut tx, schedule, output) = look(&run).await?;
    if !run.args.ask_network || !schedule.status.is_ahead() {
        return run.end(tx, &output).await;
    }
    let account = schedule.platform_connection_id;
    let organization = schedule.organization_id;
    let asking = schedules::begin_asking(&mut tx, organization, account, run.job.created_at);
    match asking.await.map_err(failed)? {
        Asking::Known => return run.end(tx, &output).await,
        Asking::Busy { until } => {
            tx.commit().await.map_err(failed)?;
            let message = "another check asks the network about the account".to_owned();
            let why = Wait { code: "checking".to_owned(), message, key: None };
            let soon = schedule.now + chrono::TimeDelta::seconds(2);
            return Err(Failure::Snooze { until: soon.min(until), why, close: false });
        }
        Asking::Ours => {}
    }
    match ask(&run, tx, &schedule).await? {
        ControlFlow::Break(ended) => Ok(ended),
        ControlFlow::Continue(()) => {
            let (tx, _, now) = look(&run).await?;
            let told = output.told + now.told;
            run.end(tx, &CheckedSchedule { told, ..now }).await
        }
    }
}

/// Looks at what the database knows, and writes what is found.
async fn look(run: &Run<CheckSchedule>) -> Result<(Claimed, Locked, CheckedSchedule), Failure> {
    let mut tx = run.begin().await?;
    let schedule = lock(&mut tx, run.organization()?, run.args.schedule_id).await?;
    let mut output = CheckedSchedule::default();
    if schedule.status.is_ahead() {
        let found = schedules::look(&mut tx, &schedule).await.map_err(failed)?;
        output.told = schedules::warn(&mut tx, &schedule, &found).await.map_err(failed)?;
        output.warnings = found.len();
    }
    Ok((tx, schedule, output))
}

/// Asks the network whether it takes the account's token; ends the run when that cannot be known yet.
async fn ask(
    run: &Run<CheckSchedule>,
    mut tx: Claimed,
    schedule: &Locked,
) -> Result<ControlFlow<Ended<CheckedSchedule>>, Failure> {
    let account = schedule.platform_connection_id;
    let Right { access, token_version } =
        match right(&run.fleet, &mut tx, account, &schedule.account_id).await? {
            Ok(right) => right,
            Err(Next::NewToken { version, refused }) => {
                return over(run, tx, schedule, version, refused.as_deref()).await;
            }
            // There is no token to ask about: what that means was seen already.
            Err(_) => return done(tx, account, true).await,
        };
    tx.commit().await.map_err(failed)?;
    let answer = run.fleet.connector(schedule.platform).identify(&access.token).await;
    let mut tx = run.begin().await?;
    match answer {
        Ok(_) => done(tx, account, true).await,
        Err(Error::Refused(refusal)) if is_of_token(&refusal) => {
            over(run, tx, schedule, token_version, Some(&refusal.message)).await
        }
        // Whatever else the network refuses says nothing of the token.
        Err(Error::Refused(_)) => done(tx, account, true).await,
        Err(Error::Unavailable { reason }) => {
            schedules::end_asking(&mut tx, account, false).await.map_err(failed)?;
            tx.commit().await.map_err(failed)?;
            if run.is_last_attempt() {
                return Ok(ControlFlow::Continue(()));
            }
            let message = format!("{} did not answer: {reason}", schedule.platform.display_name());
            Err(Failure::Retry(Problem::new(Code::Unavailable, message)))
        }
    }
}

fn is_of_token(refusal: &Refusal) -> bool {
    matches!(refusal.class, ErrorClass::AuthRefresh | ErrorClass::AuthReconnect)
}

async fn done(
    mut tx: Claimed,
    account: ConnectionId,
    answered: bool,
) -> Result<ControlFlow<Ended<CheckedSchedule>>, Failure> {
    schedules::end_asking(&mut tx, account, answered).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok(ControlFlow::Continue(()))
}

/// The token is over: new ones are asked for, and the job waits for them, unless the account is lost.
async fn over(
    run: &Run<CheckSchedule>,
    mut tx: Claimed,
    schedule: &Locked,
    version: i64,
    refused: Option<&str>,
) -> Result<ControlFlow<Ended<CheckedSchedule>>, Failure> {
    let account = schedule.platform_connection_id;
    schedules::end_asking(&mut tx, account, false).await.map_err(failed)?;
    let organization = schedule.organization_id;
    let over = TokenOver { organization, connection: account, version, refused };
    let (until, why) = over.wait(run, &mut tx).await?;
    if why.code == "reconnect" {
        tx.commit().await.map_err(failed)?;
        return Ok(ControlFlow::Continue(()));
    }
    run.finish(tx, Finish::Snooze(until, why)).await.map(ControlFlow::Break)
}

/// Has the schedules of an account that carry a warning checked again, because it may be over. One whose
/// check runs right now is looked at a minute later.
///
/// # Errors
/// [`Failure::Interrupted`].
pub(crate) async fn account_changed<K: JobKind>(
    run: &Run<K>,
    tx: &mut Claimed,
    organization: OrganizationId,
    account: ConnectionId,
) -> Result<(), Failure> {
    let warned = schedules::warned_of_account(tx, organization, account, AGAIN).await;
    for schedule_id in warned.map_err(failed)? {
        let args = CheckSchedule { schedule_id, ask_network: false };
        let mut job = NewJob::new(Origin::Worker, Some(organization), &args);
        job.unique_key = Some(schedules::check_key(schedule_id));
        run.ask_for(tx, job).await?;
    }
    Ok(())
}
