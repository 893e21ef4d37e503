//! The private servers that `bin/bench` has started, and databases of one's own on them.
//!
//! **Invariant:** nothing is measured on a server that does not make commits durable.

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::Url;
use serde_json::{Map, Value};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Row};

use crate::machine::{self, Paid};
use store::{Login, Store};

/// What `bin/bench` has started.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    owner: Url,
    superuser: Url,
    pub(crate) redis: String,
    pub(crate) paid: Paid,
    password: String,
    /// Settings and versions, for whoever reads the figures.
    pub(crate) facts: Map<String, Value>,
}

/// The settings of Postgres that figures depend on.
const SETTINGS: [&str; 15] = [
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "commit_delay",
    "wal_level",
    "wal_compression",
    "autovacuum",
    "autovacuum_naptime",
    "jit",
    "max_connections",
];

const TEMPLATE: &str = "bench_template";

impl Servers {
    /// Finds them, checks that they are durable, and makes a migrated template.
    pub(crate) async fn find() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| format!("{name} is not set: run bin/bench"))
        };
        let owner = Url::parse(&variable("BENCH_DATABASE_URL")?)?;
        let superuser = Url::parse(&variable("BENCH_SUPERUSER_URL")?)?;
        let mut conn = PgConnection::connect(owner.as_str()).await.context("Postgres")?;
        let backend: i32 =
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut conn).await?;
        let paid = Paid {
            postmaster: machine::parent_of(backend.try_into()?)?,
            redis: variable("BENCH_REDIS_PID")?.trim().parse()?,
        };
        let mut facts = Map::new();
        for name in SETTINGS {
            let value: String = sqlx::query_scalar("select current_setting($1)")
                .bind(name)
                .fetch_one(&mut conn)
                .await?;
            facts.insert(name.to_owned(), value.into());
        }
        for name in ["fsync", "synchronous_commit", "full_page_writes"] {
            ensure!(facts[name] == "on", "{name} is {}: commits are not durable", facts[name]);
        }
        for name in ["BENCH_COMMIT", "BENCH_RUSTC", "BENCH_REDIS_VERSION", "BENCH_CPU"] {
            let value = std::env::var(name).unwrap_or_else(|_| "unknown".into());
            facts.insert(name.trim_start_matches("BENCH_").to_lowercase(), value.into());
        }
        facts.insert("cores".into(), machine::cores().into());
        let password = hex::encode(rand::random::<[u8; 16]>());
        let servers =
            Self { owner, superuser, redis: variable("REDIS_URL")?, paid, password, facts };
        servers.make_template(&mut conn).await?;
        Ok(servers)
    }

    async fn make_template(&self, conn: &mut PgConnection) -> Result<()> {
        run(conn, &format!("drop database if exists {TEMPLATE} with (force)")).await?;
        run(conn, &format!("create database {TEMPLATE}")).await?;
        let logins = [Login::Api, Login::Scheduler, Login::Worker];
        let logins: Vec<_> = logins.map(|login| (login, self.password.clone())).into();
        store::migrate::migrate(self.url(None, TEMPLATE)?.as_str(), &logins).await?;
        Ok(())
    }

    fn url(&self, login: Option<Login>, database: &str) -> Result<Url> {
        let mut url = self.owner.clone();
        url.set_path(database);
        if let Some(login) = login {
            let set = url.set_username(login.role());
            set.and_then(|()| url.set_password(Some(&self.password)))
                .map_err(|()| anyhow!("the database's URL takes no login"))?;
        }
        Ok(url)
    }

    /// A new database with the present schema.
    pub(crate) async fn database(&self) -> Result<Database> {
        self.create(&format!("template {TEMPLATE}")).await
    }

    /// A new database with nothing in it.
    pub(crate) async fn empty_database(&self) -> Result<Database> {
        self.create("").await
    }

    async fn create(&self, how: &str) -> Result<Database> {
        let name = format!("bench_{}", hex::encode(rand::random::<[u8; 5]>()));
        let mut conn = PgConnection::connect(self.owner.as_str()).await?;
        run(&mut conn, &format!("create database {name} {how}")).await?;
        let owner = PgPoolOptions::new()
            .max_connections(4)
            .connect(self.url(None, &name)?.as_str())
            .await?;
        Ok(Database { servers: self.clone(), name, owner })
    }

    /// Has every statement of the workers of a database logged with its time, from their next
    /// connection on.
    pub(crate) async fn log_statements(&self, database: &Database) -> Result<()> {
        let mut conn = PgConnection::connect(self.superuser.as_str()).await?;
        let (role, name) = (Login::Worker.role(), &database.name);
        let sql =
            format!("alter role {role} in database {name} set log_min_duration_statement = 0");
        run(&mut conn, &sql).await
    }

    /// Has every statement of a login in a database explained in the log, from its next connection on.
    pub(crate) async fn explain_statements(&self, database: &Database, of: Login) -> Result<()> {
        let mut conn = PgConnection::connect(self.superuser.as_str()).await?;
        let (role, name) = (of.role(), &database.name);
        for setting in [
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_analyze = on",
            "auto_explain.log_buffers = on",
            "auto_explain.log_format = json",
        ] {
            run(&mut conn, &format!("alter role {role} in database {name} set {setting}")).await?;
        }
        Ok(())
    }

    /// Writes everything to disk that was made ready for a measurement, so that the measurement
    /// does not pay for it.
    pub(crate) async fn checkpoint(&self) -> Result<()> {
        let mut conn = PgConnection::connect(self.superuser.as_str()).await?;
        run(&mut conn, "checkpoint").await
    }
}

/// One database, on a server of the bench's own.
#[derive(Debug)]
pub(crate) struct Database {
    servers: Servers,
    name: String,
    /// Connections of the tables' owner.
    pub(crate) owner: PgPool,
}

impl Database {
    /// The URL of a login, or of the owner.
    pub(crate) fn url(&self, login: Option<Login>) -> Result<String> {
        Ok(self.servers.url(login, &self.name)?.to_string())
    }

    /// A process' own connections.
    pub(crate) async fn store(&self, login: Login, connections: u32) -> Result<Store> {
        let store = Store::new(&self.url(Some(login))?, login, connections)?;
        store.verify().await?;
        Ok(store)
    }

    /// Runs statements as the owner.
    pub(crate) async fn run(&self, sql: &str) -> Result<()> {
        run(&mut *self.owner.acquire().await?, sql).await
    }

    /// The first number of the first row.
    pub(crate) async fn number(&self, sql: &str) -> Result<f64> {
        let sql = AssertSqlSafe(format!("select ({sql})::float8"));
        let row = sqlx::raw_sql(sql).fetch_one(&self.owner).await?;
        Ok(row.try_get(0)?)
    }

    /// Deletes it, whoever is still connected.
    pub(crate) async fn drop(self) -> Result<()> {
        self.owner.close().await;
        let mut conn = PgConnection::connect(self.servers.superuser.as_str()).await?;
        run(&mut conn, &format!("drop database {} with (force)", self.name)).await
    }
}

async fn run(conn: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await?;
    Ok(())
}
