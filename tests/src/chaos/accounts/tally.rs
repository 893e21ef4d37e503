//! What became of the accounts and the generations, boundary by boundary.
//!
//! **Invariant:** whatever is not as promised at its boundary is a complaint.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::step::{Generation, Plan, Refresh};

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
    runs: usize,
    accepted: usize,
    refused: usize,
    kept: usize,
    lost_answers: usize,
    posts: usize,
    doubled: usize,
    lost: usize,
    complaints: Vec<String>,
}

impl Accounts {
    /// One more.
    pub(super) fn add(&mut self, plan: Plan, end: End, seen: Seen) {
        self.runs += 1;
        self.accepted += seen.accepted;
        self.refused += seen.refused;
        self.posts += seen.posts.iter().sum::<usize>();
        let mut wrong = Vec::new();
        // The first set of tokens is the one with which the round began; the second one is used in
        // no round.
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
            (End::Asked(_), false) => wrong.push("nothing was lost"),
        }
        self.lost += missing + usize::from(!is_promised);
        if !wrong.is_empty() {
            self.complaints.push(format!("{}: {plan:?} {end:?} {seen:?}", wrong.join("; ")));
        }
    }

    fn merge(&mut self, other: Accounts) {
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
    runs: usize,
    asks: usize,
    done: usize,
    used: i64,
    doubled: usize,
    lost: usize,
    complaints: Vec<String>,
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

    fn merge(&mut self, other: Generated) {
        self.runs += other.runs;
        self.asks += other.asks;
        self.done += other.done;
        self.used += other.used;
        self.doubled += other.doubled;
        self.lost += other.lost;
        self.complaints.extend(other.complaints);
    }
}

/// The outcome of all rounds.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    seed: u64,
    rounds: usize,
    kills: usize,
    secs: u64,
    accounts: BTreeMap<Refresh, Accounts>,
    generated: BTreeMap<Generation, Generated>,
    complaints: Vec<String>,
}

impl Tally {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// One more round, with the jobs that died in it.
    pub(super) fn add(&mut self, plan: Plan, accounts: Accounts, generated: Generated, dead: i64) {
        self.rounds += 1;
        if dead != 0 {
            self.complaints.push(format!("{dead} jobs are dead: {plan:?}"));
        }
        self.accounts.entry(plan.refresh).or_default().merge(accounts);
        self.generated.entry(plan.generation).or_default().merge(generated);
    }

    pub(super) fn ended(&mut self, kills: usize, secs: u64) {
        (self.kills, self.secs) = (kills, secs);
    }

    fn all(&self) -> (Accounts, Generated) {
        let (mut accounts, mut generated) = (Accounts::default(), Generated::default());
        self.accounts.values().for_each(|of| accounts.merge(of.clone()));
        self.generated.values().for_each(|of| generated.merge(of.clone()));
        (accounts, generated)
    }

    /// How many workers were killed.
    pub fn kills(&self) -> usize {
        self.kills
    }

    /// How many boundaries of refreshes, and of generations, there were.
    pub fn boundaries(&self) -> (usize, usize) {
        (self.accounts.len(), self.generated.len())
    }

    /// Whether everything is as promised.
    pub fn is_good(&self) -> bool {
        self.complaints().is_empty()
    }

    /// What is not, for people.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.complaints.clone();
        for (step, of) in &self.accounts {
            complaints.extend(of.complaints.iter().map(|what| format!("{}: {what}", step.words())));
        }
        for (step, of) in &self.generated {
            complaints.extend(of.complaints.iter().map(|what| format!("{}: {what}", step.words())));
        }
        complaints
    }

    /// The totals, in one line.
    pub fn line(&self) -> String {
        let (accounts, generated) = self.all();
        format!(
            "accounts seed={} rounds={} kills={} refreshes={} lost_answers={} doubled={} lost={} \
             generations={} asks={} secs={} verdict={}",
            self.seed,
            self.rounds,
            self.kills,
            accounts.accepted,
            accounts.lost_answers,
            accounts.doubled + generated.doubled,
            accounts.lost + generated.lost,
            generated.runs,
            generated.asks,
            self.secs,
            if self.is_good() { "good" } else { "BAD" },
        )
    }

    /// The page.
    pub fn page(&self) -> String {
        let mut page = format!(
            "Seed {}, {} rounds, {} workers killed, {} s.\n\n\
             | the worker was killed when | accounts | accepted | refused | kept | lost answers | posts | doubled | lost |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.seed, self.rounds, self.kills, self.secs
        );
        let (accounts, generated) = self.all();
        let mut row = |what: &str, of: &Accounts| {
            let Accounts {
                runs, accepted, refused, kept, lost_answers, posts, doubled, lost, ..
            } = of;
            let _ = writeln!(
                page,
                "| {what} | {runs} | {accepted} | {refused} | {kept} | {lost_answers} | {posts} | {doubled} | {lost} |"
            );
        };
        self.accounts.iter().for_each(|(step, of)| row(step.words(), of));
        row("**all**", &accounts);
        page.push_str(
            "\n| the worker was killed when | generations | asks | done | used | doubled | lost |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let mut row = |what: &str, of: &Generated| {
            let Generated { runs, asks, done, used, doubled, lost, .. } = of;
            let _ = writeln!(
                page,
                "| {what} | {runs} | {asks} | {done} | {used} | {doubled} | {lost} |"
            );
        };
        self.generated.iter().for_each(|(step, of)| row(step.words(), of));
        row("**all**", &generated);
        for complaint in self.complaints() {
            let _ = writeln!(page, "\n- {complaint}");
        }
        page
    }
}

#[cfg(test)]
mod tests {
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
