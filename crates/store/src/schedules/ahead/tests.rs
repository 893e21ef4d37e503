//! Checks ahead of time and what they find, against a real database, under the logins that run them.

#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::{TimeDelta, Utc};
use serde_json::json;

use super::super::tests::Fixture;
use super::super::*;
use super::*;
use crate::{Login, connections, ledger};
use jobs::kinds::CheckSchedule;
use jobs::{NewJob, Origin};

impl Fixture {
    /// A schedule that goes out so many minutes from now.
    async fn ahead(&self, minutes: i64) -> ScheduleId {
        let at = Utc::now() + TimeDelta::minutes(minutes);
        let new = self.scheduled(ScheduleId::new(), at);
        let mut tx = self.as_worker().await;
        insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        new.id
    }

    /// Plans checks as the scheduler does; answers those that are wanted.
    async fn plan(&self) -> Vec<ScheduleId> {
        let mut tx = self.as_scheduler().await;
        let (_, due) = due_to_check(&mut tx, 100).await.unwrap();
        let job = |due: &DueCheck| {
            let args = CheckSchedule { schedule_id: due.schedule_id, ask_network: true };
            let mut job = NewJob::new(Origin::Scheduler, Some(due.organization_id), &args);
            job.unique_key = Some(check_key(due.schedule_id));
            job
        };
        ledger::enqueue(&mut tx, &due.iter().map(job).collect::<Vec<_>>()).await.unwrap();
        tx.commit().await.unwrap();
        due.into_iter().map(|due| due.schedule_id).collect()
    }

    async fn jobs_end(&self) {
        sqlx::query("delete from jobs").execute(&self.scratch.pool).await.unwrap();
    }

    /// How many minutes before the schedule it is checked next.
    async fn next_check(&self, id: ScheduleId) -> Option<i64> {
        let secs: Option<f64> = sqlx::query_scalar(
            "select extract(epoch from scheduled_at - check_at)::float8 from schedules where id = $1",
        )
        .bind(id.0)
        .fetch_one(&self.scratch.pool)
        .await
        .unwrap();
        secs.map(|secs| (secs / 60.0).round() as i64)
    }

    async fn run(&self, sql: &str) {
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.scratch.pool).await.unwrap();
    }

    /// Checks a schedule as a worker does; answers how many causes were told.
    async fn check(&self, id: ScheduleId) -> usize {
        let mut tx = self.as_worker().await;
        let locked = lock(&mut tx, id).await.unwrap().unwrap();
        let found = look(&mut tx, &locked).await.unwrap();
        let told = warn(&mut tx, &locked, &found).await.unwrap();
        tx.commit().await.unwrap();
        told
    }

    async fn codes(&self, id: ScheduleId) -> Vec<String> {
        self.schedule(id).await.warnings.0.into_iter().map(|warning| warning.code).collect()
    }

    async fn causes(&self) -> i64 {
        let count = "select count(*) from warning_causes";
        sqlx::query_scalar(count).fetch_one(&self.scratch.pool).await.unwrap()
    }

    async fn told(&self) -> i64 {
        let count =
            "select count(*) from events where type = 'schedule.warning' and subject_id = $1";
        let count = sqlx::query_scalar(count).bind(self.connection.0);
        count.fetch_one(&self.scratch.pool).await.unwrap()
    }
}

