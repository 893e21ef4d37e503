//! What is done to schedulers, and its order.
//!
//! **Invariant:** every fault that can be done at any time comes as often as the others, and none again before all
//! of them; those that a moment of the series allows come whenever it does.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

/// One thing that is done, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Planning,
    Before,
    At,
    After,
    Both,
    Uncommitted,
    AnswerLost,
    Expanding,
    Counting,
    Frozen,
    FrozenAlone,
    Held,
    Deployed,
    Cut,
}

impl Fault {
    /// Those that can be done at any time.
    pub(crate) const AT_ANY_TIME: [Fault; 12] = [
        Fault::Planning,
        Fault::Before,
        Fault::At,
        Fault::After,
        Fault::Both,
        Fault::Uncommitted,
        Fault::AnswerLost,
        Fault::Frozen,
        Fault::FrozenAlone,
        Fault::Held,
        Fault::Deployed,
        Fault::Cut,
    ];

    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Fault::Planning => "one killed while the tick is planned",
            Fault::Before => "one killed just before the tick",
            Fault::At => "one killed at the tick",
            Fault::After => "one killed just after the tick",
            Fault::Both => "both killed, somewhere around the tick",
            Fault::Uncommitted => "both killed while one writes jobs, not committed",
            Fault::AnswerLost => "both killed: … committed, the commit's answer lost",
            Fault::Expanding => "both killed: series expanded, not committed",
            Fault::Counting => "both killed: occurrences not yet counted against the plan",
            Fault::Frozen => "one frozen over several ticks, then going on",
            Fault::FrozenAlone => "… and the other killed meanwhile",
            Fault::Held => "one frozen while it writes jobs, not committed",
            Fault::Deployed => "one replaced by a deploy (SIGTERM)",
            Fault::Cut => "one cut from Postgres",
        }
    }

    /// When it is done, in milliseconds from a tick; `None` for what the series names the moment of.
    pub(crate) fn moments(self) -> Option<std::ops::Range<i64>> {
        match self {
            Fault::Planning => Some(-320..-40),
            Fault::Before => Some(-40..-2),
            Fault::At => Some(0..3),
            Fault::After => Some(5..250),
            Fault::Both | Fault::Frozen | Fault::FrozenAlone | Fault::Deployed | Fault::Cut => {
                Some(-400..300)
            }
            // Before the tick is planned, which is when the boundary is reached.
            Fault::Uncommitted | Fault::AnswerLost | Fault::Held => Some(-450..-350),
            Fault::Expanding | Fault::Counting => None,
        }
    }
}

/// Faults in the seed's order.
#[derive(Debug, Default)]
pub(crate) struct Deck(Vec<Fault>);

impl Deck {
    /// The next one.
    pub(crate) fn draw(&mut self, rng: &mut StdRng) -> Fault {
        if self.0.is_empty() {
            self.0 = Fault::AT_ANY_TIME.to_vec();
            self.0.shuffle(rng);
        }
        self.0.pop().expect("it was just filled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn every_fault_comes_before_any_comes_again() {
        let drawn = |seed| {
            let (mut rng, mut deck) = (StdRng::seed_from_u64(seed), Deck::default());
            (0..36).map(|_| deck.draw(&mut rng)).collect::<Vec<_>>()
        };
        for deck in drawn(1).chunks(12) {
            let mut deck = deck.to_vec();
            deck.sort_unstable();
            assert_eq!(deck, Fault::AT_ANY_TIME);
        }
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
