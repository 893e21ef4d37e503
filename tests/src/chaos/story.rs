//! What the frontends want, one story after another: the load, a function of the seed.
//!
//! | story | jobs |
//! | --- | --- |
//! | content | `content.create` in batches |
//! | posts | `content.create`, then `schedule.create` for a moment within the run |
//! | later | `content.create`, `schedule.create` for tomorrow, then `schedule.cancel` for half of them |
//! | accounts | `connection.import`, which calls the network and takes seconds |
//! | regrets | `content.create` for a moment later, and `job.cancel` |
//!
//! **Invariant:** every job carries a mark that no other job has, so that its effects can be counted.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// What one frontend does in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// So many texts.
    Content(usize),
    /// So many posts, and after how many seconds they are due.
    Posts(usize, i64),
    /// So many schedules for tomorrow.
    Later(usize),
    /// So many accounts.
    Accounts(usize),
    /// So many texts that nobody wants after all.
    Regrets(usize),
}

impl Story {
    /// How many jobs it asks for.
    pub(crate) fn jobs(self) -> usize {
        match self {
            Story::Content(count) | Story::Accounts(count) => count,
            Story::Posts(count, _) | Story::Regrets(count) => 2 * count,
            Story::Later(count) => 2 * count + count / 2,
        }
    }
}

/// How far the bursts of stories are apart.
pub(crate) const BURST: Duration = Duration::from_secs(4);

/// Makes stories up until enough jobs are asked for, in bursts.
#[derive(Debug)]
pub(crate) struct Teller {
    rng: StdRng,
    jobs: usize,
    asked: usize,
    span: Duration,
}

impl Teller {
    /// At least `jobs` jobs over `span`, a burst of them every few seconds. Posts are due within a fifth
    /// of that time, half a minute at most.
    pub(crate) fn new(seed: u64, jobs: usize, span: Duration) -> Self {
        let rng = StdRng::seed_from_u64(seed ^ 0x0c0a_57e1);
        Self { rng, jobs, asked: 0, span }
    }

    /// The next story, its mark, and when it begins since the beginning of all.
    pub(crate) fn next_story(&mut self) -> Option<(Story, usize, Duration)> {
        if self.asked >= self.jobs {
            return None;
        }
        let latest =
            i64::try_from(self.span.as_secs() / 5).map_or(30, |latest| latest.clamp(6, 30));
        let rng = &mut self.rng;
        let story = match rng.random_range(0..100) {
            0..50 => Story::Content(rng.random_range(1..=100)),
            50..70 => Story::Posts(rng.random_range(1..=8), rng.random_range(5..=latest)),
            70..80 => Story::Later(rng.random_range(1..=8)),
            80..95 => Story::Accounts(rng.random_range(1..=6)),
            _ => Story::Regrets(rng.random_range(1..=6)),
        };
        let mark = self.asked;
        let at = self.span.mul_f64(mark as f64 / self.jobs as f64);
        self.asked += story.jobs();
        Some((story, mark, burst_before(at)))
    }

    /// The last story and its mark, when only so many jobs were acknowledged in the end.
    pub(crate) fn missing(&mut self, acknowledged: usize) -> Option<(Story, usize)> {
        let missing = self.jobs.checked_sub(acknowledged).filter(|missing| *missing > 0)?;
        let (story, mark) = (Story::Content(missing.min(100)), self.asked);
        self.asked += story.jobs();
        Some((story, mark))
    }
}

/// The burst at a moment or before it.
pub(crate) fn burst_before(at: Duration) -> Duration {
    let bursts = at.as_millis() / BURST.as_millis();
    BURST * u32::try_from(bursts).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stories_come_in_bursts_until_enough_is_asked_for() {
        let span = Duration::from_secs(60);
        let all = |seed| {
            let mut teller = Teller::new(seed, 5_000, span);
            std::iter::from_fn(|| teller.next_story()).collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        let stories = all(1);
        let jobs: usize = stories.iter().map(|(story, ..)| story.jobs()).sum();
        assert!((5_000..5_200).contains(&jobs), "{jobs}");
        assert!(
            stories.iter().all(|(.., at)| *at < span && at.as_millis() % BURST.as_millis() == 0)
        );
        let posts = stories.iter().filter(|(story, ..)| matches!(story, Story::Posts(..)));
        assert!(posts.count() > 10);
    }
}
