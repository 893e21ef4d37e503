//! What goes wrong and when: a pure function of the seed.
//!
//! **Invariant:** every kind of fault is planned at least once, whatever the numbers.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use simulator::Rule;

use super::story::burst_before;
use super::troubles::troubles;
use crate::harness::{Down, Server};

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `api-lite`.
    Api,
    /// `scheduler`.
    Scheduler,
    /// `worker`.
    Worker,
}

/// One thing that goes wrong. `draw` chooses among the processes of the role that are there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// `kill -9`; another process takes the place after a while.
    Kill { role: Role, draw: u64, back_after: Duration },
    /// SIGSTOP, and SIGCONT after a while.
    Freeze { role: Role, draw: u64, time: Duration },
    /// SIGTERM, and a new process: a deploy.
    RollOver { role: Role, draw: u64 },
    /// A server goes down and comes back.
    Restart { server: Server, down: Down, time: Duration },
    /// Redis forgets everything.
    EmptyRedis,
    /// Every connection to the server is cut, and new ones too for a while.
    Cut { server: Server, time: Duration },
    /// What the API answers to the frontends gets lost for a while.
    LoseAnswers { time: Duration },
    /// The network answers as it should not.
    Network { word: &'static str, rule: Box<Rule> },
}

impl Fault {
    /// The kind, for counting.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Fault::Kill { role: Role::Worker, .. } => "kill -9 worker",
            Fault::Kill { role: Role::Scheduler, .. } => "kill -9 scheduler",
            Fault::Kill { role: Role::Api, .. } => "kill -9 API",
            Fault::Freeze { role: Role::Worker, .. } => "SIGSTOP worker past its lease",
            Fault::Freeze { role: Role::Scheduler, .. } => "SIGSTOP scheduler",
            Fault::Freeze { role: Role::Api, .. } => "SIGSTOP API",
            Fault::RollOver { role: Role::Worker, .. } => "SIGTERM worker (deploy)",
            Fault::RollOver { role: Role::Scheduler, .. } => "SIGTERM scheduler (deploy)",
            Fault::RollOver { role: Role::Api, .. } => "SIGTERM API (deploy)",
            Fault::Restart { server: Server::Postgres, down: Down::Killed, .. } => {
                "Postgres restarted, immediate"
            }
            Fault::Restart { server: Server::Postgres, down: Down::Stopped, .. } => {
                "Postgres restarted, fast"
            }
            Fault::Restart { server: Server::Redis, down: Down::Killed, .. } => "Redis killed",
            Fault::Restart { server: Server::Redis, down: Down::Stopped, .. } => "Redis stopped",
            Fault::EmptyRedis => "Redis emptied",
            Fault::Cut { server: Server::Postgres, .. } => "connections to Postgres cut",
            Fault::Cut { server: Server::Redis, .. } => "connections to Redis cut",
            Fault::LoseAnswers { .. } => "answers of the API lost",
            Fault::Network { word, .. } => word,
        }
    }
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 27;

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// How many processes are killed.
    pub(crate) kills: usize,
    /// How long faults happen.
    pub(crate) span: Duration,
    /// After how long a silence a worker is lost.
    pub(crate) lease: Duration,
    /// How long a caller of the network waits for its answer.
    pub(crate) answer: Duration,
    /// How much later the network still acts on a call that was given up.
    pub(crate) late: Duration,
}

/// The faults of a run, in the order of their times since its beginning.
pub(crate) fn plan(seed: u64, scale: Scale) -> Vec<(Duration, Fault)> {
    let mut planner = Planner { rng: StdRng::seed_from_u64(seed), scale, faults: Vec::new() };
    planner.processes();
    planner.servers();
    planner.network();
    planner.faults.sort_by_key(|(at, _)| *at);
    planner.faults
}

struct Planner {
    rng: StdRng,
    scale: Scale,
    faults: Vec<(Duration, Fault)>,
}

