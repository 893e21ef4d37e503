//! Every statement of the ledger against the pure function that it is a fast form of: on generated
//! jobs, each statement must do exactly what [`jobs::protocol::next`] says.

#![expect(clippy::unwrap_used, reason = "tests")]

mod generated;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use super::{Finish, Floor, Window, cancel, claim, finish, hand_back, rescue};
use crate::Claim;
use generated::{Fixture, JOBS, Row};
use jobs::protocol::{Event, State, Verdict};
use jobs::{Code, JobId, Problem, Queue, Wait};

fn window(jobs: i32) -> Window {
    Window { jobs, per_lane: 10_000, ..Window::default() }
}

#[tokio::test]
async fn the_ledger_tells_what_a_worker_holds() {
    let fixture = Fixture::new().await;
    let mut held = super::held_by(&fixture.scratch.store, fixture.worker).await.unwrap();
    let mut running: Vec<(Uuid, u64)> =
        fixture.running().map(|row| (row.id, row.job.claim_no)).collect();
    held.sort_by_key(|claim| claim.job_id);
    running.sort();
    let held: Vec<(Uuid, u64)> =
        held.iter().map(|claim| (claim.job_id.0, u64::try_from(claim.claim_no).unwrap())).collect();
    assert_eq!(held, running);
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn one_organization_gets_no_more_slots_than_its_share() {
    let fixture = Fixture::new().await;
    sqlx::query("update jobs set state = 'ready', worker = null, limit_keys = '{}'")
        .execute(&fixture.scratch.pool)
        .await
        .unwrap();
    let lane = Uuid::from_u128(3);
    let mut window = Window { running: vec![(lane, 2)], per_lane: 3, ..window(500) };
    claim(&mut *fixture.conn().await, Queue::Publish, fixture.worker, &mut window).await.unwrap();
    let lanes: Vec<(Uuid, i64)> = sqlx::query_as(
        "select lane, count(*) from jobs where state = 'running' group by lane order by lane",
    )
    .fetch_all(&fixture.scratch.pool)
    .await
    .unwrap();
    assert_eq!(lanes.len(), 7);
    for (id, n) in lanes {
        assert_eq!(n, if id == lane { 1 } else { 3 }, "two of {lane} run already");
    }
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn a_lane_that_may_run_nothing_more_is_in_nobodys_way() {
    let fixture = Fixture::new().await;
    sqlx::query("update jobs set state = 'ready', worker = null, limit_keys = '{}'")
        .execute(&fixture.scratch.pool)
        .await
        .unwrap();
    let mut conn = fixture.scratch.pool.acquire().await.unwrap();
    let paused = jobs::OrganizationId(Uuid::nil());
    super::pause(&mut conn, Uuid::now_v7(), Some(paused), None, "the model says so", "")
        .await
        .unwrap();
    drop(conn);
    // One slot, and the first lane is paused.
    let mut window = window(1);
    let claims =
        claim(&mut *fixture.conn().await, Queue::Publish, fixture.worker, &mut window).await;
    let lane = claims.unwrap().jobs[0].organization_id;
    assert_ne!(lane, Some(paused));
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn a_lost_worker_claims_nothing() {
    let fixture = Fixture::new().await;
    sqlx::query("update workers set lost_at = now()").execute(&fixture.scratch.pool).await.unwrap();
    let mut window = window(10);
    let claims =
        claim(&mut *fixture.conn().await, Queue::Publish, fixture.worker, &mut window).await;
    assert!(claims.unwrap().jobs.is_empty());
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn a_job_whose_parking_crossed_its_keys_opening_is_let_go() {
    let fixture = Fixture::new().await;
    sqlx::query(
        "update jobs set parked_by = 'closed', run_at = '9999-12-31' where state = 'scheduled'",
    )
    .execute(&fixture.scratch.pool)
    .await
    .unwrap();
    let mut conn = fixture.scratch.pool.acquire().await.unwrap();
    super::close_key(&mut conn, "closed", None, "the model says so").await.unwrap();
    assert_eq!(super::free_parked(&mut conn).await.unwrap(), 0, "its key is closed");
    sqlx::query("delete from closed_keys").execute(&mut *conn).await.unwrap();
    let waiting = fixture.before.iter().filter(|row| row.job.state == State::Scheduled).count();
    assert_eq!(super::free_parked(&mut conn).await.unwrap(), waiting as u64);
    drop(conn);
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn a_claim_behind_the_last_lane_begins_again_at_the_first() {
    let fixture = Fixture::new().await;
    let mut window = Window { cursor: Uuid::max(), ..window(1) };
    let claimed =
        claim(&mut *fixture.conn().await, Queue::Publish, fixture.worker, &mut window).await;
    assert_eq!(claimed.unwrap().jobs.len(), 1);
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn lanes_before_the_start_are_left_out() {
    let fixture = Fixture::new().await;
    sqlx::query("update jobs set state = 'ready', worker = null, limit_keys = '{}'")
        .execute(&fixture.scratch.pool)
        .await
        .unwrap();
    let start = Uuid::from_u128(5);
    let mut window = Window { start, ..window(i32::try_from(JOBS).unwrap()) };
    let mut conn = fixture.conn().await;
    for _ in 0..JOBS {
        let claims = claim(&mut conn, Queue::Publish, fixture.worker, &mut window).await.unwrap();
        assert!(claims.jobs.iter().all(|job| job.lane >= start));
    }
    drop(conn);
    let left: Vec<i64> = sqlx::query_scalar(
        "select count(*) from jobs where state = 'ready' group by lane >= $1 order by lane >= $1",
    )
    .bind(start)
    .fetch_all(&fixture.scratch.pool)
    .await
    .unwrap();
    assert_eq!(left.len(), 1, "all behind it are taken, and none before it");
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn promoting_makes_just_the_due_jobs_ready() {
    let fixture = Fixture::new().await;
    // A claim without room makes due jobs ready and does nothing else.
    claim(&mut *fixture.conn().await, Queue::Publish, fixture.worker, &mut window(0))
        .await
        .unwrap();
    fixture.expect(|_| Some(Event::Promote)).await;
}

#[tokio::test]
async fn due_jobs_are_claimed_at_once_where_nothing_is_ready_and_lanes_take_turns() {
    let fixture = Fixture::new().await;
    sqlx::query(
        "update jobs set state = 'scheduled', worker = null, limit_keys = '{}', run_at = now()",
    )
    .execute(&fixture.scratch.pool)
    .await
    .unwrap();
    let taken =
        claim(&mut *fixture.conn().await, Queue::Publish, fixture.worker, &mut window(14)).await;
    let taken = taken.unwrap();
    assert_eq!((taken.jobs.len(), taken.promoted), (14, JOBS - 14));
    for lane in 0..7 {
        let of_lane = taken.jobs.iter().filter(|job| job.lane == Uuid::from_u128(lane)).count();
        assert_eq!(of_lane, 2);
    }
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn a_lane_with_a_floor_is_looked_at_behind_it() {
    let fixture = Fixture::new().await;
    sqlx::query("update jobs set state = 'ready', worker = null, limit_keys = '{}'")
        .execute(&fixture.scratch.pool)
        .await
        .unwrap();
    let lane = Uuid::from_u128(3);
    let mut of_lane: Vec<&Row> =
        fixture.before.iter().filter(|row| row.id.as_u128() % 7 == 3).collect();
    of_lane.sort_by_key(|row| (row.job.run_at, row.id));
    let (before, behind) = of_lane.split_at(of_lane.len() / 2);
    let last = before.last().unwrap();
    let floor = Floor { priority: 0, run_at: last.job.run_at, job_id: JobId(last.id) };
    let mut window = Window { floors: vec![(lane, floor)], ..window(JOBS as i32) };
    let mut taken = 0;
    for _ in 0..JOBS {
        let jobs =
            claim(&mut *fixture.conn().await, Queue::Publish, fixture.worker, &mut window).await;
        let jobs = jobs.unwrap().jobs;
        assert!(jobs.iter().all(|job| before.iter().all(|row| row.id != job.id.0)));
        taken += jobs.len();
    }
    assert_eq!(taken, JOBS - before.len(), "other lanes, and {} behind the floor", behind.len());
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn claiming_takes_what_is_ready_and_moves_what_is_closed_out_of_the_way() {
    let fixture = Fixture::new().await;
    let until = fixture.now + TimeDelta::hours(1);
    let mut conn = fixture.scratch.pool.acquire().await.unwrap();
    super::close_key(&mut conn, "closed", Some(until), "the model says so").await.unwrap();
    drop(conn);
    let mut taken = 0;
    let mut window = Window { cursor: Uuid::now_v7(), ..window(64) };
    for _ in 0..JOBS {
        let worker = fixture.worker;
        let jobs =
            claim(&mut *fixture.conn().await, Queue::Publish, worker, &mut window).await.unwrap();
        taken += jobs.jobs.len();
    }
    let now = fixture.now;
    let may_run = |row: &Row| match row.job.state {
        State::Ready => true,
        State::Scheduled => row.job.run_at <= now,
        State::Running | State::Ended(_) => false,
    };
    let claimable = fixture.before.iter().filter(|row| may_run(row) && row.key == "open").count();
    assert_eq!(taken, claimable);
    fixture
        .expect_all(|row| {
            let met = if row.key == "open" { Event::Claim } else { Event::Park(until) };
            if may_run(row) { vec![Event::Promote, met] } else { Vec::new() }
        })
        .await;
}

/// What a run is said to have ended with: every verdict in turn, every third one under an old claim.
fn verdict(row: &Row, now: DateTime<Utc>) -> (u64, Verdict, Finish) {
    let problem = Problem::new(Code::Unavailable, "the model says so");
    let wait = Wait { code: "retry".into(), message: "the model says so".into(), key: None };
    let turn = row.id.as_u128() % 97;
    let claim_no = if turn.is_multiple_of(3) { row.job.claim_no + 1 } else { row.job.claim_no };
    let until = now + TimeDelta::seconds(50);
    let (verdict, finish) = match turn % 5 {
        0 => (Verdict::Done, Finish::Done(json!({}))),
        1 => (
            Verdict::Retry(TimeDelta::seconds(20)),
            Finish::Retry(problem, Duration::from_secs(20)),
        ),
        2 => (Verdict::Snooze(until), Finish::Snooze(until, wait)),
        3 => (Verdict::Dead, Finish::Dead(problem)),
        _ => (Verdict::Cancelled, Finish::Cancelled(problem)),
    };
    (claim_no, verdict, finish)
}

#[tokio::test]
async fn finishing_is_fenced_and_ends_or_waits_as_the_protocol_says() {
    let fixture = Fixture::new().await;
    let now = fixture.now;
    let runs: Vec<_> = fixture
        .before
        .iter()
        .map(|row| {
            let (claim_no, _, finish) = verdict(row, now);
            let claim_no = i64::try_from(claim_no).unwrap();
            (Claim { job_id: JobId(row.id), claim_no }, finish)
        })
        .collect();
    let mut conn = fixture.scratch.pool.acquire().await.unwrap();
    finish(&mut conn, &runs).await.unwrap();
    assert!(finish(&mut conn, &runs).await.unwrap().is_empty(), "a repeated end changes nothing");
    drop(conn);
    let unexplained: i64 = sqlx::query_scalar(
        "select count(*) from job_history
         where jsonb_array_length(errors) <> case when outcome = 'done' then 0 else 1 end
            or exists (select from jsonb_array_elements(errors) e
                       where not e ?& array['code', 'message', 'at', 'attempt'])",
    )
    .fetch_one(&fixture.scratch.pool)
    .await
    .unwrap();
    assert_eq!(
        unexplained, 0,
        "what failed says why, when and at which attempt; what is done says nothing"
    );
    fixture
        .expect(|row| {
            let (claim_no, verdict, _) = verdict(row, now);
            Some(Event::Finish(claim_no, verdict))
        })
        .await;
}

#[tokio::test]
async fn handing_back_is_fenced_and_costs_nothing() {
    let fixture = Fixture::new().await;
    let now = fixture.now;
    let claims: Vec<_> = fixture
        .before
        .iter()
        .map(|row| Claim {
            job_id: JobId(row.id),
            claim_no: i64::try_from(verdict(row, now).0).unwrap(),
        })
        .collect();
    let mut conn = fixture.scratch.pool.acquire().await.unwrap();
    hand_back(&mut conn, &claims).await.unwrap();
    drop(conn);
    fixture.expect(|row| Some(Event::HandBack(verdict(row, now).0))).await;
}

#[tokio::test]
async fn rescue_frees_the_jobs_of_a_silent_worker_and_of_no_other() {
    let fixture = Fixture::new().await;
    let silence = Duration::from_secs(10);
    let none = rescue(&fixture.scratch.store, silence, Duration::ZERO, i32::MAX).await.unwrap();
    assert!(none.is_empty(), "the worker was just seen");
    sqlx::query("update workers set seen_at = now() - interval '11 seconds'")
        .execute(&fixture.scratch.pool)
        .await
        .unwrap();
    let rescued = rescue(&fixture.scratch.store, silence, Duration::ZERO, i32::MAX).await.unwrap();
    assert_eq!(rescued.len(), fixture.running().count());
    assert!(
        !super::renew(&fixture.scratch.store, fixture.worker).await.unwrap(),
        "lost stays lost"
    );
    fixture.expect(|_| Some(Event::Rescue)).await;
}

#[tokio::test]
async fn nobody_is_rescued_soon_after_the_servers_start() {
    let fixture = Fixture::new().await;
    sqlx::query("update workers set seen_at = now() - interval '1 year'")
        .execute(&fixture.scratch.pool)
        .await
        .unwrap();
    // The server was started less than a century ago.
    let (silence, grace) = (Duration::from_secs(10), Duration::from_secs(100 * 365 * 24 * 3600));
    let rescued = rescue(&fixture.scratch.store, silence, grace, i32::MAX).await.unwrap();
    assert!(rescued.is_empty(), "silence means nothing yet");
    assert!(super::renew(&fixture.scratch.store, fixture.worker).await.unwrap(), "nobody is lost");
    fixture.scratch.drop().await;
}

#[tokio::test]
async fn cancelling_ends_what_waits_and_asks_what_runs() {
    let fixture = Fixture::new().await;
    let mut conn = fixture.scratch.pool.acquire().await.unwrap();
    for row in &fixture.before {
        cancel(&mut conn, None, JobId(row.id), "the model says so").await.unwrap();
    }
    drop(conn);
    let asked = super::cancel_requests(&fixture.scratch.store, fixture.worker).await.unwrap();
    assert_eq!(asked.len(), fixture.running().count());
    fixture.expect(|_| Some(Event::Cancel)).await;
}
