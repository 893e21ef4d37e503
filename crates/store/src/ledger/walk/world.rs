//! The ledger, and beside it what the protocol knows of each job.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

use super::act::{Act, End, Pick, Under};
use super::rows::ended;
use crate::ledger::{self, Cancelled, Ended, Enqueued, Finish};
use crate::testing::Scratch;
use crate::{Claim, Error, Single};
use jobs::protocol::{Event, Job, State, Verdict, next};
use jobs::{Code, JobId, Kind, NewJob, OrganizationId, Origin, Problem, Queue, Wait, WorkerId};

pub(super) const KEYS: [&str; 3] = ["a:user:1:call", "a:user:2:call", "account:A:1"];
const SILENCE: Duration = Duration::from_secs(10);

/// A job: what the protocol knows, and what the walk needs to tell more.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) job: Job,
    pub(super) lane: u128,
    pub(super) queue: Queue,
    pub(super) keys: Vec<String>,
    pub(super) unique_key: Option<String>,
    pub(super) holder: Option<WorkerId>,
    /// What a waiting job waits for, and whether it stands in line for a limit.
    pub(super) parked_by: Option<String>,
    pub(super) limited: bool,
    pub(super) progress: Option<Value>,
    pub(super) permits: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Health {
    Well,
    Silent,
    Gone,
}

pub(super) struct World {
    pub(super) scratch: Scratch,
    pub(super) conn: Single,
    /// In the order in which they were enqueued.
    pub(super) jobs: BTreeMap<Uuid, Known>,
    pub(super) workers: Vec<(WorkerId, Health)>,
    pub(super) closed: HashMap<&'static str, DateTime<Utc>>,
    pub(super) limits: HashMap<&'static str, i32>,
    pub(super) paused: HashSet<Option<u128>>,
    pub(super) seen: BTreeMap<&'static str, usize>,
    pub(super) at: String,
    turn: u64,
}

pub(super) fn queue(publish: bool) -> Queue {
    if publish { Queue::Publish } else { Queue::Interactive }
}

impl World {
    pub(super) async fn new() -> World {
        let scratch = Scratch::new().await;
        let conn = scratch.store.single().await.unwrap();
        let mut world = World {
            scratch,
            conn,
            jobs: BTreeMap::new(),
            workers: Vec::new(),
            closed: HashMap::new(),
            limits: HashMap::new(),
            paused: HashSet::new(),
            seen: BTreeMap::new(),
            at: String::new(),
            turn: 0,
        };
        for _ in 0..3 {
            world.hire().await;
        }
        world
    }

    pub(super) async fn hire(&mut self) {
        let id = WorkerId::new();
        ledger::register(&self.scratch.store, id, "w", "here", "0", &json!({})).await.unwrap();
        self.workers.push((id, Health::Well));
    }

    pub(super) async fn now(&mut self) -> DateTime<Utc> {
        sqlx::query_scalar("select now()").fetch_one(&mut *self.conn).await.unwrap()
    }

    pub(super) fn see(&mut self, what: &'static str, times: usize) {
        *self.seen.entry(what).or_default() += times;
    }

    pub(super) fn of_state(&self, wanted: impl Fn(State) -> bool) -> Vec<Uuid> {
        self.jobs.iter().filter(|(_, known)| wanted(known.job.state)).map(|(id, _)| *id).collect()
    }

    /// A worker; most often one that is not gone.
    fn worker(&self, n: usize) -> (WorkerId, Health) {
        let may_claim =
            |(_, health): &&(WorkerId, Health)| *health != Health::Gone || n.is_multiple_of(7);
        let among: Vec<_> = self.workers.iter().filter(may_claim).collect();
        *among[n % among.len()]
    }

    /// Another takes the place of a worker that nobody will hear of.
    async fn replace(&mut self, id: WorkerId, health: Health) {
        let was_gone = self.workers.contains(&(id, Health::Gone));
        for worker in
            self.workers.iter_mut().filter(|(other, is)| *other == id && *is != Health::Gone)
        {
            worker.1 = health;
        }
        if !was_gone {
            self.hire().await;
        }
    }

    fn pick(&self, pick: Pick) -> Option<Uuid> {
        let mut among = self.of_state(|state| !pick.running || state == State::Running);
        if among.is_empty() {
            among = self.of_state(|_| true);
        }
        (!among.is_empty()).then(|| among[pick.n % among.len()])
    }

    pub(super) fn claim_of(&self, id: Uuid, under: Under) -> Claim {
        let last = self.jobs[&id].job.claim_no.cast_signed();
        let claim_no = match under {
            Under::Last => last,
            Under::OneBefore => last - 1,
            Under::NotYet => last + 1,
        };
        Claim { job_id: JobId(id), claim_no }
    }

