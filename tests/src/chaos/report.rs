//! What a run says in the end: one line of totals, and a page.
//!
//! **Invariant:** a run is good only if nothing was lost, doubled or stuck, no deploy cost anything, and
//! nothing happened that nobody can explain.

use std::fmt::Write as _;

use super::load::Acknowledged;
use super::record::Pages;
use super::rescue::{Deaths, Spread};
use super::run::Options;
use super::verdict::Verdict;

/// The outcome of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was asked for.
    pub(super) options: Options,
    /// How long it took, in seconds.
    pub(super) secs: u64,
    /// What was done to the fleet.
    pub(super) pages: Pages,
    /// What the frontends met.
    pub(super) told: Acknowledged,
    /// What the fleet did.
    pub(super) verdict: Verdict,
    /// What deaths and deploys cost.
    pub(super) deaths: Deaths,
}

impl Report {
    /// How many processes were killed.
    pub fn kills(&self) -> usize {
        let killed = self.pages.faults.iter().filter(|(word, _)| word.starts_with("kill -9"));
        killed.map(|(_, count)| count).sum()
    }

    /// How many jobs were acknowledged.
    pub fn jobs(&self) -> usize {
        self.verdict.jobs
    }

    /// How many kinds of faults there were.
    pub fn kinds(&self) -> usize {
        self.pages.faults.len()
    }

    /// Everything that speaks against the fleet, for people.
    pub fn complaints(&self) -> Vec<String> {
        let mut all = self.verdict.wrong.clone();
        all.extend(self.deaths.costs.iter().cloned());
        all.extend(self.pages.oddities.iter().cloned());
        all
    }

    /// Whether everything was as promised.
    pub fn is_good(&self) -> bool {
        let verdict = &self.verdict;
        verdict.lost + verdict.doubled + verdict.stuck == 0 && self.complaints().is_empty()
    }

    /// The totals, in one line.
    pub fn line(&self) -> String {
        let (verdict, deaths) = (&self.verdict, &self.deaths);
        let rescue = &deaths.rescue;
        format!(
            "chaos seed={} jobs={} kills={} faults={} lost={} doubled={} stuck={} rescue_p50_ms={} \
             rescue_p99_ms={} rescue_max_ms={} undisturbed_p99_ms={} undisturbed_max_ms={} \
             deploys={} deploy_attempts={} published={} unconfirmed={} secs={} verdict={}",
            self.options.seed,
            verdict.jobs,
            self.kills(),
            self.pages.faults.values().sum::<usize>(),
            verdict.lost,
            verdict.doubled,
            verdict.stuck,
            rescue.percentile(50),
            rescue.percentile(99),
            rescue.percentile(100),
            deaths.undisturbed.percentile(99),
            deaths.undisturbed.percentile(100),
            self.deploys(),
            deaths.cost_of_deploys,
            verdict.published,
            verdict.unconfirmed,
            self.secs,
            if self.is_good() { "good" } else { "BAD" },
        )
    }

    fn deploys(&self) -> usize {
        let deploys = self.pages.faults.iter().filter(|(word, _)| word.contains("deploy"));
        deploys.map(|(_, count)| count).sum()
    }

    /// The page.
    pub fn page(&self) -> String {
        let (verdict, deaths, told) = (&self.verdict, &self.deaths, &self.told);
        let mut page = String::new();
        let mut row = |what: &str, value: String| {
            let _ = writeln!(page, "| {what} | {value} |");
        };
        row("figure", "value".to_owned());
        row("---", "---".to_owned());
        row("seed", self.options.seed.to_string());
        row("duration", format!("{} s", self.secs));
        row("jobs acknowledged over HTTP", verdict.jobs.to_string());
        row("jobs ended, the fleet's own included", verdict.ended.to_string());
        row("processes killed with `kill -9`", self.kills().to_string());
        row("faults in all", self.pages.faults.values().sum::<usize>().to_string());
        row("**lost**", verdict.lost.to_string());
        row("**doubled**", verdict.doubled.to_string());
        row("**stuck**", verdict.stuck.to_string());
        row("posts published, each once", verdict.published.to_string());
        row("posts unconfirmed in the end", verdict.unconfirmed.to_string());
        row("posts refused by the network, as it was told to", verdict.refused.to_string());
        row(
            "posts given up before a call: their job was quarantined",
            verdict.given_up.to_string(),
        );
        row("jobs quarantined by their third crash", verdict.quarantined.to_string());
        row("crashes counted by the ledger", deaths.crashes.to_string());
        row(
            "… of workers that lived, cut off for longer than their lease",
            deaths.cut_off.to_string(),
        );
        row("rescue: death to ready again", spread(&deaths.rescue));
        row("… while Postgres was there all the time", spread(&deaths.undisturbed));
        row("… death to running again, jobs that crashed once", spread(&deaths.again));
        row("deploys (SIGTERM)", self.deploys().to_string());
        row("jobs in the hands of workers asked to end", deaths.handed_over.to_string());
        row("**attempts and crashes that deploys cost**", deaths.cost_of_deploys.to_string());
        row("requests repeated by the frontends", told.repeats.to_string());
        row("… whose earlier answer had got lost", told.replays.to_string());
        row("requests refused", told.refusals.len().to_string());
        page.push_str("\n| fault | times |\n| --- | --- |\n");
        for (word, count) in &self.pages.faults {
            let _ = writeln!(page, "| {word} | {count} |");
        }
        for complaint in self.complaints() {
            let _ = writeln!(page, "\n- {}", complaint.lines().next().unwrap_or_default());
        }
        page
    }
}

fn spread(times: &Spread) -> String {
    if times.count() == 0 {
        return "none".to_owned();
    }
    let [p50, p99, max] = [50, 99, 100].map(|percent| times.percentile(percent) as f64 / 1_000.0);
    format!("p50 {p50:.1} s, p99 {p99:.1} s, max {max:.1} s ({} jobs)", times.count())
}

/// Puts a page between its marks in a document, which must have them.
pub fn insert(document: &str, mark: &str, page: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {mark}: begin -->\n"), format!("<!-- {mark}: end -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{page}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_the_place_of_the_one_before() {
        let document = "# Head\n<!-- run: begin -->\nold\n<!-- run: end -->\nfoot\n";
        let inserted = insert(document, "run", "new\n").expect("it has the marks");
        assert_eq!(inserted, "# Head\n<!-- run: begin -->\nnew\n<!-- run: end -->\nfoot\n");
        assert_eq!(insert(document, "publish", "new\n"), None);
    }
}
