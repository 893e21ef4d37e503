//! From what a person means, wall time in an IANA zone, to a moment.
//!
//! A time that does not exist (clocks go forward) is the first moment after the gap; a time that
//! exists twice (clocks go back) is the first of the two.
//!
//! **Invariant:** a valid wall time always has exactly one moment.

use chrono::{DateTime, Duration, MappedLocalTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::Problem;

/// The zone with this IANA name.
///
/// # Errors
/// A [`Problem`] at `timezone` when there is none.
pub fn zone(name: &str) -> Result<Tz, Problem> {
    name.parse().map_err(|_| {
        Problem::argument(
            "timezone",
            format!(
                "unknown time zone {name:?}: expected an IANA name such as Europe/Berlin or UTC"
            ),
        )
    })
}

/// The moment that the wall time means in the zone.
pub fn moment(wall: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        MappedLocalTime::Single(at) => at.to_utc(),
        MappedLocalTime::Ambiguous(first, second) => first.min(second).to_utc(),
        MappedLocalTime::None => after_gap(wall, zone),
    }
}

/// The first moment after the gap in which `wall` lies. Transitions fall on whole seconds; gaps are
/// at most a day long (Samoa, 2011).
fn after_gap(wall: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let exists = |seconds: i64| {
        zone.from_local_datetime(&(floor_second(wall) + Duration::seconds(seconds))).earliest()
    };
    let (mut in_gap, mut past) = (0, 2 * 24 * 3600);
    while past - in_gap > 1 {
        let middle = (in_gap + past) / 2;
        if exists(middle).is_some() { past = middle } else { in_gap = middle }
    }
    exists(past).expect("no zone skips two days").to_utc()
}

fn floor_second(wall: NaiveDateTime) -> NaiveDateTime {
    use chrono::Timelike;
    wall.with_nanosecond(0).expect("zero is a valid nanosecond")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn berlin(wall: &str) -> String {
        moment(wall.parse().unwrap(), chrono_tz::Europe::Berlin).to_rfc3339()
    }

    #[test]
    fn a_time_that_exists_once_is_that_moment() {
        assert_eq!(berlin("2026-07-01T09:00:00"), "2026-07-01T07:00:00+00:00");
        assert_eq!(berlin("2026-12-01T09:00:00"), "2026-12-01T08:00:00+00:00");
    }

    #[test]
    fn a_time_in_the_gap_is_the_first_moment_after_it() {
        assert_eq!(berlin("2026-03-29T02:30:00"), "2026-03-29T01:00:00+00:00");
        let apia = moment("2011-12-30T09:00:00".parse().unwrap(), chrono_tz::Pacific::Apia);
        assert_eq!(apia.to_rfc3339(), "2011-12-30T10:00:00+00:00");
    }

    #[test]
    fn a_time_that_exists_twice_is_the_first_one() {
        assert_eq!(berlin("2026-10-25T02:30:00"), "2026-10-25T00:30:00+00:00");
    }

    #[test]
    fn an_unknown_zone_is_named_with_an_example() {
        let problem = zone("Mars/Olympus").unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("args.timezone"));
        assert!(problem.message.contains("Europe/Berlin"));
    }
}