    /// What the protocol makes of the event; `false` when it changes nothing.
    pub(super) fn step(&mut self, id: Uuid, event: Event, now: DateTime<Utc>) -> bool {
        let known = self.jobs.get_mut(&id).unwrap();
        let Some(after) = next(&known.job, event, now) else { return false };
        known.job = after;
        if known.job.state != State::Running {
            known.holder = None;
            known.permits.clear();
        }
        true
    }

    pub(super) async fn act(&mut self, act: Act) {
        match act {
            Act::Enqueue { lane, publish, keys, attempts, later } => {
                let kind = if publish { Kind::PublishPost } else { Kind::CreateContent };
                let organization = (lane > 0).then(|| OrganizationId(Uuid::from_u128(lane)));
                let mut job = NewJob::from_value(Origin::Worker, organization, kind, json!({}));
                job.limit_keys = keys.iter().map(|key| KEYS[*key].to_owned()).collect();
                job.max_attempts = attempts;
                job.run_at =
                    if later { Some(self.now().await + TimeDelta::hours(1)) } else { None };
                self.enqueue(job).await;
            }
            Act::RetryEnded { n } => self.retry_ended(n).await,
            Act::Claim { worker, publish, jobs } => {
                let worker = self.worker(worker);
                self.claim(worker, queue(publish), jobs).await;
            }
            Act::ClaimAll { worker, publish } => {
                let worker = self.worker(worker);
                self.claim_all(worker, queue(publish)).await;
            }
            Act::Finish { runs } => {
                let mut ends = Vec::new();
                let now = self.now().await;
                for (pick, under, end) in runs {
                    let Some(id) = self.pick(pick) else { return };
                    if ends
                        .iter()
                        .all(|(claim, ..): &(Claim, Finish, Verdict)| claim.job_id.0 != id)
                    {
                        let (finish, verdict) = finish_of(end, now);
                        ends.push((self.claim_of(id, under), finish, verdict));
                    }
                }
                self.finish(ends, now).await;
            }
            Act::HandBack { runs } => self.hand_back(runs).await,
            Act::Progress { pick, under } => self.progress(pick, under).await,
            Act::Begin { pick, under } => self.begin(pick, under).await,
            Act::Cancel { pick, by_another } => self.cancel(pick, by_another).await,
            Act::Silent { worker } => {
                let (id, health) = self.worker(worker);
                if health == Health::Well {
                    let sql =
                        "update workers set seen_at = now() - interval '1 minute' where id = $1";
                    self.run(sql, id.0).await;
                    self.replace(id, Health::Silent).await;
                }
            }
            Act::Stop { worker } => {
                let (id, _) = self.worker(worker);
                ledger::stop(&self.scratch.store, id).await.unwrap();
                self.replace(id, Health::Gone).await;
            }
            Act::Rescue { limit } => self.rescue(limit).await,
            Act::BecomeDue { n } => {
                let waiting = self.of_state(|state| state == State::Scheduled);
                let from = n % waiting.len().max(1);
                for id in waiting.into_iter().skip(from).take(1 + n % 4) {
                    self.jobs.get_mut(&id).unwrap().job.run_at = self.now().await;
                    self.run("update jobs set run_at = now() where id = $1", id).await;
                }
            }
            Act::Close { .. }
            | Act::TimeOpens { .. }
            | Act::Reopen { .. }
            | Act::FreeParked
            | Act::Limit { .. }
            | Act::Admit { .. }
            | Act::NextInLine { .. }
            | Act::Pause { .. }
            | Act::Resume { .. } => self.hold(act).await,
        }
    }

    async fn run(&mut self, sql: &'static str, id: Uuid) {
        sqlx::query(sql).bind(id).execute(&mut *self.conn).await.unwrap();
    }

    async fn enqueue(&mut self, job: NewJob) -> bool {
        let now = self.now().await;
        let mut keys = job.limit_keys.clone();
        keys.dedup();
        let known = Known {
            job: Job {
                state: if job.run_at.is_some() { State::Scheduled } else { State::Ready },
                run_at: job.run_at.unwrap_or(now),
                attempt: 0,
                max_attempts: job.max_attempts,
                crashes: 0,
                claim_no: 0,
                cancel_requested: false,
                begun: false,
            },
            lane: job.organization_id.map_or(0, |id| id.0.as_u128()),
            queue: job.kind.spec().queue,
            keys,
            unique_key: job.unique_key.clone(),
            holder: None,
            parked_by: None,
            limited: false,
            progress: None,
            permits: Vec::new(),
        };
        let id = job.id.0;
        let is_live = |other: &Known| {
            ended(other.job.state).is_none()
                && other.unique_key.is_some()
                && other.unique_key == known.unique_key
        };
        let live = self.jobs.values().any(is_live);
        let told = ledger::enqueue(&mut self.conn, &[job]).await.unwrap();
        match told.as_slice() {
            [Enqueued::Inserted(_)] if !live => drop(self.jobs.insert(id, known)),
            [Enqueued::AlreadyLive] if live => {}
            _ => panic!("{told:?}, {}", self.at),
        }
        self.see(if live { "already live" } else { "enqueued" }, 1);
        !live
    }

