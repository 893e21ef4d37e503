//! How a post's totals and its events stay one: pure functions.
//!
//! A network tells of a post in two ways: each thing that happens, by webhook, and totals, when it is
//! asked. Both come late, twice and in any order. Every change is an event with a signed count, dated
//! by when it happened where that is known, else by when the total was seen.
//!
//! A network that tells of something by webhook tells its total as well.
//!
//! **Invariant:** the sum of a post's events of a type is its total of that type; a total is unknown
//! while there is no event.

use chrono::{DateTime, TimeDelta, Utc};

use platforms::{EngagementType, Totals};

/// What is known of a post.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The sums of its events.
    pub totals: Totals,
    /// The moment of which the network last told totals.
    pub polled_at: Option<DateTime<Utc>>,
}

/// An event to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub of: EngagementType,
    /// How many more, or fewer.
    pub count: i64,
    /// When.
    pub at: DateTime<Utc>,
}

impl Standing {
    /// Takes in one that happened at `at`, and that is recorded as such an event by now. What happened
    /// before the totals were last seen is in them already: the answer takes it away from that look.
    pub fn hear(&mut self, of: EngagementType, at: DateTime<Utc>) -> Option<Change> {
        match (self.totals[of], self.polled_at) {
            (Some(_), Some(polled_at)) if at <= polled_at => {
                Some(Change { of, count: -1, at: polled_at })
            }
            (total, _) => {
                self.totals[of] = Some(total.unwrap_or_default() + 1);
                None
            }
        }
    }

    /// Takes in totals that the network told as those of the moment `at`. What it did not tell stays as
    /// it is. `None` when later ones are known.
    pub fn look(&mut self, at: DateTime<Utc>, told: &Totals) -> Option<Vec<Change>> {
        if self.polled_at.is_some_and(|polled_at| at <= polled_at) {
            return None;
        }
        self.polled_at = Some(at);
        let mut changes = Vec::new();
        for (of, total) in told.iter() {
            let Some(total) = total else { continue };
            let count = total - self.totals[of].unwrap_or_default();
            if count != 0 || self.totals[of].is_none() {
                changes.push(Change { of, count, at });
            }
            self.totals[of] = Some(total);
        }
        Some(changes)
    }
}

/// How often totals are asked for while a post is younger than an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// The age.
    pub younger_than: TimeDelta,
    /// The pause between two looks while things change.
    pub every: TimeDelta,
    /// How many times longer the pause becomes at most while nothing does.
    pub slowest: i32,
}

