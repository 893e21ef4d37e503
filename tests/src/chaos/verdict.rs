//! The verdict: what was acknowledged against the ledger, the ledger against the tables, and the
//! schedules against the network's own journal.
//!
//! **Invariant:** it is taken when nothing goes wrong any more and nothing moves; whatever it cannot
//! explain counts against the fleet.

use anyhow::Result;
use sqlx::Row as _;

use super::ground::Ground;
use super::load::Acknowledged;
use super::posts;

/// How many of each are named.
const NAMED: usize = 5;

/// What is live, but for what waits for a moment far off.
pub(crate) const LIVE: &str = "select id::text from jobs where not (state = 'scheduled' and run_at > now() + interval '5 minutes')";

/// Schedules whose moment has passed and that have not come to an end.
pub(crate) const UNSETTLED: &str = "select s.id::text from schedules s
    where s.scheduled_at < now()
      and (s.status in ('scheduled', 'publishing', 'awaiting_platform')
           or s.status = 'unconfirmed' and not exists (
               select from publish_intents i
               where i.schedule_id = s.id and i.state in ('open', 'unknown') and i.asked_at is not null))";

/// Statements that must find nothing, what it is if they do, and of which kind.
const NOTHING: [(&str, Kind, &str); 9] = [
    (
        "acknowledged jobs that the ledger does not know",
        Kind::Lost,
        "select a from unnest($1) a where not exists (select from job_history h where h.id = a::uuid)
             and not exists (select from jobs j where j.id = a::uuid)",
    ),
    (
        "content.create is done, but its content is not there",
        Kind::Lost,
        "select h.id::text from job_history h where h.kind = 'content.create' and h.outcome = 'done'
             and not exists (select from content_requests r join content_versions v on v.content_request_id = r.id
                             where r.id = (h.result ->> 'contentRequestId')::uuid)",
    ),
    (
        "schedule.create is done, but its schedule is not there",
        Kind::Lost,
        "select h.id::text from job_history h where h.kind = 'schedule.create' and h.outcome = 'done'
             and not exists (select from schedules s where s.id = (h.result ->> 'scheduleId')::uuid)",
    ),
    (
        "schedule.cancel is done, but its schedule is not cancelled",
        Kind::Lost,
        "select h.id::text from job_history h where h.kind = 'schedule.cancel' and h.outcome = 'done'
             and not exists (select from schedules s where s.id = (h.args ->> 'scheduleId')::uuid
                             and s.status = 'cancelled')",
    ),
    (
        "connection.import is done, but its account is not there",
        Kind::Lost,
        "select h.id::text from job_history h where h.kind = 'connection.import' and h.outcome = 'done'
             and not exists (select from platform_connections c where c.id = (h.result ->> 'connectionId')::uuid)",
    ),
    (
        "jobs that are live and ended, or ended twice",
        Kind::Doubled,
        "select h.id::text from job_history h join jobs j on j.id = h.id
         union all select id::text from job_history group by id having count(*) > 1",
    ),
    (
        "jobs of requests that were acknowledged with other jobs",
        Kind::Doubled,
        "select l.id::text from (select id, origin, args from jobs
                                 union all select id, origin, args from job_history) l
         where l.origin = 'api' and l.args ->> 'title' like 'Chaos %'
             and not exists (select from unnest($1) a where a::uuid = l.id)",
    ),
    (
        "content that no job made, or that was made twice",
        Kind::Doubled,
        "select r.id::text from content_requests r where r.title like 'Chaos %' and not exists (
             select from job_history h where h.kind = 'content.create' and h.outcome = 'done'
                 and (h.result ->> 'contentRequestId')::uuid = r.id)
         union all select min(id::text) from content_requests group by title having count(*) > 1
         union all select min(id::text) from content_versions group by content_request_id having count(*) > 1",
    ),
    (
        "schedules that no job made",
        Kind::Doubled,
        "select s.id::text from schedules s where not exists (
             select from job_history h where h.kind = 'schedule.create' and h.outcome = 'done'
                 and (h.result ->> 'scheduleId')::uuid = s.id)",
    ),
];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Lost,
    Doubled,
}

/// What the fleet did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// Jobs that were acknowledged.
    pub(crate) jobs: usize,
    /// Jobs in the ledger, those that the fleet made for itself included.
    pub(crate) ended: i64,
    /// Acknowledged jobs, and effects of jobs that are done, that are not there.
    pub(crate) lost: usize,
    /// Effects that are there twice, or without a job.
    pub(crate) doubled: usize,
    /// Jobs and schedules that have not come to an end.
    pub(crate) stuck: usize,
    /// Schedules that went out.
    pub(crate) published: usize,
    /// Schedules of which a person must say whether they did.
    pub(crate) unconfirmed: usize,
    /// Schedules that the network refused for good, as it was told to.
    pub(crate) refused: usize,
    /// Schedules whose job was quarantined before anything was sent.
    pub(crate) given_up: usize,
    /// Jobs that crashed their third worker.
    pub(crate) quarantined: i64,
    /// What is wrong, for people.
    pub(crate) wrong: Vec<String>,
}

impl Verdict {
    pub(super) fn blame(&mut self, what: &str, whom: &[String]) {
        if !whom.is_empty() {
            let named = &whom[..whom.len().min(NAMED)];
            self.wrong.push(format!("{}: {what}: {}", whom.len(), named.join(", ")));
        }
    }
}

