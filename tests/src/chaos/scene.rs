//! A fleet whose workers are brought to a boundary together and killed there.
//!
//! **Invariant:** a boundary is reached from outside: by a request that the network holds, by a row or
//! table that somebody else has locked, or by a line that loses the answer to a commit. Between two
//! rounds all workers live and nothing stands in their way.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use simulator::Outcome;
use sqlx::{AssertSqlSafe, PgConnection};

use super::eyes::Eyes;
use super::ground::without_limits;
use crate::harness::{Account, Care, Database, Fleet, Login, Lost, Setup, Tenant};
use crate::wait;

/// How many workers there are; all are killed together.
pub(crate) const WORKERS: usize = 2;
/// How long a round may take to reach its boundary.
const REACH: Duration = Duration::from_secs(40);

/// The fleet, and one organization on it.
pub(crate) struct Scene {
    pub(super) eyes: Eyes,
    pub(super) tenant: Tenant,
    pub(super) network: simulator::Client,
    rng: Mutex<StdRng>,
    pub(super) fleet: Fleet,
}

/// What somebody else has locked, until it is let go.
pub(crate) struct Locked {
    conn: PgConnection,
    pid: i32,
}

impl Locked {
    /// Locks what the statement says. `$1` is the list.
    pub(super) async fn take(
        database: &Database,
        statement: &str,
        list: &[String],
    ) -> Result<Self> {
        let mut conn = database.connect(Login::Owner).await?;
        sqlx::query("begin").execute(&mut conn).await?;
        let mut query = sqlx::query(AssertSqlSafe(statement.to_owned()));
        if statement.contains("$1") {
            query = query.bind(list);
        }
        query.execute(&mut conn).await?;
        let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut conn).await?;
        Ok(Self { conn, pid })
    }

    /// How many connections of a login wait for it.
    pub(super) async fn waiting(&self, eyes: &Eyes, login: Login) -> Result<i64> {
        let waiting = format!(
            "select count(*) from pg_stat_activity
             where usename = '{}' and {} = any (pg_blocking_pids(pid))",
            login.role(),
            self.pid
        );
        eyes.number(&waiting, &[]).await
    }

    /// Lets it go.
    pub(super) async fn release(mut self) -> Result<()> {
        sqlx::query("rollback").execute(&mut self.conn).await?;
        Ok(())
    }
}

impl Scene {
    /// A fleet that is set up so, with servers of its own.
    pub(super) async fn prepare(setup: Setup, care: Care, seed: u64) -> Result<Self> {
        let setup = setup.workers(WORKERS).can_be_cut().own_servers(care);
        let fleet = Fleet::start(setup.with("ORGANIZATION_SLOTS_PERCENT", "100")).await?;
        without_limits(&fleet).await?;
        let tenant = Tenant::new(&fleet).await?;
        let (eyes, network) = (Eyes::of(&fleet.database)?, fleet.simulator());
        let rng = Mutex::new(StdRng::seed_from_u64(seed));
        Ok(Self { eyes, tenant, network, rng, fleet })
    }

    /// From now on the line to Postgres loses these answers.
    pub(super) fn loses(&self, lost: Lost) -> Result<()> {
        self.fleet.postgres.as_ref().context("a fleet that can be cut")?.loses(lost);
        Ok(())
    }

    /// Kills all workers.
    pub(super) async fn kill_workers(&self) -> Result<()> {
        for worker in self.fleet.workers() {
            if worker.ended().is_none() {
                worker.kill().await?;
            }
        }
        Ok(())
    }

    /// Starts workers until there are as many as there were.
    pub(super) async fn start_workers(&self) -> Result<()> {
        let workers = self.fleet.workers();
        let alive = workers.iter().filter(|worker| worker.ended().is_none()).count();
        let new: Vec<_> =
            (alive..WORKERS).map(|_| self.fleet.spawn_worker()).collect::<Result<_>>()?;
        for worker in new {
            worker.line("worker.started").await?;
        }
        Ok(())
    }

    /// How many workers were killed.
    pub(super) fn killed(&self) -> usize {
        self.fleet.workers().len() - WORKERS
    }

    /// Up to a tenth of a second, so that no death comes at the same place twice.
    pub(super) async fn a_moment(&self) {
        let ms = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            rng.random_range(0..100)
        };
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Somebody locks what the statement says, until it is let go. `$1` is the list.
    pub(super) async fn lock(&self, statement: &str, list: &[String]) -> Result<Locked> {
        Locked::take(&self.fleet.database, statement, list).await
    }

    /// Waits until so many of the workers' connections wait for what is locked.
    pub(super) async fn blocked(&self, by: &Locked, wanted: usize) -> Result<()> {
        let see = async || by.waiting(&self.eyes, Login::Worker).await;
        let wanted = i64::try_from(wanted)?;
        let what = "the workers wait for what is locked";
        wait::until_right(what, REACH, see, |seen| *seen == wanted).await.map(drop)
    }

    /// Keeps everybody from writing to a table; reading and locking rows goes on.
    pub(super) async fn lock_table(&self, table: &str) -> Result<Locked> {
        self.lock(&format!("lock table {table} in share mode"), &[]).await
    }

    /// Waits until a statement about a list counts so many.
    pub(super) async fn see(&self, count: &str, list: &[String], wanted: usize) -> Result<()> {
        self.see_within(REACH, count, list, wanted).await
    }

    /// The same with another limit.
    pub(super) async fn see_within(
        &self,
        limit: Duration,
        count: &str,
        list: &[String],
        wanted: usize,
    ) -> Result<()> {
        let see = async || self.eyes.number(count, list).await;
        let wanted = i64::try_from(wanted)?;
        wait::until_right(count, limit, see, |seen| *seen == wanted).await.map(drop)
    }

    /// Waits until so many requests are held under `name` by the network.
    pub(super) async fn held(&self, name: &str, wanted: usize) -> Result<()> {
        let held = async || {
            Ok(self.network.holds().await?.iter().filter(|hold| hold.name == name).count())
        };
        let what = format!("the network holds all {name:?}");
        wait::until_right(&what, REACH, held, |held| *held == wanted).await.map(drop)
    }

    /// Ends what the network holds under `name`.
    pub(super) async fn release(&self, name: &str, outcome: Outcome) -> Result<()> {
        self.network.release_as(name, outcome).await?;
        Ok(())
    }

    /// The organization's first account, and more that were brought in: so many in all.
    pub(super) async fn accounts(&self, wanted: usize) -> Result<Vec<Account>> {
        let mut accounts = vec![self.tenant.account.clone()];
        while accounts.len() < wanted {
            accounts.push(self.tenant.another_account().await?);
        }
        Ok(accounts)
    }
}
