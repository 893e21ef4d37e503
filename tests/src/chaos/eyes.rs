//! What the ledger and the product's tables hold, read past everything that goes wrong.
//!
//! **Invariant:** it only reads, with connections of its own that no fault cuts but a server's
//! restart; then it asks again.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, Row as _};
use tokio::time::Instant;

use crate::harness::{Database, Login};

/// How long an answer is waited for while servers go up and down.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(200);
const GLANCE: Duration = Duration::from_millis(300);

/// A reader.
#[derive(Clone, Debug)]
pub(crate) struct Eyes {
    pool: PgPool,
}

impl Eyes {
    /// Of the owner.
    ///
    /// # Errors
    /// When the URL is not one.
    pub(crate) fn of(database: &Database) -> Result<Self> {
        let options = PgPoolOptions::new().max_connections(4).acquire_timeout(PAUSE * 10);
        Ok(Self { pool: options.connect_lazy(&database.url(Login::Owner, None)?)? })
    }

    /// Rows, if they can be had at once. `$1` is a list of texts.
    pub(crate) async fn glance(&self, sql: &str, list: &[String]) -> Option<Vec<PgRow>> {
        tokio::time::timeout(GLANCE, self.ask(sql, list)).await.ok()?.ok()
    }

    async fn ask(&self, sql: &str, list: &[String]) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        if sql.contains("$1") {
            query = query.bind(list);
        }
        query.fetch_all(&self.pool).await
    }

    /// Rows. `$1` is a list of texts.
    ///
    /// # Errors
    /// When the database does not answer for long.
    pub(crate) async fn rows(&self, sql: &str, list: &[String]) -> Result<Vec<PgRow>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.ask(sql, list).await {
                Ok(rows) => return Ok(rows),
                Err(error) if is_ours(&error) => return Err(error).context(sql.to_owned()),
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).context(format!("no answer for long: {sql}"));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// The number in the one row that there is.
    ///
    /// # Errors
    /// As for [`Eyes::rows`], and when there is no such number.
    pub(crate) async fn number(&self, sql: &str, list: &[String]) -> Result<i64> {
        match &self.rows(&format!("select ({sql})::bigint"), list).await?[..] {
            [row] => Ok(row.try_get(0)?),
            rows => bail!("{} rows: {sql}", rows.len()),
        }
    }
}

/// Whether the statement itself is wrong: 22, 42 and the like, not a server that comes and goes.
fn is_ours(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            !["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
        }
        _ => false,
    }
}