/// Judges the fleet.
///
/// # Errors
/// When it cannot be asked.
pub(crate) async fn judge(ground: &Ground, told: &Acknowledged) -> Result<Verdict> {
    let eyes = &ground.eyes;
    let ids = async |sql: &str| -> Result<Vec<String>> {
        let rows = eyes.rows(sql, &told.jobs).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    };
    let mut verdict = Verdict { jobs: told.jobs.len(), ..Verdict::default() };
    verdict.ended = eyes.number("select count(*) from job_history", &[]).await?;
    let crashed = "select count(*) from job_history where outcome = 'dead' and crashes >= 3";
    verdict.quarantined = eyes.number(crashed, &[]).await?;
    for (what, kind, sql) in NOTHING {
        let found = ids(sql).await?;
        verdict.blame(what, &found);
        match kind {
            Kind::Lost => verdict.lost += found.len(),
            Kind::Doubled => verdict.doubled += found.len(),
        }
    }
    for (what, sql) in [("jobs are stuck", LIVE), ("schedules are stuck", UNSETTLED)] {
        let found = ids(sql).await?;
        verdict.blame(what, &found);
        verdict.stuck += found.len();
    }
    if told.unanswered > 0 {
        verdict.wrong.push(format!("{} requests were never acknowledged", told.unanswered));
    }
    posts::judge(ground, &mut verdict).await?;
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use tokio::time::Instant;

    use super::super::ground::Times;
    use super::super::load::Frontends;
    use super::super::run::rest;
    use super::super::story::Teller;
    use super::*;
    use crate::harness::Care;

    /// A seed whose first stories are of every kind.
    const SEED: u64 = 1;

    #[tokio::test]
    async fn the_verdict_sees_what_is_lost_doubled_and_stuck() {
        let ground = Ground::prepare(Care::Quick, &Times::QUICK, 1).await.unwrap();
        let teller = Teller::new(SEED, 300, Duration::from_secs(1));
        let long = Duration::from_millis(100);
        let frontends = Frontends::gather(&ground, teller, SEED, long).await.unwrap();
        let now = Instant::now();
        frontends.work(now, now + Duration::from_secs(60)).await.unwrap();
        rest(&ground).await.unwrap();
        let mut told = frontends.acknowledged();
        let seen = async |told: &Acknowledged| {
            let verdict = judge(&ground, told).await.unwrap();
            ([verdict.lost, verdict.doubled, verdict.stuck], verdict.wrong)
        };
        assert_eq!(seen(&told).await, ([0, 0, 0], Vec::new()));

        let run = async |sql: &str| ground.fleet.database.run(sql).await.unwrap();
        let one = "id = (select min(id::text)::uuid from job_history where kind = 'content.create'
                         and outcome = 'done')";
        run(&format!("create table taken as select * from job_history where {one}")).await;
        run(&format!("delete from job_history where {one}")).await;
        // The job is lost, and its content has no job.
        assert_eq!(seen(&told).await.0, [1, 1, 0]);
        run("insert into jobs (id, organization_id, origin, queue, kind, args, state, max_attempts, run_at)
             select id, organization_id, origin, 'nobody', kind, args, 'ready', 1, run_at from taken")
        .await;
        assert_eq!(seen(&told).await.0, [0, 1, 1]);
        run("insert into job_history select * from taken").await;
        assert_eq!(seen(&told).await.0, [0, 1, 1]);
        run("delete from jobs").await;
        assert_eq!(seen(&told).await.0, [0, 0, 0]);

        run("insert into content_requests (id, organization_id, title, platforms, status, created_by)
             select gen_random_uuid(), organization_id, title, platforms, status, created_by
             from content_requests where title like 'Chaos %' limit 1")
        .await;
        // It is there twice, and one of the two has no job.
        assert_eq!(seen(&told).await.0, [0, 2, 0]);
        run("delete from content_requests r where not exists (
                 select from content_versions v where v.content_request_id = r.id)")
        .await;

        run("update schedules set status = 'publishing' where id = (
                 select min(id::text)::uuid from schedules where status = 'published')")
        .await;
        assert_eq!(seen(&told).await.0, [0, 0, 1]);
        run("update schedules set status = 'published' where status = 'publishing'").await;
        run("update schedules set status = 'failed', status_reason = 'x' where id = (
                 select min(id::text)::uuid from schedules where status = 'published')")
        .await;
        let (counts, wrong) = seen(&told).await;
        assert_eq!((counts, wrong.len()), ([1, 0, 0], 2), "{wrong:?}");
        run("update schedules set status = 'published', status_reason = null where status = 'failed'").await;

        // A second post of the same text.
        let sql = "select s.platform_connection_id::text, v.text from schedules s
                   join content_versions v on v.id = s.content_version_id
                   where s.status = 'published' limit 1";
        let row = ground.eyes.rows(sql, &[]).await.unwrap().remove(0);
        let (connection, text): (String, String) = (row.get(0), row.get(1));
        let mut accounts = frontends.tenants.iter().flat_map(|(_, accounts)| accounts);
        let account = accounts.find(|account| account.connection == connection).unwrap();
        let url = format!("{}/2/tweets", ground.fleet.simulator().base_url());
        let post = reqwest::Client::new().post(url).bearer_auth(&account.token);
        let posted = post.json(&serde_json::json!({ "text": text })).send().await.unwrap();
        assert_eq!(posted.status(), 201);
        assert_eq!(seen(&told).await.0, [0, 1, 0]);

        let content = "select id::text from job_history where kind = 'content.create'
                       and args ->> 'title' like 'Chaos %' limit 1";
        let forgotten: String = ground.eyes.rows(content, &[]).await.unwrap()[0].get(0);
        told.jobs.retain(|job| *job != forgotten);
        assert_eq!(seen(&told).await.0, [0, 2, 0]);
    }
}
