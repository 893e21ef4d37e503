//! A database of one's own, cloned from a template that `scheduler migrate` made once.
//!
//! **Invariant:** the processes' logins are the real ones; their passwords are the same for all
//! databases of a server, because roles belong to the server.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::Url;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::process::{Process, binary};
use super::setup::random_hex;
use crate::wait::{self, PATIENCE};

/// Who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// The owner of the tables, who migrates.
    Owner,
    /// `api-lite`.
    Api,
    /// `scheduler`.
    Scheduler,
    /// `worker`.
    Worker,
}

impl Login {
    /// The logins of the three processes.
    pub const PROCESSES: [Login; 3] = [Login::Api, Login::Scheduler, Login::Worker];

    /// The role.
    pub fn role(self) -> &'static str {
        match self {
            Login::Owner => "the owner",
            Login::Api => "ezre_api",
            Login::Scheduler => "ezre_scheduler",
            Login::Worker => "ezre_worker",
        }
    }

    /// The variable that holds its URL.
    pub fn variable(self) -> &'static str {
        match self {
            Login::Owner => "MIGRATE_DATABASE_URL",
            Login::Api => "API_DATABASE_URL",
            Login::Scheduler => "SCHEDULER_DATABASE_URL",
            Login::Worker => "WORKER_DATABASE_URL",
        }
    }
}

/// A Postgres server: that of the test run, or a test's own.
#[derive(Clone, Debug)]
struct Server {
    owner: Url,
}

/// A database, deleted when this is dropped.
#[derive(Debug)]
pub struct Database {
    server: Server,
    name: String,
}

impl Server {
    fn of_this_run() -> Result<Self> {
        let url = std::env::var("TEST_DATABASE_URL")
            .context("TEST_DATABASE_URL names no Postgres server (bin/test starts one)")?;
        Self::of_owner(&url).context("TEST_DATABASE_URL")
    }

    fn of_owner(url: &str) -> Result<Self> {
        Ok(Self { owner: Url::parse(url).map_err(|_| anyhow!("no URL"))? })
    }

    fn host(&self) -> String {
        let host = self.owner.host_str().unwrap_or("127.0.0.1");
        format!("{host}:{}", self.owner.port().unwrap_or(5432))
    }

    fn password(&self, login: Login) -> String {
        let digest = Sha256::digest(format!("{} {}", login.role(), self.owner));
        hex::encode(&digest[..16])
    }

    fn url(&self, login: Login, database: &str, by_way_of: Option<SocketAddr>) -> Result<Url> {
        let mut url = self.owner.clone();
        url.set_path(database);
        if login != Login::Owner {
            let set = url.set_username(login.role());
            set.and_then(|()| url.set_password(Some(&self.password(login))))
                .map_err(|()| anyhow!("TEST_DATABASE_URL takes no login"))?;
        }
        if let Some(proxy) = by_way_of {
            url.set_host(Some(&proxy.ip().to_string())).context("the proxy's address")?;
            url.set_port(Some(proxy.port())).map_err(|()| anyhow!("the proxy's port"))?;
        }
        Ok(url)
    }

    async fn connect(&self) -> Result<PgConnection> {
        PgConnection::connect(self.owner.as_str()).await.context("the owner's login")
    }

    /// The migrated template, made by whoever comes first.
    async fn template(&self, conn: &mut PgConnection) -> Result<String> {
        let name = format!("ezre_template_{:016x}", fingerprint(&binary("scheduler")?)?);
        run(conn, "select pg_advisory_lock(hashtext('ezre test template'))").await?;
        let known = sqlx::query("select from pg_database where datname = $1").bind(&name);
        if known.fetch_optional(&mut *conn).await?.is_none() {
            let draft = format!("ezre_draft_{}", random_hex(4));
            run(conn, &format!("create database {draft}")).await?;
            self.migrate(&draft).await?;
            // The server may need a moment to see that `scheduler migrate` has hung up.
            wait::until("the template is free", PATIENCE, async || {
                let renamed = run(conn, &format!("alter database {draft} rename to {name}")).await;
                Ok(renamed.ok())
            })
            .await?;
        }
        run(conn, "select pg_advisory_unlock_all()").await?;
        Ok(name)
    }

    async fn migrate(&self, database: &str) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut environment = Vec::new();
        for login in [Login::Owner].into_iter().chain(Login::PROCESSES) {
            let url = self.url(login, database, None)?;
            environment.push((login.variable().to_owned(), url.to_string()));
        }
        let migrate =
            Process::start("migrate", folder.path(), "scheduler", &["migrate"], &environment)?;
        let status = migrate.end(PATIENCE).await?;
        ensure!(status.success(), "scheduler migrate ended with {status}:\n{}", migrate.tail());
        Ok(())
    }
}

