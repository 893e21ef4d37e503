//! A database for one test: made from the migrations, dropped with the test.

#![expect(clippy::unwrap_used, reason = "tests")]

use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::Store;

/// A migrated database of one test's own.
pub(crate) struct Scratch {
    pub(crate) store: Store,
    pub(crate) pool: PgPool,
    server: String,
    name: String,
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
        Scratch { store: Store::of_owner(pool.clone()), pool, server, name }
    }

    /// Drops the database.
    pub(crate) async fn drop(self) {
        self.pool.close().await;
        let mut conn = PgConnection::connect(&self.server).await.unwrap();
        let drop = format!("drop database {} with (force)", self.name);
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut conn).await.unwrap();
    }
}
