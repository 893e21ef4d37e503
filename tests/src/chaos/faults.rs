//! Faults, carried out at their times, whatever else is going wrong then.
//!
//! **Invariant:** a fault is counted when it has happened; one that could not be done is an oddity.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use futures::future::join_all;
use nix::sys::signal::Signal;
use sqlx::Row as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::crew::Victim;
use super::ground::Ground;
use super::plan::{Fault, Role};
use super::record::{End, Fate};
use crate::harness::{Down, Lost, Proxy, Server};

/// How long a process may take to end after SIGTERM: its own limit, and some.
const LEAVE: Duration = Duration::from_secs(30);

const HAD: &str = "select j.id::text from jobs j join workers w on w.id = j.worker
                   where w.name = any ($1) and w.lost_at is null";

impl Ground {
    /// Carries out a plan that begins at `began`, to its end.
    pub(crate) async fn suffer(&self, plan: Vec<(Duration, Fault)>, began: Instant) {
        let one = async |at, fault: Fault| {
            sleep_until(began + at).await;
            let word = fault.word();
            if let Err(error) = self.commit(fault).await {
                self.record.oddity(format!("{word}: {error:#}"));
            }
        };
        join_all(plan.into_iter().map(|(at, fault)| one(at, fault))).await;
    }

    async fn commit(&self, fault: Fault) -> Result<()> {
        let word = fault.word();
        match fault {
            Fault::Kill { role, draw, back_after } => {
                let victim = self.crew.victim(role, draw).await?;
                victim.process.kill().await?;
                self.record.fault(word);
                self.met(&victim, End::Killed, Vec::new());
                sleep(back_after).await;
                self.replace(&victim).await
            }
            Fault::Freeze { role, draw, time } => {
                let victim = self.crew.victim(role, draw).await?;
                victim.process.freeze()?;
                sleep(time).await;
                victim.process.thaw()?;
                self.record.fault(word);
                self.met(&victim, End::Frozen, Vec::new());
                self.crew.spare(&victim);
                Ok(())
            }
            Fault::RollOver { role, draw } => {
                let victim = self.crew.victim(role, draw).await?;
                self.roll_over(&victim, role).await?;
                self.record.fault(word);
                Ok(())
            }
            Fault::Restart { server, down, time } => {
                self.restart(server, down, time).await?;
                self.record.fault(word);
                Ok(())
            }
            Fault::EmptyRedis => {
                let _alone = self.redis.lock().await;
                self.servers()?.empty_redis().await?;
                self.record.fault(word);
                Ok(())
            }
            Fault::Cut { server, time } => {
                self.cut(server, time).await?;
                self.record.fault(word);
                Ok(())
            }
            Fault::LoseAnswers { time } => {
                self.front.loses(Lost::Answers);
                sleep(time).await;
                self.front.loses(Lost::Nothing);
                self.record.fault(word);
                Ok(())
            }
            Fault::Network { rule, .. } => {
                self.fleet.simulator().fault(*rule).await?;
                self.record.fault(word);
                Ok(())
            }
        }
    }

    fn met(&self, victim: &Victim, end: End, had: Vec<String>) {
        let (process, at) = (victim.process.name().to_owned(), victim.since);
        self.record.fate(Fate { process, end, at, until: Utc::now(), had });
    }

    /// A new process begins before the old one has ended; an API has its address to itself.
    async fn roll_over(&self, victim: &Victim, role: Role) -> Result<()> {
        let name = [victim.process.name().to_owned()];
        let rows = self.eyes.glance(HAD, &name).await.unwrap_or_default();
        let had = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        victim.process.signal(Signal::SIGTERM)?;
        if role != Role::Api {
            self.replace(victim).await?;
        }
        let status = victim.process.end(LEAVE).await;
        let end = match &status {
            Ok(status) if status.success() => End::RolledOver,
            _ => End::Stuck,
        };
        self.met(victim, end, had);
        if role == Role::Api {
            self.replace(victim).await?;
        }
        let status = status?;
        ensure!(status.success(), "{} ended with {status}:\n{}", name[0], victim.process.tail());
        Ok(())
    }

    async fn restart(&self, server: Server, down: Down, time: Duration) -> Result<()> {
        let _alone = self.turn(server).lock().await;
        let since = Utc::now();
        self.servers()?.bring(server, down).await?;
        sleep(time).await;
        self.servers()?.bring_back().await?;
        if server == Server::Postgres {
            self.record.outage_since(since);
        }
        Ok(())
    }

    async fn cut(&self, server: Server, time: Duration) -> Result<()> {
        let _alone = self.turn(server).lock().await;
        let since = Utc::now();
        let line = self.line(server)?;
        line.cut();
        sleep(time).await;
        line.mend();
        if server == Server::Postgres {
            self.record.outage_since(since);
        }
        Ok(())
    }

    fn turn(&self, server: Server) -> &tokio::sync::Mutex<()> {
        match server {
            Server::Postgres => &self.postgres,
            Server::Redis => &self.redis,
        }
    }

    fn line(&self, server: Server) -> Result<&Proxy> {
        let line = match server {
            Server::Postgres => &self.fleet.postgres,
            Server::Redis => &self.fleet.redis,
        };
        line.as_ref().context("a fleet that can be cut")
    }

    fn servers(&self) -> Result<&crate::harness::Servers> {
        self.fleet.servers.as_ref().context("a fleet with servers of its own")
    }
}
