//! The two schedulers that there always are, each with a line of its own to Postgres.
//!
//! **Invariant:** a scheduler that ends without being asked to is an oddity, and is replaced.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use nix::sys::signal::Signal;

use crate::harness::{Fleet, Login, Lost, Process, Proxy};

/// How long a scheduler may take to end after SIGTERM: its own limit, and some.
const LEAVE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Place {
    line: Proxy,
    process: Arc<Process>,
}

/// The two.
#[derive(Debug)]
pub(super) struct Pair {
    places: Vec<Place>,
    /// Ends that nobody asked for, and what else is not as it should be.
    pub(super) oddities: Vec<String>,
}

/// How many there are.
pub(super) const SCHEDULERS: usize = 2;

fn spawn(fleet: &Fleet, line: &Proxy) -> Result<Arc<Process>> {
    let url = fleet.database.url(Login::Scheduler, Some(line.address()))?;
    fleet.spawn_scheduler_with(vec![(Login::Scheduler.variable(), url)])
}

impl Pair {
    /// Starts them.
    pub(super) async fn start(fleet: &Fleet) -> Result<Self> {
        let place = || {
            let line = Proxy::start(&fleet.database.host(), true)?;
            let process = spawn(fleet, &line)?;
            Ok(Place { line, process })
        };
        let places = (0..SCHEDULERS).map(|_| place()).collect::<Result<_>>()?;
        let pair = Self { places, oddities: Vec::new() };
        pair.work().await?;
        Ok(pair)
    }

    /// Waits until both work.
    async fn work(&self) -> Result<()> {
        let started = self.places.iter().map(|place| place.process.line("scheduler.started"));
        try_join_all(started).await.map(drop)
    }

    /// Kills those at the given places, all of them at once.
    pub(super) async fn kill(&self, places: &[usize]) -> Result<()> {
        let deaths = places.iter().map(|place| self.places[*place].process.kill());
        try_join_all(deaths).await.map(drop)
    }

    /// From now on these answers to both get lost.
    pub(super) fn lose(&self, lost: Lost) {
        self.places.iter().for_each(|place| place.line.loses(lost));
    }

    /// The process at a place.
    pub(super) fn process(&self, place: usize) -> &Process {
        &self.places[place].process
    }

    /// The way to Postgres from a place.
    pub(super) fn line(&self, place: usize) -> &Proxy {
        &self.places[place].line
    }

    /// A new process takes the place before the old one has ended, which is asked to.
    pub(super) async fn deploy(&mut self, fleet: &Fleet, place: usize) -> Result<()> {
        let new = spawn(fleet, &self.places[place].line)?;
        let old = std::mem::replace(&mut self.places[place].process, new);
        old.signal(Signal::SIGTERM)?;
        self.work().await?;
        let status = old.end(LEAVE).await?;
        ensure!(status.success(), "{} ended with {status}:\n{}", old.name(), old.tail());
        Ok(())
    }

    /// Fills the places of those that are gone, and waits until both work. `killed` says which were killed.
    pub(super) async fn refill(&mut self, fleet: &Fleet, killed: &[usize]) -> Result<()> {
        for (nth, place) in self.places.iter_mut().enumerate() {
            let Some(status) = place.process.ended() else { continue };
            if !killed.contains(&nth) {
                let (name, said) = (place.process.name(), place.process.tail());
                self.oddities.push(format!("{name} ended by itself with {status}:\n{said}"));
            }
            place.process = spawn(fleet, &place.line)?;
        }
        self.work().await
    }
}
