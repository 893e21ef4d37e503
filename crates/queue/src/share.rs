//! How many slots of a queue one organization may take: a share of what the living workers offer.
//!
//! **Invariant:** the share leaves at least one slot to every organization.

use std::collections::HashMap;
use std::sync::RwLock;

use jobs::Queue;

/// The share of each queue, as of the last look at the living workers.
#[derive(Debug)]
pub(crate) struct Share {
    percent: u32,
    slots: RwLock<HashMap<Queue, i64>>,
}

const POISON: &str = "nobody panics while holding this lock";

impl Share {
    /// Before the first look, this process' own slots are all there are.
    pub(crate) fn new(percent: u32, own: &[(Queue, usize)]) -> Self {
        let own = own.iter().map(|&(queue, n)| (queue, i64::try_from(n).unwrap_or(i64::MAX)));
        Self { percent, slots: RwLock::new(own.collect()) }
    }

    pub(crate) fn update(&self, slots: Vec<(Queue, i64)>) {
        *self.slots.write().expect(POISON) = slots.into_iter().collect();
    }

    /// Of one organization, at most so many jobs of the queue run at once in the whole fleet.
    pub(crate) fn of_one(&self, queue: Queue) -> i32 {
        let slots = self.slots.read().expect(POISON).get(&queue).copied().unwrap_or(1);
        self.part(slots)
    }

    /// The same share of slots that are free right now.
    pub(crate) fn of(&self, free: usize) -> i32 {
        self.part(i64::try_from(free).unwrap_or(i64::MAX))
    }

    fn part(&self, slots: i64) -> i32 {
        let part = slots.saturating_mul(i64::from(self.percent)) / 100;
        i32::try_from(part.max(1)).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_takes_its_percent_of_the_living_workers_slots_and_one_at_least() {
        let share = Share::new(75, &[(Queue::Publish, 8), (Queue::Control, 1)]);
        assert_eq!(share.of_one(Queue::Publish), 6);
        assert_eq!(share.of_one(Queue::Control), 1);
        share.update(vec![(Queue::Publish, 24)]);
        assert_eq!(share.of_one(Queue::Publish), 18);
    }
}
