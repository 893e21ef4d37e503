//! Connections, and on whose behalf they act.
//!
//! **Invariant:** a process that logs in as owner or superuser, or with another process' login,
//! gets no connection at all; no connection is given back with its transaction open.

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::{Error, Result};
use jobs::{JobId, OrganizationId};

/// A connection inside a transaction.
pub type Conn = PgConnection;

/// Which process logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// `ezre_api`
    Api,
    /// `ezre_scheduler`
    Scheduler,
    /// `ezre_worker`
    Worker,
}

impl Login {
    /// The role of the process.
    pub const fn role(self) -> &'static str {
        match self {
            Login::Api => "ezre_api",
            Login::Scheduler => "ezre_scheduler",
            Login::Worker => "ezre_worker",
        }
    }

    /// A worker's statements are look-ups by index, planned once. Left to itself, the planner makes
    /// another plan for each claim, or takes a table that was empty when it was last analyzed to be
    /// empty still, and reads all of it.
    const fn planner(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Login::Worker => &[
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
            ],
            Login::Api | Login::Scheduler => &[],
        }
    }

    /// How long a transaction of this process may stand still. What a scheduler has taken in hand waits for it:
    /// one that is frozen there, or whose machine is gone, is not waited for.
    const fn idle_timeout(self) -> &'static str {
        match self {
            Login::Scheduler => "5s",
            Login::Api | Login::Worker => "60s",
        }
    }

    /// How long a statement of this process may take.
    const fn statement_timeout(self) -> &'static str {
        match self {
            Login::Api => "10s",
            Login::Scheduler | Login::Worker => "60s",
        }
    }
}

/// A connection that takes longer to say that it is there is let go.
const ANSWER: Duration = Duration::from_secs(2);

/// How long a connection that answered is taken to be there.
const TRUSTED: Duration = Duration::from_millis(100);

/// How long a group of requests waits for a lock that somebody else holds.
const GROUP_LOCK: &str = "100ms";

/// The database, for one process.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    login: Login,
    verified: Arc<AtomicBool>,
    pub(crate) clock: Arc<Clock>,
}

/// How many connections a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Open now.
    pub open: u32,
    /// Open, and used by nobody right now.
    pub idle: u32,
    /// At most so many.
    pub most: u32,
}

/// The right to write under one claim of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub job_id: JobId,
    /// The fence.
    pub claim_no: i64,
}

