//! What became of accounts and generations, and whether it is as promised.
//!
//! **Invariant:** whatever is not as promised at its boundary is a complaint.

use super::step::Plan;

/// How an account ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was never asked to be connected again.
    Kept,
    /// It was, for this reason, and is back.
    Asked(String),
}

/// What there was of an account in a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Refreshes that the network accepted: each makes a new set of tokens.
    pub(super) accepted: usize,
    /// And those that it refused.
    pub(super) refused: usize,
    /// How often each of the planned posts is at the network.
    pub(super) posts: Vec<usize>,
    /// How often its people were told that it is to be connected again before its token ends.
    pub(super) told_soon: i64,
    /// And that it is to be connected again now.
    pub(super) told_needed: i64,
}

/// What became of some accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accounts {
    pub(super) runs: usize,
    pub(super) accepted: usize,
    pub(super) refused: usize,
    pub(super) kept: usize,
    pub(super) lost_answers: usize,
    pub(super) posts: usize,
    pub(super) doubled: usize,
    pub(super) lost: usize,
    pub(super) complaints: Vec<String>,
}

impl Accounts {
    /// One more.
    pub(super) fn add(&mut self, plan: Plan, end: End, seen: Seen) {
        self.runs += 1;
        self.accepted += seen.accepted;
        self.refused += seen.refused;
        self.posts += seen.posts.iter().sum::<usize>();
        let mut wrong = Vec::new();
        // It makes the one set of tokens with which the round may end.
        if seen.accepted != 1 {
            self.doubled += seen.accepted.saturating_sub(1);
            wrong.push("one refresh was to be accepted");
        }
        let more = seen.posts.iter().map(|posts| posts.saturating_sub(1)).sum::<usize>();
        let missing = seen.posts.iter().filter(|posts| **posts == 0).count();
        self.doubled += more;
        if more > 0 || seen.posts.is_empty() || missing > 0 {
            wrong.push("each post was to be there once");
        }
        let told_again = (seen.told_soon - 1).max(0) + (seen.told_needed - 1).max(0);
        self.doubled += usize::try_from(told_again).unwrap_or_default();
        let (soon, needed) = match &end {
            End::Kept => (0, 0),
            End::Asked(_) => (i64::from(plan.lives), 1),
        };
        if (seen.told_soon, seen.told_needed) != (soon, needed) {
            wrong.push("its people were to be told once, if at all");
        }
        let is_promised = match &end {
            End::Kept => true,
            End::Asked(reason) => {
                plan.refresh.loses_the_answer() && reason.contains("refresh answer lost")
            }
        };
        match (&end, is_promised) {
            (End::Kept, _) => self.kept += 1,
            (End::Asked(_), true) => self.lost_answers += 1,
            (End::Asked(_), false) => {
                wrong.push("only a lost answer was to be a reason to connect again")
            }
        }
        self.lost += missing + usize::from(!is_promised);
        if !wrong.is_empty() {
            self.complaints.push(format!("{}: {plan:?} {end:?} {seen:?}", wrong.join("; ")));
        }
    }

    pub(super) fn merge(&mut self, other: Accounts) {
        self.runs += other.runs;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.kept += other.kept;
        self.lost_answers += other.lost_answers;
        self.posts += other.posts;
        self.doubled += other.doubled;
        self.lost += other.lost;
        self.complaints.extend(other.complaints);
    }
}

/// What became of some generations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Generated {
    pub(super) runs: usize,
    pub(super) asks: usize,
    pub(super) done: usize,
    pub(super) used: i64,
    pub(super) doubled: usize,
    pub(super) lost: usize,
    pub(super) complaints: Vec<String>,
}

impl Generated {
    /// One more: how many requests and versions there are of it, the request's status and how its job
    /// ended, and how often a model was asked, and might be at most.
    pub(super) fn add(
        &mut self,
        (requests, versions): (i64, i64),
        (status, ends): (&str, &str),
        asks: usize,
        most: usize,
    ) {
        self.runs += 1;
        self.asks += asks;
        self.doubled += usize::try_from((versions - 1).max(0)).unwrap_or_default();
        self.lost += usize::from(versions == 0);
        let is_done = (requests, versions, status, ends) == (1, 1, "in_review", "done");
        self.done += usize::from(is_done);
        if !is_done || asks == 0 || asks > most {
            self.complaints.push(format!(
                "{requests} requests with {versions} versions, {status}, its jobs: {ends}, {asks} asks"
            ));
        }
    }

