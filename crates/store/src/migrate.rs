//! The release step: schema, catalogue, logins.
//!
//! **Invariant:** only `scheduler migrate` changes the schema; every other process merely checks
//! that it is the one it needs.

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use crate::session::Login;
use crate::{Error, Result};
use jobs::Kind;

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// Brings schema and catalogue up to date, and sets the password of each login given.
///
/// Waits at most ten seconds for a lock on any table.
///
/// # Errors
/// [`Error::Unavailable`]; [`Error::WrongSchema`] when a migration that has run was changed.
pub async fn migrate(owner_url: &str, logins: &[(Login, String)]) -> Result<()> {
    // The statements that set passwords must not be logged.
    let options = owner_url.parse::<PgConnectOptions>()?.disable_statement_logging();
    let mut conn = PgConnection::connect_with(&options).await?;
    sqlx::query("set lock_timeout = '10s'").execute(&mut conn).await?;
    MIGRATOR.run(&mut conn).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => Error::from(error),
        other => Error::WrongSchema(format!("cannot migrate: {other}")),
    })?;
    write_catalogue(&mut conn).await?;
    for (login, password) in logins {
        // `alter role` takes no parameters; quote_literal makes the password a literal.
        let statement = sqlx::query("select format('alter role %I login password %L', $1, $2)")
            .bind(login.role())
            .bind(password)
            .fetch_one(&mut conn)
            .await?
            .try_get::<String, _>(0)?;
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut conn).await?;
    }
    Ok(())
}

async fn write_catalogue(conn: &mut PgConnection) -> Result<()> {
    let (kinds, callers): (Vec<String>, Vec<String>) = Kind::ALL
        .iter()
        .map(|kind| (kind.as_str().to_owned(), kind.spec().caller.as_str().to_owned()))
        .unzip();
    sqlx::query!(
        "insert into job_kinds (kind, caller) select * from unnest($1::text[], $2::text[])
         on conflict (kind) do update set caller = excluded.caller",
        &kinds,
        &callers
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the schema holds every migration of this build.
pub(crate) async fn check(conn: &mut PgConnection) -> Result<()> {
    let wanted = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default();
    let present: Option<i64> = sqlx::query("select schema_version()")
        .fetch_one(conn)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|error| match &error {
            sqlx::Error::Database(inner) if inner.code().as_deref() == Some("42883") => {
                Error::WrongSchema("the database has no schema yet: run `scheduler migrate`".into())
            }
            _ => Error::from(error),
        })?;
    match present {
        Some(present) if present >= wanted => Ok(()),
        present => Err(Error::WrongSchema(format!(
            "the schema stands at migration {}, this build needs {wanted}: run `scheduler migrate`",
            present.unwrap_or_default()
        ))),
    }
}