impl Store {
    /// A pool that connects when it is first used: starting before the database is fine. Nothing is
    /// handed out before [`Store::verify`] has succeeded.
    ///
    /// # Errors
    /// [`Error::WrongLogin`] when the URL cannot be read.
    pub fn new(url: &str, login: Login, connections: u32) -> Result<Store> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| Error::WrongLogin("the database URL cannot be read".to_owned()))?
            .application_name(login.role())
            .options([
                ("statement_timeout", login.statement_timeout()),
                ("idle_in_transaction_session_timeout", login.idle_timeout()),
                // No statement of ours runs for so long that compiling it would pay.
                ("jit", "off"),
            ])
            .options(login.planner().iter().copied());
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(2))
            // A request shall not meet a connection that died; jobs meet it, and run again. One that
            // answered a moment ago, when it was given back, is not asked once more.
            .test_before_acquire(false)
            .before_acquire(move |conn, connection| {
                Box::pin(async move {
                    Ok(login != Login::Api
                        || connection.idle_for < TRUSTED
                        || matches!(tokio::time::timeout(ANSWER, conn.ping()).await, Ok(Ok(()))))
                })
            })
            // A connection that answers no more would be asked for ever, and keep its place.
            .after_release(|conn, _| {
                Box::pin(async move {
                    Ok(matches!(tokio::time::timeout(ANSWER, conn.ping()).await, Ok(Ok(()))))
                })
            })
            .connect_lazy_with(options);
        Ok(Store { pool, login, verified: Arc::new(AtomicBool::new(false)), clock: Arc::default() })
    }

    /// The owner's own connections, for tests of single statements.
    #[cfg(test)]
    pub(crate) fn of_owner(pool: PgPool) -> Store {
        let verified = Arc::new(AtomicBool::new(true));
        Store { pool, login: Login::Worker, verified, clock: Arc::default() }
    }

    /// Closes every connection.
    #[cfg(test)]
    pub(crate) async fn hang_up(&self) {
        self.pool.close().await;
    }

    /// Checks that the login is the process' own, that it cannot do more than it should, and that
    /// the schema is the one this build needs.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the database cannot be reached; [`Error::WrongLogin`] and
    /// [`Error::WrongSchema`] for good.
    pub async fn verify(&self) -> Result<()> {
        let mut conn = self.pool.acquire().await?;
        let facts = sqlx::query!(
            r#"select current_user::text as "user!", rolsuper as "superuser!", rolbypassrls as "bypass!",
                      exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                              where n.nspname = 'public' and c.relkind in ('r', 'p')
                                and pg_has_role(current_user, c.relowner, 'member')) as "owner!",
                      exists (select from pg_roles o where o.rolname = 'ezre_operator'
                                and pg_has_role(current_user, o.oid, 'usage')) as "operator!"
               from pg_roles where rolname = current_user"#
        )
        .fetch_one(&mut *conn)
        .await?;
        let refuse = |why: &str| {
            Err(Error::WrongLogin(format!(
                "logged in as {:?}, {why}: use the login {:?}",
                facts.user,
                self.login.role()
            )))
        };
        if facts.superuser || facts.bypass {
            return refuse("which may do everything");
        }
        if facts.owner {
            return refuse("which owns tables");
        }
        if facts.operator {
            return refuse("which is an operator without asking (it must be `noinherit`)");
        }
        if facts.user != self.login.role() {
            return refuse("which is not this process' own");
        }
        crate::migrate::check(&mut conn).await?;
        self.verified.store(true, Ordering::Release);
        Ok(())
    }

    /// [`Store::verify`], repeated until the database answers.
    ///
    /// # Errors
    /// [`Error::WrongLogin`] and [`Error::WrongSchema`].
    pub async fn verify_when_up(&self) -> Result<()> {
        loop {
            match self.verify().await {
                Err(error) if error.is_unavailable() => {
                    tracing::warn!(%error, cause = ?std::error::Error::source(&error), "waiting for the database");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                other => return other,
            }
        }
    }

    /// For single statements, each a transaction of its own.
    pub(crate) fn pool(&self) -> Result<&PgPool> {
        if self.verified.load(Ordering::Acquire) {
            return Ok(&self.pool);
        }
        Err(Error::Unavailable(sqlx::Error::PoolClosed))
    }

    /// Begins a transaction in a task of its own. Whoever asks may be cut at any moment, and sqlx does
    /// not end a transaction whose beginning nobody waited for: it would stay open, with what was set for
    /// it, on a connection that somebody else gets next.
    async fn open(&self, begin: Option<String>) -> Result<Transaction<'static, Postgres>> {
        let pool = self.pool()?.clone();
        let begun = tokio::spawn(async move {
            match begin {
                Some(begin) => pool.begin_with(sqlx::AssertSqlSafe(begin)).await,
                None => pool.begin().await,
            }
        });
        Ok(begun.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
    }

    /// A connection on which each statement is a transaction of its own.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn single(&self) -> Result<Single> {
        Ok(Single(self.pool()?.acquire().await?))
    }

    /// A transaction of the fleet itself.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn begin(&self) -> Result<Tx> {
        Ok(Tx(self.open(None).await?))
    }

    /// A transaction for one organization: row-level security shows its rows alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn acting_for(&self, organization: OrganizationId) -> Result<Acting> {
        // One round trip; the id is a UUID, so nothing needs to be quoted.
        let begin = format!("begin; set local ezre.organization_id = '{}'", organization.0);
        let tx = self.open(Some(begin)).await?;
        Ok(Acting { tx, organization: Some(organization) })
    }

    /// The same for a group of requests: it waits for no lock for long, so that one request cannot
    /// hold up the others.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn acting_for_group(&self, first: OrganizationId) -> Result<Acting> {
        let begin = format!(
            "begin; set local ezre.organization_id = '{}'; set local lock_timeout = '{GROUP_LOCK}'",
            first.0
        );
        let tx = self.open(Some(begin)).await?;
        Ok(Acting { tx, organization: Some(first) })
    }

    /// A transaction for an operator: all organizations' rows, and the fleet's own.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn operating(&self) -> Result<Acting> {
        let tx = self.open(Some("begin; set local role ezre_operator".to_owned())).await?;
        Ok(Acting { tx, organization: None })
    }

    /// A transaction that first locks the claimed job's row: whoever lost the claim gets nothing.
    ///
    /// # Errors
    /// [`Error::ClaimLost`]; [`Error::Unavailable`].
    pub async fn claimed(&self, claim: Claim) -> Result<Claimed> {
        let mut tx = self.open(None).await?;
        let held = sqlx::query!(
            r#"select true as "held!" from jobs
               where id = $1 and claim_no = $2 and (state = 'running') is not false for update"#,
            claim.job_id.0,
            claim.claim_no
        )
        .fetch_optional(&mut *tx)
        .await?;
        match held {
            Some(_) => Ok(Claimed { tx, claim }),
            None => Err(Error::ClaimLost(claim.job_id)),
        }
    }

    /// One answer from the database: whether it serves.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("select 1").execute(self.pool()?).await?;
        Ok(())
    }

    /// The connections of this process.
    pub fn connections(&self) -> Connections {
        Connections {
            open: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            most: self.pool.options().get_max_connections(),
        }
    }

    /// Tells listening workers that a queue has work. Outside of any transaction, so that enqueueing
    /// never waits for the lock that Postgres takes to order notifications.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn notify(&self, queue: jobs::Queue) -> Result<()> {
        sqlx::query!("select pg_notify('jobs', $1)", queue.as_str())
            .fetch_one(self.pool()?)
            .await?;
        Ok(())
    }

    /// Hears what [`Store::notify`] says.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn notifications(&self) -> Result<Notifications> {
        let mut listener = PgListener::connect_with(self.pool()?).await?;
        listener.ignore_pool_close_event(true);
        listener.listen("jobs").await?;
        Ok(Notifications(listener))
    }
}