    /// What these were counted for, and what is still reserved.
    pub(super) fn counted(&mut self, used: i64, reserved: i64, runs: usize) {
        self.used += used;
        let more = usize::try_from(used).unwrap_or_default().saturating_sub(runs);
        self.doubled += more;
        if usize::try_from(used) != Ok(runs) || reserved != 0 {
            let of = format!("{runs} generations counted as {used}, {reserved} still reserved");
            self.complaints.push(of);
        }
    }

    pub(super) fn merge(&mut self, other: Generated) {
        self.runs += other.runs;
        self.asks += other.asks;
        self.done += other.done;
        self.used += other.used;
        self.doubled += other.doubled;
        self.lost += other.lost;
        self.complaints.extend(other.complaints);
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::{Generation, Refresh};
    use super::*;

    fn plan(refresh: Refresh, lives: bool) -> Plan {
        Plan { refresh, generation: Generation::Asked, lives, replay_ends_grant: true }
    }

    fn judged(refresh: Refresh, lives: bool, end: End, seen: Seen) -> Accounts {
        let mut accounts = Accounts::default();
        accounts.add(plan(refresh, lives), end, seen);
        accounts
    }

    fn seen(accepted: usize, posts: &[usize], told_soon: i64, told_needed: i64) -> Seen {
        Seen { accepted, refused: 0, posts: posts.into(), told_soon, told_needed }
    }

    #[test]
    fn only_a_lost_answer_is_a_reason_to_connect_again_and_it_is_told_once() {
        let lost = || End::Asked("Reconnect needed: refresh answer lost.".to_owned());
        for good in [
            judged(Refresh::Sent, false, End::Kept, seen(1, &[1], 0, 0)),
            judged(Refresh::Acted, false, lost(), seen(1, &[1], 0, 1)),
            judged(Refresh::Acted, true, lost(), seen(1, &[1, 1], 1, 1)),
        ] {
            assert!(good.complaints.is_empty() && good.lost + good.doubled == 0, "{good:?}");
        }
        for bad in [
            judged(Refresh::Sent, false, lost(), seen(1, &[1], 0, 1)),
            judged(Refresh::Acted, false, End::Asked("gone".to_owned()), seen(1, &[1], 0, 1)),
            judged(Refresh::Acted, false, lost(), seen(1, &[1], 0, 2)),
            judged(Refresh::Acted, true, lost(), seen(1, &[1], 0, 1)),
            judged(Refresh::Stored, false, End::Kept, seen(2, &[1], 0, 0)),
            judged(Refresh::Stored, false, End::Kept, seen(1, &[2], 0, 0)),
            judged(Refresh::Stored, false, End::Kept, seen(1, &[0], 0, 0)),
            judged(Refresh::Stored, false, End::Kept, seen(1, &[], 0, 0)),
        ] {
            assert_eq!(bad.complaints.len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn a_generation_is_done_once_and_counted_once() {
        let judged = |counts, ends, asks, used, reserved| {
            let mut generated = Generated::default();
            generated.add(counts, ends, asks, 2);
            generated.counted(used, reserved, 1);
            generated.complaints.is_empty()
        };
        let done = ("in_review", "done");
        assert!(judged((1, 1), done, 1, 1, 0) && judged((1, 1), done, 2, 1, 0));
        assert!(!judged((1, 2), done, 2, 1, 0) && !judged((1, 0), done, 2, 1, 0));
        assert!(!judged((2, 1), done, 2, 1, 0) && !judged((1, 1), ("failed", "dead"), 2, 1, 0));
        assert!(!judged((1, 1), ("in_review", "done done"), 2, 1, 0));
        assert!(!judged((1, 1), done, 3, 1, 0) && !judged((1, 1), done, 0, 1, 0));
        assert!(!judged((1, 1), done, 1, 2, 0) && !judged((1, 1), done, 1, 1, 1));
        assert!(!judged((1, 1), done, 1, 0, 0));
    }
}