#[tokio::test]
async fn a_schedule_is_checked_when_it_is_made_and_at_each_step_and_once_however_many_look() {
    let f = Fixture::new().await;
    let id = f.ahead(3 * 24 * 60).await;
    let (one, other) = tokio::join!(f.plan(), f.plan());
    assert_eq!([one, other].concat(), [id], "one of two schedulers");
    for (before, next) in [(24 * 60, Some(60)), (60, Some(35)), (35, None)] {
        assert_eq!(f.next_check(id).await, Some(before));
        assert!(f.plan().await.is_empty(), "not yet");
        f.run(&format!(
            "update schedules set scheduled_at = now() + interval '{before} minutes' - interval '1 s',
                 check_at = now() - interval '1 s'"
        ))
        .await;
        assert!(f.plan().await.is_empty(), "while a check is live");
        f.jobs_end().await;
        assert_eq!(f.plan().await, [id], "{before}");
        assert_eq!(f.next_check(id).await, next);
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn what_is_about_to_go_out_or_is_no_post_is_not_checked_and_what_is_moved_is_checked_again() {
    let f = Fixture::new().await;
    let soon = f.ahead(4).await;
    let gone = f.ahead(50).await;
    f.run(&format!(
        "update schedules set status = 'cancelled', status_reason = 'r' where id = '{gone}'"
    ))
    .await;
    assert!(f.plan().await.is_empty());
    assert_eq!(f.next_check(soon).await, None, "never");
    let moved = f.ahead(4).await;
    f.plan().await;
    let mut tx = f.as_worker().await;
    let at = Utc::now() + TimeDelta::minutes(40);
    reschedule(&mut tx, &f.scheduled(moved, at), true).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(f.plan().await, [moved]);
    assert_eq!(f.next_check(moved).await, Some(35));
    f.scratch.drop().await;
}

#[tokio::test]
async fn the_next_checks_are_found_by_their_index() {
    let f = Fixture::new().await;
    f.run(&format!(
        "insert into schedules (id, organization_id, content_version_id, platform_connection_id,
             scheduled_at, wall_time, timezone, created_by, check_at)
         select gen_random_uuid(), '{}', '{}', '{}', now() + n * interval '1 minute', now(), 'UTC', 'ann',
                now() + n * interval '1 minute' - interval '30 s'
         from generate_series(1, 20000) n",
        f.organization, f.version, f.connection
    ))
    .await;
    f.run("analyze schedules").await;
    let plan: Vec<String> = sqlx::query_scalar(
        "explain select s.id from schedules s
         where s.status in ('scheduled', 'on_hold') and not s.is_recurring and s.check_at <= now()
         order by s.check_at limit 500",
    )
    .fetch_all(&f.scratch.pool)
    .await
    .unwrap();
    assert!(plan.join("\n").contains("schedules_to_check"), "{plan:#?}");
    f.scratch.drop().await;
}

#[tokio::test]
async fn each_cause_is_a_warning_on_every_post_and_one_event_and_ends_with_its_cause() {
    let f = Fixture::new().await;
    let (account, organization, version) = (f.connection, f.organization, f.version);
    let account =
        |set: &str| format!("update platform_connections set {set} where id = '{account}'");
    let organization =
        |set: &str| format!("update organizations set {set} where id = '{organization}'");
    let text =
        |text: &str| format!("update content_versions set text = '{text}' where id = '{version}'");
    let limit = |most: i32| {
        format!(
            "insert into organization_limits (organization_id, metric, most, set_by)
             values ('{}', 'scheduled_posts', {most}, 'o')
             on conflict (organization_id, metric) do update set most = excluded.most",
            f.organization
        )
    };
    let (one, two) = (f.ahead(50).await, f.ahead(90).await);
    let mut tx = f.as_worker().await;
    for id in [one, two] {
        let metric = jobs::Metric::ScheduledPosts;
        crate::usage::reserve(&mut tx, f.organization, metric, id.0, None).await.unwrap();
    }
    tx.commit().await.unwrap();
    let causes = [
        (
            "account_disconnected",
            account("is_active = false, inactive_reason = 'Revoked.'"),
            account("is_active = true, inactive_reason = null"),
        ),
        ("scopes_missing", account("scopes = '{tweet.read}'"), account("scopes = '{}'")),
        (
            "token_ends",
            account("token_expires_at = now() + interval '20 minutes'"),
            account("refresh_token = 'sealed'"),
        ),
        ("content_rejected", text(&"long ".repeat(60)), text("short")),
        (
            "not_approved",
            organization("approval_required = true"),
            organization("approval_required = false"),
        ),
        (
            "payment_required",
            organization(
                "billing_hold_at = now() + interval '20 minutes', billing_hold_reason = 'Late.'",
            ),
            organization("billing_hold_at = null, billing_hold_reason = null"),
        ),
        (
            "payment_required",
            organization("billing_hold_at = now() - interval '1 s', billing_hold_reason = 'Late.'"),
            organization("billing_hold_at = null, billing_hold_reason = null"),
        ),
        ("usage_exhausted", limit(1), limit(2)),
    ];
    let mut told = 0;
    for (code, begin, end) in &causes {
        f.run(begin).await;
        for again in [1, 0] {
            let (first, second) = tokio::join!(f.check(one), f.check(two));
            assert_eq!(first + second, again, "{code}");
            told += again as i64;
        }
        assert_eq!(f.codes(one).await, [*code]);
        assert_eq!(f.codes(two).await, [*code]);
        assert_eq!((f.causes().await, f.told().await), (1, told), "{code}");
        let since = f.schedule(one).await.warnings[0].since;
        f.check(one).await;
        assert_eq!(f.schedule(one).await.warnings[0].since, since, "it is known since then");
        f.run(end).await;
        f.check(one).await;
        assert!(f.codes(one).await.is_empty(), "{code}");
        assert_eq!(f.causes().await, 1, "the other one has it still");
        f.check(two).await;
        assert_eq!(f.causes().await, 0, "{code}");
    }
    f.scratch.drop().await;
}

#[tokio::test]
async fn a_cause_is_forgotten_when_its_posts_are_gone_and_told_again_later() {
    let f = Fixture::new().await;
    let (one, two) = (f.ahead(50).await, f.ahead(90).await);
    let long = format!("update content_versions set text = '{}'", "long ".repeat(60));
    f.run(&long).await;
    f.check(one).await;
    f.check(two).await;
    let sweep = async || {
        let mut tx = f.as_scheduler().await;
        let forgotten = forget_causes(&mut tx, 10).await.unwrap();
        tx.commit().await.unwrap();
        forgotten
    };
    assert_eq!(sweep().await, 0);
    let cancel = |id| {
        format!("update schedules set status = 'cancelled', status_reason = 'r' where id = '{id}'")
    };
    f.run(&cancel(one)).await;
    assert_eq!(sweep().await, 0, "one is left");
    f.run(&cancel(two)).await;
    assert!(f.codes(two).await.is_empty(), "what is over has no warnings");
    assert_eq!((sweep().await, f.causes().await), (1, 0));
    let three = f.ahead(50).await;
    assert_eq!((f.check(three).await, f.told().await), (1, 2));
    let mut tx = f.as_scheduler().await;
    let again = warned(&mut tx, 10).await.unwrap();
    assert_eq!(again.iter().map(|due| due.schedule_id).collect::<Vec<_>>(), [three]);
    drop(tx);
    let mut tx = f.as_worker().await;
    let mine = warned_of_account(&mut tx, f.organization, f.connection, 10).await.unwrap();
    assert_eq!(mine, [three]);
    drop(tx);
    f.scratch.drop().await;
}

#[tokio::test]
async fn one_asks_the_network_and_the_others_wait_for_the_answer() {
    let f = Fixture::new().await;
    let begin = async |since| {
        let mut tx = f.as_worker().await;
        let asking = begin_asking(&mut tx, f.organization, f.connection, since).await.unwrap();
        tx.commit().await.unwrap();
        asking
    };
    let end = async |answered| {
        let mut tx = f.as_worker().await;
        end_asking(&mut tx, f.connection, answered).await.unwrap();
        tx.commit().await.unwrap();
    };
    let earlier = Utc::now() - TimeDelta::minutes(1);
    assert_eq!(begin(earlier).await, Asking::Ours);
    assert!(matches!(begin(earlier).await, Asking::Busy { until } if until > Utc::now()));
    end(false).await;
    assert_eq!(begin(earlier).await, Asking::Ours, "nobody answered");
    f.run("update account_checks set asking_until = now() - interval '1 s'").await;
    assert_eq!(begin(earlier).await, Asking::Ours, "who asked has died");
    end(true).await;
    assert_eq!(begin(earlier).await, Asking::Known);
    assert_eq!(begin(Utc::now()).await, Asking::Ours, "what is planned later asks again");
    f.scratch.drop().await;
}

#[tokio::test]
async fn what_is_near_is_found_for_all_times_at_once_and_by_whom_it_belongs_to() {
    let f = Fixture::new().await;
    let (one, two) = (f.ahead(100).await, f.ahead(130).await);
    let gone = f.ahead(110).await;
    f.run(&format!(
        "update schedules set status = 'cancelled', status_reason = 'r' where id = '{gone}'"
    ))
    .await;
    let now = Utc::now();
    let times = [60, 120, 500].map(|minutes| now + TimeDelta::minutes(minutes));
    let api = f.scratch.log_in(Login::Api).await;
    let mut tx = api.acting_for(f.organization).await.unwrap();
    let hour = Duration::from_secs(3600);
    let found = near(&mut tx, f.connection, &times, hour, 20).await.unwrap();
    let seen: Vec<_> = found.iter().map(|other| (other.nth, other.schedule_id)).collect();
    assert_eq!(seen, [(0, one), (1, one), (1, two)]);
    assert_eq!(near(&mut tx, f.connection, &times, hour, 1).await.unwrap().len(), 2);
    drop(tx);
    let mut tx = api.acting_for(OrganizationId::new()).await.unwrap();
    assert!(near(&mut tx, f.connection, &times, hour, 20).await.unwrap().is_empty());
    drop(tx);
    f.scratch.drop().await;
}

#[tokio::test]
async fn what_an_account_lacks_is_told_before_it_is_scheduled() {
    let f = Fixture::new().await;
    let mut tx = f.as_worker().await;
    let tokens = connections::SealedTokens {
        access: "sealed".into(),
        refresh: None,
        expires_at: None,
        scopes: vec!["tweet.read".into(), "users.read".into()],
        metadata: json!({}),
    };
    assert_eq!(rights(&mut tx, f.organization, f.version, f.connection).await.unwrap(), Ok(()));
    connections::activate(&mut tx, f.connection, &tokens).await.unwrap();
    let lacking = rights(&mut tx, f.organization, f.version, f.connection).await.unwrap();
    assert!(lacking.unwrap_err().contains("(tweet.write)"));
    drop(tx);
    f.scratch.drop().await;
}