impl Database {
    /// A new database with the present schema, and nothing in it.
    ///
    /// # Errors
    /// When there is no server, or `scheduler migrate` fails.
    pub async fn new() -> Result<Self> {
        Self::made_on(Server::of_this_run()?).await
    }

    /// As [`Database::new`], on the server whose owner this URL logs in.
    ///
    /// # Errors
    /// As for [`Database::new`].
    pub async fn on(owner_url: &str) -> Result<Self> {
        Self::made_on(Server::of_owner(owner_url)?).await
    }

    async fn made_on(server: Server) -> Result<Self> {
        let mut conn = server.connect().await?;
        let template = server.template(&mut conn).await?;
        let name = format!("ezre_test_{}", random_hex(6));
        run(&mut conn, &format!("create database {name} template {template}")).await?;
        Ok(Self { server, name })
    }

    /// A new database without the schema.
    ///
    /// # Errors
    /// When there is no server.
    pub async fn empty() -> Result<Self> {
        let server = Server::of_this_run()?;
        let mut conn = server.connect().await?;
        // The logins' passwords come with the template.
        server.template(&mut conn).await?;
        let name = format!("ezre_test_{}", random_hex(6));
        run(&mut conn, &format!("create database {name}")).await?;
        Ok(Self { server, name })
    }

    /// The URL of a superuser, where the test run has one (`TEST_SUPERUSER_URL`).
    pub fn superuser_url(&self) -> Option<String> {
        // Empty counts as not set.
        let mut url = Url::parse(&std::env::var("TEST_SUPERUSER_URL").ok()?).ok()?;
        url.set_path(&self.name);
        Some(url.to_string())
    }

    /// Host and port of the server.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// The URL of a login, through a proxy if there is one.
    ///
    /// # Errors
    /// When the server's own URL is not a usual one.
    pub fn url(&self, login: Login, by_way_of: Option<SocketAddr>) -> Result<String> {
        Ok(self.server.url(login, &self.name, by_way_of)?.to_string())
    }

    /// The password of a login.
    pub fn password(&self, login: Login) -> String {
        match login {
            Login::Owner => self.server.owner.password().unwrap_or_default().to_owned(),
            Login::Api | Login::Scheduler | Login::Worker => self.server.password(login),
        }
    }

    /// A connection.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(&self, login: Login) -> Result<PgConnection> {
        PgConnection::connect(&self.url(login, None)?).await.context(login.role())
    }

    /// Runs statements as the owner.
    ///
    /// # Errors
    /// When one fails.
    pub async fn run(&self, sql: &str) -> Result<()> {
        run(&mut self.connect(Login::Owner).await?, sql).await
    }

    /// The first column of the first row, as text.
    ///
    /// # Errors
    /// When the query fails or finds nothing.
    pub async fn text(&self, sql: &str) -> Result<String> {
        let mut conn = self.connect(Login::Owner).await?;
        let row = sqlx::raw_sql(AssertSqlSafe(format!("select ({sql})::text")));
        Ok(row.fetch_one(&mut conn).await?.try_get(0)?)
    }

    /// Every row of every table, as `table: json`.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn everything(&self) -> Result<Vec<String>> {
        let mut conn = self.connect(Login::Owner).await?;
        let tables =
            "select relname::text from pg_class c join pg_namespace n on n.oid = relnamespace
                      where nspname = 'public' and relkind = 'r' order by 1";
        let mut rows = Vec::new();
        for table in sqlx::raw_sql(tables).fetch_all(&mut conn).await? {
            let table: String = table.try_get(0)?;
            let all = format!("select row_to_json(t)::text from only \"{table}\" t");
            for row in sqlx::raw_sql(AssertSqlSafe(all)).fetch_all(&mut conn).await? {
                rows.push(format!("{table}: {}", row.try_get::<String, _>(0)?));
            }
        }
        Ok(rows)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A destructor may run within a runtime, which allows no second one in its thread. What
        // cannot be deleted goes with the server.
        let _ = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut conn = server.connect().await.ok()?;
                run(&mut conn, &format!("drop database if exists {name} with (force)")).await.ok()
            })
        })
        .join();
    }
}

async fn run(conn: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await?;
    Ok(())
}

/// Changes when the program does.
fn fingerprint(program: &Path) -> Result<u64> {
    let file = std::fs::metadata(program)?;
    let mut hasher = DefaultHasher::new();
    (program, file.len(), file.modified()?).hash(&mut hasher);
    Ok(hasher.finish())
}
