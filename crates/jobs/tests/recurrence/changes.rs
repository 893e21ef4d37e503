//! Every change of the clocks there is, from 2020 to 2035.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Offset, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

/// A change of the clocks, and what else changes within four days of it. Zones that do the same at the same
/// moments share it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) at: DateTime<Utc>,
    /// One of the zones.
    pub(crate) zone: Tz,
}

fn offset(zone: Tz, at: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
}

/// The changes in a zone, with the offsets before and after: no zone changes twice within six hours.
fn of_zone(zone: Tz) -> Vec<(DateTime<Utc>, i32, i32)> {
    let mut changes = Vec::new();
    let mut at = Utc.with_ymd_and_hms(2019, 12, 20, 0, 0, 0).unwrap();
    let end = Utc.with_ymd_and_hms(2036, 1, 10, 0, 0, 0).unwrap();
    let mut before = offset(zone, at);
    while at < end {
        let next = at + Duration::hours(6);
        let after = offset(zone, next);
        if before != after {
            let (mut old, mut new) = (at.timestamp(), next.timestamp());
            while new - old > 1 {
                let middle = old + (new - old) / 2;
                let moment = DateTime::from_timestamp(middle, 0).unwrap();
                if offset(zone, moment) == before { old = middle } else { new = middle }
            }
            changes.push((DateTime::from_timestamp(new, 0).unwrap(), before, after));
        }
        (at, before) = (next, after);
    }
    changes
}

/// All changes of all zones, each once.
pub(crate) fn all() -> Vec<Change> {
    let mut known = BTreeMap::new();
    for zone in TZ_VARIANTS {
        let changes = of_zone(zone);
        for (at, ..) in &changes {
            let near: Vec<_> = changes
                .iter()
                .filter(|(other, ..)| (*other - at).abs() < Duration::days(5))
                .collect();
            let years = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap()
                ..Utc.with_ymd_and_hms(2036, 1, 1, 0, 0, 0).unwrap();
            if years.contains(at) {
                known.entry((*at, format!("{near:?}"))).or_insert(Change { at: *at, zone });
            }
        }
    }
    known.into_values().collect()
}