/// When the totals of a post are asked for next, after `unchanged` looks in a row that found nothing
/// new; `None` when it is too old. `cadence` is in the order of ages.
pub fn next_look(
    cadence: &[Cadence],
    published_at: DateTime<Utc>,
    now: DateTime<Utc>,
    unchanged: i32,
) -> Option<DateTime<Utc>> {
    let age = now - published_at;
    let of_age = cadence.iter().find(|step| age < step.younger_than)?;
    let doubled = 1_i32.checked_shl(unchanged.clamp(0, 30).cast_unsigned()).unwrap_or(i32::MAX);
    Some(now + of_age.every * doubled.min(of_age.slowest).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const T: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn at(second: i64) -> DateTime<Utc> {
        T + TimeDelta::seconds(second)
    }

    /// What happens at the network: a like, or one taken back.
    fn story() -> impl Strategy<Value = Vec<bool>> {
        prop::collection::vec(prop::bool::weighted(0.8), 1..40)
    }

    proptest! {
        /// Likes come and go, one a second; each that comes is told by webhook, and the network is asked
        /// for the total at some moments. All that is told comes in any order, and twice.
        #[test]
        fn the_sum_of_events_is_the_total_whatever_comes_first(
            story in story(),
            polls in prop::collection::btree_set(0i64..40, 1..6),
            order in prop::collection::vec(any::<u32>(), 200),
        ) {
            let total_after = |second: i64| -> i64 {
                story.iter().take(usize::try_from(second).unwrap_or_default())
                    .map(|like| if *like { 1 } else { -1 }).sum()
            };
            #[derive(Clone, Copy, Debug)]
            enum Told { Like(i64), Total(i64) }
            // The n-th thing happens at second n + 1; a look at second s sees all up to it.
            let likes = story.iter().enumerate().filter(|(_, like)| **like)
                .map(|(nth, _)| Told::Like(nth as i64 + 1));
            let told: Vec<Told> = likes.chain(polls.iter().map(|second| Told::Total(*second))).collect();
            let mut told: Vec<(u32, Told)> = told.iter().chain(&told)
                .zip(order.iter().cycle()).map(|(told, order)| (*order, *told)).collect();
            told.sort_by_key(|(order, _)| *order);

            let (mut standing, mut known) = (Standing::default(), BTreeSet::new());
            let mut events: Vec<Change> = Vec::new();
            let mut last_look = None;
            for (_, told) in told {
                match told {
                    Told::Like(second) => {
                        if !known.insert(second) { continue; }
                        events.push(Change { of: EngagementType::Like, count: 1, at: at(second) });
                        events.extend(standing.hear(EngagementType::Like, at(second)));
                    }
                    Told::Total(second) => {
                        let mut totals = Totals::default();
                        totals[EngagementType::Like] = Some(total_after(second));
                        let changes = standing.look(at(second), &totals);
                        prop_assert_eq!(changes.is_none(), last_look.is_some_and(|last| second <= last));
                        events.extend(changes.unwrap_or_default());
                        last_look = last_look.max(Some(second));
                    }
                }
                let sum: i64 = events.iter().map(|event| event.count).sum();
                prop_assert_eq!(standing.totals[EngagementType::Like], Some(sum));
                if let Some(last) = last_look {
                    let since = known.iter().filter(|second| **second > last).count() as i64;
                    prop_assert!(sum >= total_after(last) && sum <= total_after(last) + since);
                }
            }
            // What was not told by a webhook afterwards is found by the next look.
            let mut totals = Totals::default();
            totals[EngagementType::Like] = Some(total_after(1000));
            events.extend(standing.look(at(1000), &totals).unwrap_or_default());
            let sum: i64 = events.iter().map(|event| event.count).sum();
            prop_assert_eq!(sum, total_after(1000));
        }
    }

    #[test]
    fn a_look_that_finds_none_makes_known_that_there_is_none() {
        let mut standing = Standing::default();
        let mut told = Totals::default();
        told[EngagementType::Save] = Some(0);
        let changes = standing.look(at(1), &told);
        assert_eq!(changes, Some(vec![Change { of: EngagementType::Save, count: 0, at: at(1) }]));
        assert_eq!(standing.totals[EngagementType::Save], Some(0));
        assert_eq!(standing.totals[EngagementType::Click], None, "what is not told stays unknown");
        assert_eq!(standing.look(at(2), &told), Some(Vec::new()));
        // Told no more: what was known stays.
        assert_eq!(standing.look(at(3), &Totals::default()), Some(Vec::new()));
        assert_eq!(standing.totals[EngagementType::Save], Some(0));
    }

    #[test]
    fn looks_become_rare_with_age_and_when_nothing_happens() {
        let minutes = TimeDelta::minutes;
        let cadence = [
            Cadence { younger_than: minutes(60), every: minutes(5), slowest: 2 },
            Cadence { younger_than: minutes(600), every: minutes(30), slowest: 8 },
        ];
        let next = |age: i64, unchanged| {
            next_look(&cadence, T, T + minutes(age), unchanged)
                .map(|next| (next - T).num_minutes() - age)
        };
        assert_eq!(next(0, 0), Some(5));
        assert_eq!(next(59, 1), Some(10));
        assert_eq!(next(59, 40), Some(10));
        assert_eq!(next(60, 0), Some(30));
        assert_eq!(next(60, 2), Some(120));
        assert_eq!(next(60, i32::MAX), Some(240));
        assert_eq!(next(600, 0), None);
    }
}