/// A connection that hears [`Store::notify`].
#[derive(Debug)]
pub struct Notifications(PgListener);

impl Notifications {
    /// The next queue that has work.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the connection is lost.
    pub async fn next(&mut self) -> Result<String> {
        Ok(self.0.recv().await?.payload().to_owned())
    }
}

macro_rules! transaction {
    ($name:ident, $($field:tt)*) => {
        impl Deref for $name {
            type Target = Conn;
            fn deref(&self) -> &Conn {
                &self.$($field)*
            }
        }
        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut Conn {
                &mut self.$($field)*
            }
        }
        impl $name {
            /// Makes everything done here true at once. Dropping undoes it.
            ///
            /// # Errors
            /// [`Error::Unavailable`]: whether it became true is then unknown.
            pub async fn commit(self) -> Result<()> {
                Ok(self.$($field)*.commit().await?)
            }
        }
    };
}

/// A connection on which each statement is a transaction of its own.
#[derive(Debug)]
pub struct Single(PoolConnection<Postgres>);

impl Deref for Single {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Single {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// A transaction of the fleet itself.
#[derive(Debug)]
pub struct Tx(Transaction<'static, Postgres>);
transaction!(Tx, 0);

/// A transaction of the API, for one organization or for an operator.
#[derive(Debug)]
pub struct Acting {
    tx: Transaction<'static, Postgres>,
    organization: Option<OrganizationId>,
}
transaction!(Acting, tx);

impl Acting {
    /// The organization, or `None` for an operator.
    pub fn organization(&self) -> Option<OrganizationId> {
        self.organization
    }

    /// From here on the transaction acts for another organization, and sees its rows alone. Not for
    /// an operator's.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn act_for(&mut self, organization: OrganizationId) -> Result<()> {
        debug_assert!(self.organization.is_some(), "an operator's transaction stays one");
        if self.organization != Some(organization) {
            sqlx::query!(
                "select set_config('ezre.organization_id', $1, true)",
                organization.to_string()
            )
            .fetch_one(&mut *self.tx)
            .await?;
            self.organization = Some(organization);
        }
        Ok(())
    }
}

/// A transaction of a handler, fenced by its job's claim.
#[derive(Debug)]
pub struct Claimed {
    tx: Transaction<'static, Postgres>,
    claim: Claim,
}
transaction!(Claimed, tx);

impl Claimed {
    /// The claim that fences this transaction.
    pub fn claim(&self) -> Claim {
        self.claim
    }
}

#[cfg(test)]
mod tests;
