//! The places of the fleet's processes, kept filled as a supervisor would.
//!
//! **Invariant:** a place has one victim at a time; a process that ends without being asked to is an
//! oddity, and is replaced.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use super::ground::Ground;
use super::plan::Role;
use crate::harness::{Fleet, Process};

/// How long a process may take to start while servers go up and down.
const START: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Place {
    role: Role,
    process: Arc<Process>,
    /// Whether it works, and nobody does anything to it.
    is_free: bool,
}

/// The places.
#[derive(Debug)]
pub(crate) struct Crew(Mutex<Vec<Place>>);

/// A place whose process is somebody's victim.
#[derive(Debug)]
pub(crate) struct Victim {
    place: usize,
    role: Role,
    /// The process.
    pub(crate) process: Arc<Process>,
    /// When it was taken.
    pub(crate) since: DateTime<Utc>,
}

impl Crew {
    /// The processes of a fleet that works.
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let place = |role| move |process| Place { role, process, is_free: true };
        let mut places = vec![place(Role::Api)(fleet.api_process())];
        places.extend(fleet.schedulers().into_iter().map(place(Role::Scheduler)));
        places.extend(fleet.workers().into_iter().map(place(Role::Worker)));
        Self(Mutex::new(places))
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every place has a process that works.
    pub(crate) fn is_whole(&self) -> bool {
        self.places().iter().all(|place| place.is_free && place.process.ended().is_none())
    }

    fn take(&self, role: Role, draw: u64) -> Option<Victim> {
        let mut places = self.places();
        let is_there =
            |place: &Place| place.role == role && place.is_free && place.process.ended().is_none();
        let mut there: Vec<(usize, &mut Place)> =
            places.iter_mut().enumerate().filter(|(_, place)| is_there(place)).collect();
        let chosen = usize::try_from(draw % u64::try_from(there.len()).ok()?.max(1)).ok()?;
        let (place, chosen) = there.get_mut(chosen)?;
        chosen.is_free = false;
        Some(Victim { place: *place, role, process: chosen.process.clone(), since: Utc::now() })
    }

    /// A process of this role, as soon as there is one to which nobody does anything.
    ///
    /// # Errors
    /// When there is none for long.
    pub(crate) async fn victim(&self, role: Role, draw: u64) -> Result<Victim> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(victim) = self.take(role, draw) {
                return Ok(victim);
            }
            ensure!(Instant::now() < deadline, "no {role:?} works for long");
            sleep(LOOK).await;
        }
    }

    /// Gives the victim back: it works on.
    pub(crate) fn spare(&self, victim: &Victim) {
        self.places()[victim.place].is_free = true;
    }

    fn fill(&self, place: usize, process: Arc<Process>) {
        let mut places = self.places();
        places[place].process = process;
        places[place].is_free = true;
    }

    /// Places that lost their process without anybody's doing; they are taken by this.
    fn deserted(&self) -> Vec<(usize, Role, Arc<Process>)> {
        let mut places = self.places();
        let lost = places.iter_mut().enumerate().filter(|(_, place)| place.is_free);
        lost.filter(|(_, place)| place.process.ended().is_some())
            .map(|(index, place)| {
                place.is_free = false;
                (index, place.role, place.process.clone())
            })
            .collect()
    }
}

impl Ground {
    /// Starts a process in the victim's place, and gives it back when it works.
    ///
    /// # Errors
    /// When it does not come to work.
    pub(crate) async fn replace(&self, victim: &Victim) -> Result<()> {
        self.fill(victim.place, victim.role).await
    }

    async fn fill(&self, place: usize, role: Role) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            let process = match role {
                Role::Api => self.fleet.spawn_api()?,
                Role::Scheduler => self.fleet.spawn_scheduler()?,
                Role::Worker => self.fleet.spawn_worker()?,
            };
            if self.works(role, &process, deadline).await? {
                self.crew.fill(place, process);
                return Ok(());
            }
            let (name, status) = (process.name(), process.ended());
            let said = process.tail();
            self.record.oddity(format!("{name} ended while it started: {status:?}\n{said}"));
        }
    }

    /// Waits until the process says that it works; `false` when it ended instead.
    async fn works(&self, role: Role, process: &Process, deadline: Instant) -> Result<bool> {
        let word = match role {
            Role::Api => "api.listening",
            Role::Scheduler => "scheduler.started",
            Role::Worker => "worker.started",
        };
        loop {
            let ended = process.ended().is_some();
            if process.log().contains(word) {
                return Ok(true);
            }
            if ended {
                return Ok(false);
            }
            let in_time = Instant::now() < deadline;
            in_time.then_some(()).with_context(|| format!("{} does not start", process.name()))?;
            sleep(LOOK).await;
        }
    }

    /// Replaces processes that end by themselves, for ever.
    pub(crate) async fn supervise(&self) -> Infallible {
        loop {
            for (place, role, process) in self.crew.deserted() {
                let (name, status) = (process.name(), process.ended());
                self.record
                    .oddity(format!("{name} ended by itself: {status:?}\n{}", process.tail()));
                if let Err(error) = self.fill(place, role).await {
                    self.record.oddity(format!("{error:#}"));
                }
            }
            sleep(LOOK).await;
        }
    }
}
