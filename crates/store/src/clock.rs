//! The database's clock, which alone decides what is due and what has expired.
//!
//! **Invariant:** no moment of this process' own clock is compared with one of the database's.

use chrono::{DateTime, Utc};

use crate::{Conn, Result};

/// What time it is.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn now(conn: &mut Conn) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(conn).await?)
}