    /// An operator's retry is another job; the ended one stays as it is.
    async fn retry_ended(&mut self, n: usize) {
        let ended = self.of_state(|state| ended(state).is_some());
        if ended.is_empty() {
            return;
        }
        // Of a few jobs, so that the same one is retried again.
        let old = ended[n % ended.len().min(5)];
        let (lane, publish) = (self.jobs[&old].lane, self.jobs[&old].queue == Queue::Publish);
        let kind = if publish { Kind::PublishPost } else { Kind::CreateContent };
        let organization = (lane > 0).then(|| OrganizationId(Uuid::from_u128(lane)));
        let mut job = NewJob::from_value(Origin::Worker, organization, kind, json!({}));
        job.unique_key = Some(format!("retry:{old}"));
        job.retried_from = Some(JobId(old));
        if self.enqueue(job).await {
            self.see("retried", 1);
        }
    }

    pub(super) async fn finish(&mut self, runs: Vec<(Claim, Finish, Verdict)>, now: DateTime<Utc>) {
        let mut expected = Vec::new();
        for (claim, finish, verdict) in &runs {
            let event = Event::Finish(claim.claim_no.cast_unsigned(), *verdict);
            if claim.claim_no < 0 || !self.step(claim.job_id.0, event, now) {
                continue;
            }
            let known = self.jobs.get_mut(&claim.job_id.0).unwrap();
            expected.push(Ended { job_id: claim.job_id, outcome: ended(known.job.state) });
            let wait = match finish {
                Finish::Snooze(_, wait) | Finish::SnoozeFor(_, wait) => Some(wait),
                Finish::Done(_) | Finish::Retry(..) | Finish::Dead(_) | Finish::Cancelled(_) => {
                    None
                }
            };
            known.parked_by = wait.and_then(|wait| wait.key.clone());
            known.limited = wait.is_some_and(|wait| wait.code == "limited");
        }
        self.see("finished", expected.len());
        self.see("finished under a lost claim", runs.len() - expected.len());
        let runs: Vec<_> = runs.into_iter().map(|(claim, finish, _)| (claim, finish)).collect();
        let mut told = ledger::finish(&mut self.conn, &runs).await.unwrap();
        told.sort_by_key(|end| end.job_id);
        expected.sort_by_key(|end| end.job_id);
        assert_eq!(told, expected, "{}", self.at);
    }

    async fn hand_back(&mut self, runs: Vec<(Pick, Under)>) {
        let now = self.now().await;
        let mut claims: Vec<Claim> = Vec::new();
        for (pick, under) in runs {
            let Some(id) = self.pick(pick) else { return };
            if claims.iter().all(|claim| claim.job_id.0 != id) {
                claims.push(self.claim_of(id, under));
            }
        }
        let told = ledger::hand_back(&mut self.conn, &claims).await.unwrap();
        let mut back = 0;
        for claim in &claims {
            let event = Event::HandBack(claim.claim_no.cast_unsigned());
            back += usize::from(claim.claim_no >= 0 && self.step(claim.job_id.0, event, now));
        }
        assert_eq!(told, back as u64, "{}", self.at);
        self.see("handed back", back);
        self.see("handed back under a lost claim", claims.len() - back);
    }

    async fn progress(&mut self, pick: Pick, under: Under) {
        let Some(id) = self.pick(pick) else { return };
        let claim = self.claim_of(id, under);
        let job = &self.jobs[&id].job;
        let holds = job.state == State::Running && under == Under::Last;
        match self.scratch.store.claimed(claim).await {
            Ok(mut tx) if holds => {
                self.turn += 1;
                let progress = json!({ "turn": self.turn });
                ledger::progress(&mut tx, &progress).await.unwrap();
                tx.commit().await.unwrap();
                self.jobs.get_mut(&id).unwrap().progress = Some(progress);
                self.see("wrote", 1);
            }
            Err(Error::ClaimLost(job)) if !holds && job.0 == id => {
                self.see("wrote under a lost claim", 1);
            }
            other => panic!("{other:?}, {}", self.at),
        }
    }

