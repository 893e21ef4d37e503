//! What the API tells of the series, against the network's journal.
//!
//! **Invariant:** what was left out must be absent there, not only told as skipped here.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Europe::Berlin;
use serde_json::{Value, json};
use simulator::{ControlPost, Entry};

use super::{AROUND_SPRING, EVERY, MOVED, SKIPPED, Series, TURNS, wall};
use crate::print::Teller;
use crate::stage;

/// The latest that an occurrence may go out after its time: the jobs of a dead worker run again by then.
const LATEST: TimeDelta = TimeDelta::seconds(15);

/// What is known when all is over.
pub(crate) struct Seen<'a> {
    pub(crate) parent: Value,
    pub(crate) turns: Vec<Value>,
    pub(crate) held: &'a [ControlPost],
    pub(crate) journal: &'a [Entry],
    pub(crate) feed: &'a [Value],
}

/// What became of the series.
pub(crate) struct Turned {
    rows: Vec<Vec<String>>,
    /// How many went out.
    pub(crate) out: usize,
    pub(crate) broken: Vec<String>,
}

impl Series {
    /// What the feed must tell: the subjects, and the type of what happened to each.
    pub(crate) fn must_be_told(&self, turns: &[Value]) -> Vec<(String, &'static str)> {
        let id = |turn: &Value| turn["scheduleId"].as_str().unwrap_or_default().to_owned();
        let turns = turns.iter().enumerate().map(|(number, turn)| (id(turn), told_of(number)));
        turns.chain([(self.id.clone(), "schedule.ended")]).collect()
    }

    /// Compares what the API answers with what the network holds.
    pub(crate) fn judge(&self, seen: &Seen<'_>) -> Turned {
        let mut broken = Vec::new();
        let mut must = |holds: bool, promise: &str| {
            if !holds {
                broken.push(format!("the series: {promise}"));
            }
        };
        let foretold: Vec<Value> =
            self.previewed.iter().map(|item| json!([item["at"], item["shift"]])).collect();
        let is_foretold = foretold == AROUND_SPRING.map(|(at, shift)| json!([at, shift]));
        must(is_foretold, "the preview must tell what the change of the clocks does");
        must(seen.turns.len() == TURNS, "must have as many occurrences as were asked for");
        must(seen.parent["status"] == "ended", "must have ended");
        let account = &self.account.id;
        let held = seen.held.iter().filter(|held| held.user.id == *account).count();
        must(held == TURNS - 1, "the account must hold all but the skipped one, and nothing else");
        for (subject, kind) in self.must_be_told(&seen.turns) {
            let is_it =
                |event: &&Value| event["subjectId"] == subject.as_str() && event["type"] == kind;
            let told = seen.feed.iter().filter(is_it).count();
            must(told == 1, &format!("the events must tell {kind} of {subject} once"));
        }
        let mut rows = Vec::new();
        for (number, (turn, text)) in seen.turns.iter().zip(&self.texts).enumerate() {
            let held: Vec<&ControlPost> =
                seen.held.iter().filter(|held| held.text == *text).collect();
            let planned = self.starts_at + EVERY * i32::try_from(number).unwrap_or_default();
            let due = if number == MOVED { self.moved_to } else { planned };
            let mut must =
                |holds: bool, promise: &str| must(holds, &format!("{text:?}: {promise}"));
            must(moment(&turn["occurrenceAt"]) == Some(planned), "must be planned in its turn");
            must(turn["isMoved"] == (number == MOVED), "must be moved only if it was");
            if number == SKIPPED {
                must(turn["status"] == "skipped", "must be skipped");
                must(held.is_empty(), "was skipped, and must not be at the network");
                must(stage::calls(text, seen.journal) == 0, "must not have been tried");
            } else {
                must(turn["status"] == "published", "must be published");
                must(moment(&turn["scheduledAt"]) == Some(due), "must be due at its time");
                must(held.len() == 1, "the network must hold it exactly once");
                must(stage::calls(text, seen.journal) == 1, "must have been tried once");
                let url = turn["publishedPostUrl"].as_str().unwrap_or_default();
                let is_named = |held: &&ControlPost| url.ends_with(&format!("/{}", held.id));
                must(held.iter().all(is_named), "the API must name its address");
                let late = |held: &&ControlPost| held.created_at - due;
                must(held.iter().map(late).all(|it| it >= TimeDelta::zero()), "must not be early");
                must(held.iter().map(late).all(|it| it <= LATEST), "must go out at its time");
            }
            rows.push(row(number, turn, due, held.first().copied()));
        }
        Turned { rows, out: TURNS - 1, broken }
    }
}

/// What the feed must tell of an occurrence.
fn told_of(number: usize) -> &'static str {
    if number == SKIPPED { "post.skipped" } else { "post.published" }
}

fn moment(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str().and_then(|at| at.parse().ok())
}

fn row(number: usize, turn: &Value, due: DateTime<Utc>, held: Option<&ControlPost>) -> Vec<String> {
    let word = |name: &str| turn[name].as_str().unwrap_or_default().to_owned();
    let goes_out = if turn["status"] == "skipped" {
        "-".to_owned()
    } else {
        due.with_timezone(&Berlin).format("%H:%M:%S").to_string()
    };
    let late = held.map(|held| (held.created_at - due).num_milliseconds().to_string());
    let link = word("publishedPostUrl");
    vec![
        format!("Tray {}", number + 1),
        wall(turn).unwrap_or_default(),
        goes_out,
        late.unwrap_or_else(|| "-".to_owned()),
        word("status"),
        if link.is_empty() { word("statusReason") } else { link },
    ]
}

impl Turned {
    /// The occurrences, one a line.
    pub(crate) fn tell(&self, teller: &Teller) {
        let head = ["series", "planned", "goes out", "late ms", "state", "where, or why not"];
        teller.line("");
        teller.table(&head, &self.rows, 64);
    }
}
