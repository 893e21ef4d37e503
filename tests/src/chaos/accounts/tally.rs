//! The totals, boundary by boundary.
//!
//! **Invariant:** a run is good only when there is no complaint, of whatever boundary.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::fates::{Accounts, Generated};
use super::step::{Generation, Plan, Refresh};

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
