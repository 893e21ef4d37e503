//! A database for one test: made from the migrations, dropped with the test.

#![expect(clippy::unwrap_used, reason = "tests")]

use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, PgPool};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use uuid::Uuid;

use crate::{Login, Store};

/// A migrated database of one test's own.
pub(crate) struct Scratch {
    pub(crate) store: Store,
    pub(crate) pool: PgPool,
    server: String,
    name: String,
    logins: Mutex<Vec<Store>>,
}

impl Scratch {
    /// Makes the database on the server that `TEST_DATABASE_URL` names, as its owner.
    pub(crate) async fn new() -> Scratch {
        let server = std::env::var("TEST_DATABASE_URL").expect(
            "TEST_DATABASE_URL must name a private server, as bin/test sets it, \
             such as postgres://ezre_owner:secret@127.0.0.1:5432/ezre",
        );
        let name = format!("ezre_unit_{}", Uuid::now_v7().simple());
        let mut conn = PgConnection::connect(&server).await.unwrap();
        let create = format!("create database {name}");
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut conn).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        let url = format!("{base}/{name}");
        crate::migrate::migrate(&url, &[]).await.unwrap();
        let pool = PgPool::connect(&url).await.unwrap();
        Scratch {
            store: Store::of_owner(pool.clone()),
            pool,
            server,
            name,
            logins: Mutex::default(),
        }
    }

    /// The database under one process' own login. Its password is the one that the end-to-end
    /// tests give it too, because roles belong to the server and not to the database.
    pub(crate) async fn log_in(&self, login: Login) -> Store {
        let digest = Sha256::digest(format!("{} {}", login.role(), self.server));
        let password = hex::encode(&digest[..16]);
        let (base, _) = self.server.rsplit_once('/').unwrap();
        let mut conn = PgConnection::connect(&self.server).await.unwrap();
        // Two at once would change the role's row at once.
        let mut tx = conn.begin().await.unwrap();
        sqlx::query("select pg_advisory_xact_lock(hashtext('ezre test template'))")
            .execute(&mut *tx)
            .await
            .unwrap();
        let logins = [(login, password.clone())];
        crate::migrate::migrate(&format!("{base}/{}", self.name), &logins).await.unwrap();
        tx.commit().await.unwrap();
        let (_, host) = base.rsplit_once('@').unwrap();
        let url = format!("postgres://{}:{password}@{host}/{}", login.role(), self.name);
        let store = Store::new(&url, login, 4).unwrap();
        store.verify().await.unwrap();
        self.logins.lock().unwrap().push(store.clone());
        store
    }

    /// Drops the database.
    pub(crate) async fn drop(self) {
        self.pool.close().await;
        let logins = std::mem::take(&mut *self.logins.lock().unwrap());
        for login in logins {
            login.hang_up().await;
        }
        let mut conn = PgConnection::connect(&self.server).await.unwrap();
        // The server needs a moment to see that we hung up, and only a superuser may hurry it.
        let deadline = Instant::now() + Duration::from_secs(10);
        let open = "select count(*) from pg_stat_activity where datname = $1";
        while Instant::now() < deadline
            && 0 < sqlx::query_scalar::<_, i64>(open)
                .bind(&self.name)
                .fetch_one(&mut conn)
                .await
                .unwrap()
        {
            tokio::task::yield_now().await;
        }
        let drop = format!("drop database {} with (force)", self.name);
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut conn).await.unwrap();
    }
}
