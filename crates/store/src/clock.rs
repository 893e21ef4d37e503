//! The database's clock, which alone decides what is due and what has expired.
//!
//! **Invariant:** no moment of this process' own clock is compared with one of the database's: that of a machine may
//! be wrong. Between two looks only its monotonic clock is used.

use chrono::{DateTime, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Conn, Result, Store};

/// How long a look is counted on.
const FRESH: Duration = Duration::from_secs(10);

/// What time it is.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn now(conn: &mut Conn) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(conn).await?)
}

/// The last look at the database's clock: what it said, and when by the monotonic one.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Option<(DateTime<Utc>, Instant)>>);

impl Clock {
    fn counted(&self) -> Option<DateTime<Utc>> {
        let (said, at) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = at.elapsed();
        (since < FRESH).then(|| said + since)
    }
}

impl Store {
    /// What time it is, give or take half a round trip: for those who ask often, and outside of a transaction. The
    /// database itself is asked every ten seconds.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn now(&self) -> Result<DateTime<Utc>> {
        if let Some(now) = self.clock.counted() {
            return Ok(now);
        }
        let mut conn = self.single().await?;
        let asked = Instant::now();
        let said = now(&mut conn).await? + asked.elapsed() / 2;
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((said, Instant::now()));
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_look_is_counted_on_and_not_for_long() {
        let said = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let seen = |ago: Duration| {
            Clock(Mutex::new(Some((said, Instant::now().checked_sub(ago).unwrap())))).counted()
        };
        let later = seen(Duration::from_secs(3)).unwrap() - said;
        assert!((3..9).contains(&later.num_seconds()), "{later}");
        assert_eq!(seen(FRESH), None);
        assert_eq!(Clock::default().counted(), None);
    }
}
