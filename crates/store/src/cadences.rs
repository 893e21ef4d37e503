//! `cadences`: how often the scheduler does what, as data.
//!
//! **Invariant:** the scheduler has no interval of its own: each is a row here.

use serde::Serialize;
use std::time::Duration;

use crate::{Conn, Result};

/// How often something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cadence {
    /// What is done: the word that logs and metrics use.
    pub step: String,
    /// How often, in milliseconds.
    pub every_ms: i64,
    /// What for, for people.
    pub purpose: String,
}

impl Cadence {
    /// How often.
    pub fn every(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.every_ms).unwrap_or_default())
    }
}

/// All of them, by name.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn all(conn: &mut Conn) -> Result<Vec<Cadence>> {
    Ok(sqlx::query_as!(
        Cadence,
        r#"select step, (extract(epoch from every) * 1000)::bigint as "every_ms!", purpose
           from cadences order by step"#
    )
    .fetch_all(conn)
    .await?)
}