impl Planner {
    fn processes(&mut self) {
        let kills = self.scale.kills;
        let others = (kills / 10).max(1);
        let lease = self.scale.lease;
        for (role, count) in [
            (Role::Worker, kills.saturating_sub(2 * others).max(1)),
            (Role::Scheduler, others),
            (Role::Api, others),
        ] {
            self.spread(count, |rng| Fault::Kill {
                role,
                draw: rng.random(),
                back_after: ms(rng, 0, 2_000),
            });
        }
        self.spread(share(kills, 12), |rng| Fault::Freeze {
            role: Role::Worker,
            draw: rng.random(),
            time: lease + ms(rng, 1_000, 4_000),
        });
        for role in [Role::Scheduler, Role::Api] {
            self.spread(share(kills, 2), |rng| Fault::Freeze {
                role,
                draw: rng.random(),
                time: ms(rng, 2_000, 6_000),
            });
        }
        for (role, percent) in [(Role::Worker, 20), (Role::Scheduler, 2), (Role::Api, 2)] {
            let deploy = |rng: &mut StdRng| Fault::RollOver { role, draw: rng.random() };
            self.spread(share(kills, percent), deploy);
        }
    }

    fn servers(&mut self) {
        let kills = self.scale.kills;
        let lease = self.scale.lease;
        for (server, percent) in [(Server::Postgres, 3), (Server::Redis, 4)] {
            for down in [Down::Killed, Down::Stopped] {
                self.spread(share(kills, percent), |rng| Fault::Restart {
                    server,
                    down,
                    time: ms(rng, 100, 3_000),
                });
            }
            self.spread(share(kills, percent), |rng| {
                // One in four is longer than the lease.
                let longest = if rng.random_ratio(1, 4) { lease } else { Duration::ZERO };
                Fault::Cut { server, time: longest + ms(rng, 200, 3_000) }
            });
        }
        self.spread(share(kills, 6), |_| Fault::EmptyRedis);
        self.spread(share(kills, 6), |rng| Fault::LoseAnswers { time: ms(rng, 200, 2_000) });
    }

    fn network(&mut self) {
        let count = share(self.scale.kills, 5);
        for (word, rule) in troubles(self.scale.answer + self.scale.late) {
            self.spread(count, |rng| {
                let times = rng.random_range(1..=3);
                Fault::Network { word, rule: Box::new(rule.clone().times(times)) }
            });
        }
    }

    /// So many faults, one in each of so many equal parts of the time.
    fn spread(&mut self, count: usize, mut fault: impl FnMut(&mut StdRng) -> Fault) {
        for nth in 0..count {
            let part = (nth as f64 + self.rng.random::<f64>()) / count as f64;
            let at = self.scale.span.mul_f64(part);
            let fault = fault(&mut self.rng);
            let at = match fault {
                // These come when there is most to lose.
                Fault::Kill { role: Role::Worker, .. }
                | Fault::Freeze { role: Role::Worker, .. }
                | Fault::RollOver { role: Role::Worker, .. } => {
                    burst_before(at) + ms(&mut self.rng, 50, 1_500)
                }
                Fault::Kill { role: Role::Api, .. } | Fault::LoseAnswers { .. } => {
                    burst_before(at) + ms(&mut self.rng, 0, 300)
                }
                _ => at,
            };
            self.faults.push((at, fault));
        }
    }
}

fn share(kills: usize, percent: usize) -> usize {
    (kills * percent / 100).max(1)
}

fn ms(rng: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.random_range(from..=to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seed: u64, kills: usize) -> Vec<(Duration, Fault)> {
        let second = Duration::from_secs(1);
        let scale = Scale {
            kills,
            span: second * 60,
            lease: second * 10,
            answer: second * 2,
            late: second,
        };
        plan(seed, scale)
    }

    #[test]
    fn a_seed_names_one_plan() {
        assert_eq!(of(7, 20), of(7, 20));
        assert_ne!(of(7, 20), of(8, 20));
    }

    #[test]
    fn every_kind_comes_at_least_once_and_as_many_are_killed_as_asked() {
        let words = |kills| -> std::collections::BTreeSet<&str> {
            of(1, kills).iter().map(|(_, fault)| fault.word()).collect()
        };
        assert_eq!(words(3), words(300));
        assert_eq!(words(3).len(), KINDS);
        for kills in [3, 10, 300] {
            assert_eq!(
                of(1, kills).iter().filter(|(_, f)| matches!(f, Fault::Kill { .. })).count(),
                kills
            );
        }
    }

    #[test]
    fn faults_come_in_order_and_within_their_time() {
        let times: Vec<Duration> = of(3, 50).into_iter().map(|(at, _)| at).collect();
        assert!(times.is_sorted() && times.iter().all(|at| *at < Duration::from_secs(62)));
    }
}
