//! What holds jobs back: closed keys, limits and pauses. None of it is an event of the protocol:
//! only a waiting job's moment moves.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use uuid::Uuid;

use super::act::{Act, Under};
use super::world::{KEYS, World};
use crate::ledger::{self, Asking, Told};
use jobs::protocol::{State, Verdict};
use jobs::{OrganizationId, Queue};

impl World {
    pub(super) async fn hold(&mut self, act: Act) {
        let now = self.now().await;
        match act {
            Act::Close { key, forever } => {
                let until = if forever { None } else { Some(now + TimeDelta::hours(1)) };
                ledger::close_key(&mut self.conn, KEYS[key], until, "a walk").await.unwrap();
                let until = until.unwrap_or_else(|| "9999-12-31T00:00:00Z".parse().unwrap());
                let opens = self.closed.entry(KEYS[key]).or_insert(until);
                *opens = until.max(*opens);
            }
            Act::TimeOpens { key } => {
                sqlx::query("delete from closed_keys where key = $1")
                    .bind(KEYS[key])
                    .execute(&mut *self.conn)
                    .await
                    .unwrap();
                self.closed.remove(KEYS[key]);
            }
            Act::Reopen { key } => {
                let told = ledger::reopen_key(&mut self.conn, KEYS[key]).await.unwrap();
                self.closed.remove(KEYS[key]);
                let freed = self.waiting_for(KEYS[key], false, now - TimeDelta::days(1));
                assert_eq!(told, freed.len() as u64, "{}", self.at);
                self.see("reopened", freed.len());
                self.may_look_again(&freed, now);
            }
            Act::FreeParked => {
                let told = ledger::free_parked(&mut self.conn).await.unwrap();
                let soon = now + TimeDelta::seconds(5);
                let open = KEYS.into_iter().filter(|key| !self.closed.contains_key(key));
                let freed: Vec<Uuid> =
                    open.flat_map(|key| self.waiting_for(key, false, soon)).collect();
                assert_eq!(told, freed.len() as u64, "{}", self.at);
                self.see("freed", freed.len());
                self.may_look_again(&freed, now);
            }
            Act::Limit { key, most } => {
                if let Some(most) = most {
                    ledger::set_limit(&mut self.conn, KEYS[key], Some(most), None, "")
                        .await
                        .unwrap();
                    self.limits.insert(KEYS[key], most);
                } else {
                    ledger::remove_limit(&mut self.conn, KEYS[key]).await.unwrap();
                    self.limits.remove(KEYS[key]);
                }
            }
            Act::Admit { under } => self.admit(under, now).await,
            Act::NextInLine { key, n } => {
                let ended = HashMap::from([(KEYS[key].to_owned(), n)]);
                let told = ledger::next_in_line(&mut self.conn, &ended).await.unwrap();
                let line = self.waiting_for(KEYS[key], true, now);
                assert_eq!(told.len(), line.len().min(n.try_into().unwrap()), "{}", self.at);
                let rows = self.rows().await;
                let moment = |id: &Uuid| self.jobs[id].job.run_at;
                let (first, rest): (Vec<Uuid>, Vec<Uuid>) =
                    line.into_iter().partition(|id| rows[id].run_at != moment(id));
                assert_eq!(told.len(), first.len(), "{}", self.at);
                // Some may stand at the same place.
                let (last, next) = (first.iter().map(moment).max(), rest.iter().map(moment).min());
                assert!(next.is_none() || last <= next, "{}", self.at);
                self.see("next in line", first.len());
                self.may_look_again(&first, now);
            }
            Act::Pause { lane } => {
                let (organization, queue) = paused(lane);
                let id = Uuid::now_v7();
                ledger::pause(&mut self.conn, id, organization, queue, "a walk", "").await.unwrap();
                self.paused.insert(lane);
            }
            Act::Resume { lane } => {
                let (organization, queue) = paused(lane);
                let told = ledger::resume(&mut self.conn, organization, queue).await.unwrap();
                assert_eq!(told, self.paused.remove(&lane), "{}", self.at);
            }
            other => unreachable!("{other:?} holds nothing"),
        }
    }

    /// Jobs that wait for the key until after the moment, in line for its limit or for its opening.
    fn waiting_for(&self, key: &str, limited: bool, after: DateTime<Utc>) -> Vec<Uuid> {
        self.jobs
            .iter()
            .filter(|(_, known)| {
                known.job.state == State::Scheduled
                    && known.parked_by.as_deref() == Some(key)
                    && known.limited == limited
                    && known.job.run_at > after
            })
            .map(|(id, _)| *id)
            .collect()
    }

    fn may_look_again(&mut self, ids: &[Uuid], now: DateTime<Utc>) {
        for id in ids {
            self.jobs.get_mut(id).unwrap().job.run_at = now;
        }
    }

    /// Asks for every running job that needs a key and holds none. Who must wait is snoozed.
    async fn admit(&mut self, under: Under, now: DateTime<Utc>) {
        let ids: Vec<Uuid> = self
            .of_state(|state| state == State::Running)
            .into_iter()
            .filter(|id| self.jobs[id].permits.is_empty() && !self.jobs[id].keys.is_empty())
            .collect();
        let asking: Vec<Asking> = ids
            .iter()
            .map(|id| Asking {
                claim: self.claim_of(*id, under),
                keys: self.jobs[id].keys.clone(),
                waited_for: self.jobs[id].parked_by.clone(),
            })
            .collect();
        let told = ledger::admit(&mut self.conn, &asking).await.unwrap();
        let mut ends = Vec::new();
        for (ask, told) in asking.iter().zip(told) {
            match told {
                Told::Run(_) if under != Under::Last => {}
                Told::Run(permits) => {
                    self.see("admitted", permits.len());
                    self.jobs.get_mut(&ask.claim.job_id.0).unwrap().permits = permits;
                }
                Told::Wait(until, wait) => {
                    let finish = ledger::Finish::Snooze(until, wait);
                    ends.push((ask.claim, finish, Verdict::Snooze(until)));
                }
            }
        }
        if under == Under::Last {
            self.see("told to wait", ends.len());
            for (key, most) in &self.limits {
                let held = |known: &&super::world::Known| known.permits.iter().any(|p| p == key);
                let holders = self.jobs.values().filter(held).count();
                let newly = ids.iter().any(|id| self.jobs[id].permits.iter().any(|p| p == key));
                assert!(!newly || holders <= (*most).try_into().unwrap(), "{key}, {}", self.at);
            }
        }
        self.finish(ends, now).await;
    }
}

/// A lane is an organization's all queues; none is the fleet's interactive queue.
fn paused(lane: Option<u128>) -> (Option<OrganizationId>, Option<Queue>) {
    match lane {
        Some(lane) => (Some(OrganizationId(Uuid::from_u128(lane))), None),
        None => (None, Some(Queue::Interactive)),
    }
}