    async fn begin(&mut self, pick: Pick, under: Under) {
        let waits = |known: &Known| known.job.state == State::Running && !known.job.begun;
        let suspects: Vec<Uuid> =
            self.jobs.iter().filter(|(_, known)| waits(known)).map(|(id, _)| *id).collect();
        let suspect = suspects.get(pick.n % suspects.len().max(1)).copied();
        let Some(id) = suspect.or_else(|| self.pick(pick)) else { return };
        let now = self.now().await;
        let claim = self.claim_of(id, under);
        let had_begun = self.jobs[&id].job.begun;
        let event = Event::Begin(claim.claim_no.cast_unsigned());
        let holds = claim.claim_no >= 0 && self.step(id, event, now);
        match ledger::begin(&self.scratch.store, claim).await {
            Ok(()) if holds => self.see("began late", usize::from(!had_begun)),
            Err(Error::ClaimLost(job)) if !holds && job.0 == id => {}
            other => panic!("{other:?}, {}", self.at),
        }
    }

    async fn cancel(&mut self, pick: Pick, by_another: bool) {
        let Some(id) = self.pick(pick) else { return };
        let now = self.now().await;
        let own =
            (self.jobs[&id].lane > 0).then(|| OrganizationId(Uuid::from_u128(self.jobs[&id].lane)));
        let by = if by_another { Some(OrganizationId(Uuid::from_u128(99))) } else { own };
        let told = ledger::cancel(&mut self.conn, by, JobId(id), "a walk").await.unwrap();
        let state = self.jobs[&id].job.state;
        let expected = match state {
            _ if by_another => Cancelled::NotLive,
            State::Scheduled | State::Ready => Cancelled::AtOnce { notify_end: false },
            State::Running => Cancelled::Requested,
            State::Ended(_) => Cancelled::NotLive,
        };
        assert_eq!(told, expected, "{}", self.at);
        if by_another {
            self.see("not theirs to cancel", 1);
        } else if self.step(id, Event::Cancel, now) {
            let asked = state == State::Running;
            self.see(if asked { "asked to cancel" } else { "cancelled" }, 1);
        }
    }

    async fn rescue(&mut self, limit: i32) {
        let now = self.now().await;
        let store = &self.scratch.store;
        let told = ledger::rescue(store, SILENCE, Duration::ZERO, limit).await.unwrap();
        for (_, health) in &mut self.workers {
            if *health == Health::Silent {
                *health = Health::Gone;
            }
        }
        let is_gone =
            |id| self.workers.iter().any(|(other, is)| *other == id && *is == Health::Gone);
        let orphans: Vec<Uuid> = self
            .jobs
            .iter()
            .filter(|(_, known)| known.holder.is_some_and(is_gone))
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(told.len(), orphans.len().min(limit.try_into().unwrap()), "{}", self.at);
        for rescued in told {
            let id = rescued.job_id.0;
            assert!(orphans.contains(&id), "its worker lives, {}", self.at);
            if !self.jobs[&id].job.begun {
                self.see("rescued before it began", 1);
            }
            assert!(self.step(id, Event::Rescue, now), "{}", self.at);
            assert_eq!(rescued.outcome, ended(self.jobs[&id].job.state), "{}", self.at);
            self.see("rescued", 1);
            if rescued.outcome == Some(jobs::protocol::Outcome::Dead) {
                self.see("quarantined", 1);
            }
        }
    }
}

fn finish_of(end: End, now: DateTime<Utc>) -> (Finish, Verdict) {
    let problem = || Problem::new(Code::Unavailable, "a walk");
    let wait = |key: bool| Wait {
        code: "rate_limited".into(),
        message: "a walk".into(),
        key: key.then(|| KEYS[0].to_owned()),
    };
    let length = |secs: i64| Duration::from_secs(secs.cast_unsigned());
    match end {
        End::Done => (Finish::Done(json!({})), Verdict::Done),
        End::Dead => (Finish::Dead(problem()), Verdict::Dead),
        End::Cancelled => (Finish::Cancelled(problem()), Verdict::Cancelled),
        End::Retry { secs } => {
            let pause = TimeDelta::seconds(secs);
            (Finish::Retry(problem(), length(secs)), Verdict::Retry(pause))
        }
        End::Snooze { secs, key } => {
            let until = now + TimeDelta::seconds(secs);
            (Finish::Snooze(until, wait(key)), Verdict::Snooze(until))
        }
        End::SnoozeFor { secs } => {
            let until = now + TimeDelta::seconds(secs);
            (Finish::SnoozeFor(length(secs), wait(false)), Verdict::Snooze(until))
        }
    }
}
