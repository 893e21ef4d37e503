//! What several events of one subscription say together.
//!
//! Stripe promises no order, and its clock is one of seconds. Events of different seconds are in their
//! order. Within a second, an event that says how the subscription stood before follows the one after
//! which it stood so: the events are steps between stands, and the last stand is the one that more steps
//! lead to than away from. A subscription that is over stays over.
//!
//! **Invariant:** the answer depends on which events there are, never on the order in which they came or
//! on how often.

use std::collections::{BTreeMap, HashMap};

use super::{Change, Stand, Told};

/// What is known of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story<'a> {
    /// The newest event.
    pub newest: &'a Told,
    /// Since when it has its status, in seconds since 1970.
    pub status_since: i64,
    /// The beginnings of its periods, the oldest first, each once.
    pub period_starts: Vec<i64>,
}

/// What these events, all of one subscription, say; nothing when there are none.
pub fn story(events: &[Told]) -> Option<Story<'_>> {
    let mut seconds: BTreeMap<i64, HashMap<&str, &Told>> = BTreeMap::new();
    for told in events {
        seconds.entry(told.at).or_default().insert(&told.event_id, told);
    }
    let mut story: Option<Story<'_>> = None;
    for (at, group) in seconds {
        let before = story.as_ref().map(|story| &story.newest.subscription.stand);
        let mut group: Vec<&Told> = group.into_values().collect();
        let is_over = |told: &&Told| told.subscription.stand.is_final();
        if group.iter().any(is_over) || before.is_some_and(Stand::is_final) {
            group.retain(is_over);
        }
        let Some(newest) = last(group, before) else { continue };
        let stand = &newest.subscription.stand;
        let mut next = match story {
            Some(story) if story.newest.subscription.stand.status == stand.status => {
                Story { newest, ..story }
            }
            Some(story) => Story { newest, status_since: at, ..story },
            None => Story { newest, status_since: at, period_starts: Vec::new() },
        };
        if let Some(start) = stand.period_start
            && next.period_starts.last() != Some(&start)
        {
            next.period_starts.push(start);
        }
        story = Some(next);
    }
    story
}

/// The last of the events of one second, after the subscription stood like this.
fn last<'a>(mut group: Vec<&'a Told>, before: Option<&Stand>) -> Option<&'a Told> {
    // The ids make of equals a first and a last, the same in any order.
    group.sort_by(|one, other| (one.change, &one.event_id).cmp(&(other.change, &other.event_id)));
    let newest = *group.last()?;
    if newest.change != Change::Updated {
        return Some(newest);
    }
    let created = group.iter().find(|told| told.change == Change::Created);
    let start = created.map(|told| &told.subscription.stand).or(before);
    group.retain(|told| told.change == Change::Updated);
    let mut surplus: HashMap<&Stand, i64> = HashMap::new();
    for told in &group {
        let after = &told.subscription.stand;
        *surplus.entry(after).or_default() += 1;
        *surplus.entry(told.before.as_ref().unwrap_or(after)).or_default() -= 1;
    }
    let most = group.iter().map(|told| surplus[&told.subscription.stand]).max()?;
    group.retain(|told| surplus[&told.subscription.stand] == most);
    // As many steps lead away from it as to it: they went round, back to where they began. Not every
    // event names all that changed, so the status may have to do.
    let same = |told: &&&Told| Some(&told.subscription.stand) == start;
    let status = start.map(|start| &start.status);
    let alike = |told: &&&Told| Some(&told.subscription.stand.status) == status;
    let round = group.iter().rev().find(same).or_else(|| group.iter().rev().find(alike));
    match round {
        Some(told) if most == 0 => Some(*told),
        _ => group.last().copied(),
    }
}
