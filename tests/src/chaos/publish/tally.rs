//! What became of the posts, boundary by boundary.
//!
//! **Invariant:** a post that ended otherwise than published once, or unconfirmed, is a complaint.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::step::Step;

/// What became of some posts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fates {
    runs: usize,
    calls: usize,
    posts: usize,
    published: usize,
    unconfirmed: usize,
    doubled: usize,
    others: Vec<String>,
}

impl Fates {
    /// One more: its schedule's status and post, the posts that the network has of it, and how often
    /// the network was called to make one.
    pub(crate) fn add(&mut self, status: &str, says: Option<&str>, posts: &[&str], calls: usize) {
        self.runs += 1;
        self.calls += calls;
        self.posts += posts.len();
        self.doubled += posts.len().saturating_sub(1);
        match (status, posts) {
            ("published", [post]) if says == Some(*post) => self.published += 1,
            ("published", [_, _, ..]) => self.published += 1,
            ("unconfirmed", _) => self.unconfirmed += 1,
            _ => self.others.push(format!("{status}, says {says:?}, at the network {posts:?}")),
        }
    }

    fn merge(&mut self, other: Fates) {
        self.runs += other.runs;
        self.calls += other.calls;
        self.posts += other.posts;
        self.published += other.published;
        self.unconfirmed += other.unconfirmed;
        self.doubled += other.doubled;
        self.others.extend(other.others);
    }
}

/// The outcome of all rounds.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    seed: u64,
    kills: usize,
    secs: u64,
    steps: BTreeMap<Step, Fates>,
}

impl Tally {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    pub(super) fn add(&mut self, step: Step, fates: Fates) {
        self.steps.entry(step).or_default().merge(fates);
    }

    pub(super) fn ended(&mut self, kills: usize, secs: u64) {
        (self.kills, self.secs) = (kills, secs);
    }

    fn sum(&self, of: impl Fn(&Fates) -> usize) -> usize {
        self.steps.values().map(of).sum()
    }

    /// How many posts were brought to a boundary.
    pub fn runs(&self) -> usize {
        self.sum(|fates| fates.runs)
    }

    /// How many boundaries there were.
    pub fn boundaries(&self) -> usize {
        self.steps.len()
    }

    /// Whether every post ended as it should, and none is there twice.
    pub fn is_good(&self) -> bool {
        self.sum(|fates| fates.doubled + fates.others.len()) == 0
    }

    /// Posts that ended otherwise, for people.
    pub fn complaints(&self) -> Vec<String> {
        let of = |(step, fates): (&Step, &Fates)| -> Vec<String> {
            fates.others.iter().map(|other| format!("{}: {other}", step.words())).collect()
        };
        self.steps.iter().flat_map(of).collect()
    }

    /// The totals, in one line.
    pub fn line(&self) -> String {
        format!(
            "publish seed={} runs={} boundaries={} kills={} duplicates={} published={} \
             unconfirmed={} other={} secs={} verdict={}",
            self.seed,
            self.runs(),
            self.boundaries(),
            self.kills,
            self.sum(|fates| fates.doubled),
            self.sum(|fates| fates.published),
            self.sum(|fates| fates.unconfirmed),
            self.sum(|fates| fates.others.len()),
            self.secs,
            if self.is_good() { "good" } else { "BAD" },
        )
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut page = format!(
            "Seed {}, {} runs, {} workers killed, {} s.\n\n\
             | the worker was killed when | runs | calls | posts | published | unconfirmed | duplicates |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
            self.seed,
            self.runs(),
            self.kills,
            self.secs
        );
        let mut row = |what: &str, of: &Fates| {
            let Fates { runs, calls, posts, published, unconfirmed, doubled, .. } = of;
            let _ = writeln!(
                page,
                "| {what} | {runs} | {calls} | {posts} | {published} | {unconfirmed} | {doubled} |"
            );
        };
        let mut all = Fates::default();
        for (step, fates) in &self.steps {
            row(step.words(), fates);
            all.merge(fates.clone());
        }
        row("**all**", &all);
        for complaint in self.complaints() {
            let _ = writeln!(page, "\n- {complaint}");
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_post_that_is_there_once_and_one_that_is_unconfirmed_are_good() {
        let tally = |status, says, posts: &[&str]| {
            let mut fates = Fates::default();
            fates.add(status, says, posts, 1);
            let mut tally = Tally::new(1);
            tally.add(Step::Acted, fates);
            tally
        };
        assert!(tally("published", Some("7"), &["7"]).is_good());
        assert!(tally("unconfirmed", None, &["7"]).is_good());
        assert!(tally("unconfirmed", None, &[]).is_good());
        for bad in [
            tally("published", Some("7"), &["7", "8"]),
            tally("unconfirmed", None, &["7", "8"]),
            tally("published", Some("7"), &["8"]),
            tally("published", Some("7"), &[]),
            tally("failed", None, &[]),
        ] {
            assert!(!bad.is_good(), "{}", bad.line());
        }
    }
}
