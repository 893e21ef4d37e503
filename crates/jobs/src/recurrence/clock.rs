//! From the local times of a rule to moments, where clocks change too.
//!
//! **Invariant:** what is found is later than `after`, and nothing is left out in between.

use chrono::{
    DateTime, Datelike, FixedOffset, MappedLocalTime, NaiveDateTime, Offset, SubsecRound, TimeZone,
    Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Follows, Rule, Walls};
use crate::wall_time;

/// One firing of a rule. Its planned local time and fold name it among the rule's others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Occurrence {
    /// The local time that the rule names.
    #[schema(value_type = String, example = "2026-03-29T02:30:00")]
    pub planned: NaiveDateTime,
    /// Which pass of a local time that exists twice: 0 for the first, and for all others.
    pub fold: u8,
    /// The moment, with the zone's offset at it.
    #[schema(value_type = String, format = DateTime, example = "2026-03-29T03:00:00+02:00")]
    pub at: DateTime<FixedOffset>,
    /// What a change of the clocks does to it.
    pub shift: Shift,
}

/// What a change of the clocks does to an occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Shift {
    /// Nothing: its local time exists once.
    None,
    /// Its local time does not exist; it is moved to the first moment after the gap.
    Moved,
    /// Its local time exists twice.
    Repeated,
}

/// What a single local time means in a zone, as for the times of a pattern: the first moment after the gap
/// where it does not exist, and the first of two.
pub fn once(wall: NaiveDateTime, zone: Tz) -> Occurrence {
    let at = wall_time::moment(wall, zone).with_timezone(&zone);
    occurrence(wall, at, 0, shift(wall, zone))
}

/// What a change of the clocks does to a local time in a zone.
pub fn shift(wall: NaiveDateTime, zone: Tz) -> Shift {
    match zone.from_local_datetime(&wall) {
        MappedLocalTime::Single(_) => Shift::None,
        MappedLocalTime::Ambiguous(..) => Shift::Repeated,
        MappedLocalTime::None => Shift::Moved,
    }
}

/// Before it no calendar of ours has a year; after the last, the search ends.
const FIRST: DateTime<Utc> = DateTime::from_timestamp(-62_000_000_000, 0).expect("a date");
const LAST_YEAR: i32 = 4000;

/// The next occurrence later than `after`.
pub(super) fn next(rule: &Rule, zone: Tz, after: DateTime<Utc>) -> Option<Occurrence> {
    let after = after.max(FIRST);
    let next = match rule.follows {
        _ if after.year() > LAST_YEAR => None,
        Follows::WallTime => by_wall_time(&rule.walls, zone, after),
        Follows::RealTime => by_real_time(&rule.walls, zone, after),
    };
    next.filter(|next| next.at.year() <= LAST_YEAR)
}

/// Each local time once. Later local times never mean earlier moments, so the first one that is later
/// than `after` is the next.
fn by_wall_time(walls: &Walls, zone: Tz, after: DateTime<Utc>) -> Option<Occurrence> {
    let mut wall = after.with_timezone(&zone).naive_local();
    loop {
        wall = walls.after(wall)?;
        match zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(at) if at > after => {
                return Some(occurrence(wall, at, 0, Shift::None));
            }
            MappedLocalTime::Ambiguous(one, other) if one.min(other) > after => {
                return Some(occurrence(wall, one.min(other), 0, Shift::Repeated));
            }
            // In the second pass of a repeated time: its first pass was the one.
            MappedLocalTime::Single(_) | MappedLocalTime::Ambiguous(..) => {}
            MappedLocalTime::None => return Some(after_gap(walls, wall, zone)),
        }
    }
}

/// All local times of one gap are one occurrence, at the first moment after it: the rule's own occurrence
/// at that moment if there is one, else that of the earliest.
fn after_gap(walls: &Walls, earliest: NaiveDateTime, zone: Tz) -> Occurrence {
    let at = wall_time::moment(earliest, zone).with_timezone(&zone);
    let shown = at.naive_local();
    if walls.has(shown) {
        occurrence(shown, at, 0, Shift::None)
    } else {
        occurrence(earliest, at, 0, Shift::Moved)
    }
}

/// What the clocks show, as often as they show it.
fn by_real_time(walls: &Walls, zone: Tz, after: DateTime<Utc>) -> Option<Occurrence> {
    let local = after.with_timezone(&zone);
    let wall = local.naive_local().trunc_subsecs(0);
    let ahead = shown(walls, walls.after(wall), zone, after);
    let MappedLocalTime::Ambiguous(one, other) = zone.from_local_datetime(&wall) else {
        return ahead;
    };
    if local.offset().fix() == one.max(other).offset().fix() {
        return ahead;
    }
    // In the first pass of a repeated time: its second pass comes before what is later on the clocks, but
    // after what is left of the first.
    let back = clocks_go_back(zone, after, one.max(other).to_utc());
    if ahead.is_some_and(|ahead| ahead.at < back) {
        return ahead;
    }
    let begins = back.with_timezone(&zone).naive_local();
    shown(walls, walls.from(begins), zone, after)
}

/// The first moment later than `after` at which the clocks show `wall`, or one of those that follow it.
fn shown(
    walls: &Walls,
    mut wall: Option<NaiveDateTime>,
    zone: Tz,
    after: DateTime<Utc>,
) -> Option<Occurrence> {
    loop {
        let planned = wall?;
        wall = match zone.from_local_datetime(&planned) {
            MappedLocalTime::Single(at) if at > after => {
                return Some(occurrence(planned, at, 0, Shift::None));
            }
            MappedLocalTime::Ambiguous(one, other) if one.min(other) > after => {
                return Some(occurrence(planned, one.min(other), 0, Shift::Repeated));
            }
            MappedLocalTime::Ambiguous(one, other) if one.max(other) > after => {
                return Some(occurrence(planned, one.max(other), 1, Shift::Repeated));
            }
            MappedLocalTime::Single(_) | MappedLocalTime::Ambiguous(..) => walls.after(planned),
            MappedLocalTime::None => {
                let after_gap = wall_time::moment(planned, zone).with_timezone(&zone);
                walls.from(after_gap.naive_local())
            }
        };
    }
}

/// The moment, later than `before` and no later than `past`, at which the offset changes: once.
fn clocks_go_back(zone: Tz, before: DateTime<Utc>, past: DateTime<Utc>) -> DateTime<Utc> {
    let offset = |at: i64| {
        let at = DateTime::from_timestamp(at, 0).expect("between two moments");
        zone.offset_from_utc_datetime(&at.naive_utc()).fix()
    };
    let (mut old, mut new) = (before.timestamp(), past.timestamp());
    let before = offset(old);
    while new - old > 1 {
        let middle = old + (new - old) / 2;
        if offset(middle) == before { old = middle } else { new = middle }
    }
    DateTime::from_timestamp(new, 0).expect("between two moments")
}

fn occurrence(planned: NaiveDateTime, at: DateTime<Tz>, fold: u8, shift: Shift) -> Occurrence {
    Occurrence { planned, fold, at: at.fixed_offset(), shift }
}
