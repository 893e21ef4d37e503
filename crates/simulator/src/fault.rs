//! Faults: rules that say which request shall meet which trouble.
//!
//! The control puts rules here; the exchange asks [`Faults::take`] once per request, before the
//! network acts.
//!
//! **Invariant:** a request meets at most one fault, that of the first rule with something left;
//! counting is exact under concurrency.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::held;
use crate::journal::Who;

/// Before or after the network acts on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Nothing has happened yet.
    Before,
    /// The effect is there, the answer is not.
    After,
}

/// What shall go wrong. On the wire an object with one key: `{"delay": {"ms": 50, "when": "before"}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Answer with this status.
    Status {
        /// 200 to 599.
        status: u16,
        /// Further headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body; text when it is a JSON string, JSON otherwise. Absent: a problem that fits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
        /// Whether the network acts on the request all the same (its own answer is thrown away).
        #[serde(default)]
        act: bool,
    },
    /// Answer 429 with the network's own headers, without acting.
    RateLimited {
        /// From now, in milliseconds. X tells resets in whole seconds, so it is rounded up.
        reset_in_ms: u64,
    },
    /// Be slow.
    Delay {
        /// How long, in milliseconds.
        ms: u64,
        /// Before or after acting.
        when: When,
    },
    /// Read the request, do nothing, reset the connection.
    DropBefore {},
    /// Act, then reset the connection without an answer.
    DropAfter {},
    /// Act, then answer with the status of success and a body that cannot be read.
    Malformed {},
    /// The request's token is revoked, for good; the network then answers as it does.
    RevokeToken {},
    /// The grant of the request's code or refresh token ends, for good; the network then answers
    /// as it does.
    RevokeGrant {},
    /// A model's output is cut in its middle, in an answer that is otherwise whole.
    MalformedOutput {},
    /// A model's texts are longer than the schema and the settings say.
    LongOutput {
        /// How long, in characters.
        chars: usize,
    },
    /// A model refuses.
    Refusal {},
    /// A stream is cut: the connection is reset.
    CutStream {
        /// After so many events.
        events: usize,
    },
    /// A stream is slow.
    SlowStream {
        /// Between two events, in milliseconds.
        ms: u64,
    },
    /// No money is left for a model; it is not asked.
    SpendLimit {},
    /// Keep the connection open until the hold is released.
    Hold {
        /// Chosen by the tester; several requests may be held under one name.
        name: String,
        /// Before or after acting.
        when: When,
    },
}

impl Action {
    /// The word on the wire.
    pub fn word(&self) -> &'static str {
        match self {
            Action::Status { .. } => "status",
            Action::RateLimited { .. } => "rateLimited",
            Action::Delay { .. } => "delay",
            Action::DropBefore {} => "dropBefore",
            Action::DropAfter {} => "dropAfter",
            Action::Malformed {} => "malformed",
            Action::RevokeToken {} => "revokeToken",
            Action::RevokeGrant {} => "revokeGrant",
            Action::MalformedOutput {} => "malformedOutput",
            Action::LongOutput { .. } => "longOutput",
            Action::Refusal {} => "refusal",
            Action::CutStream { .. } => "cutStream",
            Action::SlowStream { .. } => "slowStream",
            Action::SpendLimit {} => "spendLimit",
            Action::Hold { .. } => "hold",
        }
    }

    /// Answers `status` with a problem that fits, without acting.
    pub fn status(status: u16) -> Self {
        Action::Status { status, headers: BTreeMap::new(), body: None, act: false }
    }

    /// Keeps the connection open under `name`.
    pub fn hold(name: impl Into<String>, when: When) -> Self {
        Action::Hold { name: name.into(), when }
    }
}

/// Which requests a rule is for; what is absent matches all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// Such as `POST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The exact path, or a prefix followed by `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Id or handle of the token's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A part of the body's `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_contains: Option<String>,
    /// The rule begins with the nth matching request, counted from 1.
    #[serde(default = "first")]
    pub after: u64,
    /// How many requests meet the fault; `None` (null) for ever.
    #[serde(default = "once")]
    pub times: Option<u64>,
}

fn first() -> u64 {
    1
}

fn once() -> Option<u64> {
    Some(1)
}

impl Default for Match {
    fn default() -> Self {
        Self {
            method: None,
            path: None,
            user: None,
            text_contains: None,
            after: first(),
            times: once(),
        }
    }
}

/// One rule: which requests, and what shall go wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Named in the journal; made up when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which requests.
    #[serde(rename = "match", default)]
    pub matching: Match,
    /// What shall go wrong.
    pub action: Action,
}

impl Rule {
    /// The next request of this method and path (exact, or a prefix followed by `*`), once.
    pub fn on(method: &str, path: &str, action: Action) -> Self {
        let matching =
            Match { method: Some(method.into()), path: Some(path.into()), ..Match::default() };
        Self { id: None, matching, action }
    }

    /// Named so in the journal.
    pub fn named(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Only for this user, by id or handle.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.matching.user = Some(user.into());
        self
    }

    /// Only for bodies whose `text` contains this.
    pub fn text_contains(mut self, part: impl Into<String>) -> Self {
        self.matching.text_contains = Some(part.into());
        self
    }

    /// Beginning with the nth matching request, counted from 1.
    pub fn after(mut self, nth: u64) -> Self {
        self.matching.after = nth;
        self
    }

    /// For so many requests.
    pub fn times(mut self, times: u64) -> Self {
        self.matching.times = Some(times);
        self
    }

    /// For ever.
    pub fn forever(mut self) -> Self {
        self.matching.times = None;
        self
    }
}

/// What a rule can see of a request.
pub(crate) struct Facts<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) user: Option<&'a Who>,
    pub(crate) text: Option<&'a str>,
}

impl Match {
    fn fits(&self, facts: &Facts<'_>) -> bool {
        let path = |wanted: &String| match wanted.strip_suffix('*') {
            Some(prefix) => facts.path.starts_with(prefix),
            None => facts.path == wanted,
        };
        self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(facts.method))
            && self.path.as_ref().is_none_or(path)
            && self.user.as_ref().is_none_or(|name| facts.user.is_some_and(|who| who.is(name)))
            && self
                .text_contains
                .as_ref()
                .is_none_or(|part| facts.text.is_some_and(|text| text.contains(part)))
    }
}

/// A rule and how often it has been used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// The rule, with its id.
    #[serde(flatten)]
    pub rule: Rule,
    /// How many requests matched.
    pub matched: u64,
    /// How many of them met the fault.
    pub used: u64,
}

/// A fault that a request shall meet.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) id: String,
    pub(crate) action: Action,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<(u64, Vec<Standing>)>,
}

impl Faults {
    /// Adds rules behind those in force; returns their ids.
    pub(crate) fn add(&self, rules: Vec<Rule>) -> Vec<String> {
        let mut guard = held(&self.rules);
        let (made, standing) = &mut *guard;
        let mut ids = Vec::with_capacity(rules.len());
        for mut rule in rules {
            *made += 1;
            let id = rule.id.get_or_insert_with(|| format!("fault-{made}")).clone();
            standing.push(Standing { rule, matched: 0, used: 0 });
            ids.push(id);
        }
        ids
    }

    /// The rules in force.
    pub(crate) fn list(&self) -> Vec<Standing> {
        held(&self.rules).1.clone()
    }

    /// Forgets all rules.
    pub(crate) fn clear(&self) {
        held(&self.rules).1.clear();
    }

    /// The fault that this request shall meet, counted as used.
    pub(crate) fn take(&self, facts: &Facts<'_>) -> Option<Taken> {
        let mut guard = held(&self.rules);
        for standing in &mut guard.1 {
            let matching = &standing.rule.matching;
            let left = matching.times.is_none_or(|times| standing.used < times);
            if !left || !matching.fits(facts) {
                continue;
            }
            standing.matched += 1;
            if standing.matched < matching.after {
                continue;
            }
            standing.used += 1;
            let id = standing.rule.id.clone().unwrap_or_default();
            return Some(Taken { id, action: standing.rule.action.clone() });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(path: &str) -> Facts<'_> {
        Facts { method: "POST", path, user: None, text: Some("hello world") }
    }

    fn ids(faults: &Faults, path: &str, calls: usize) -> Vec<Option<String>> {
        (0..calls).map(|_| faults.take(&facts(path)).map(|taken| taken.id)).collect()
    }

    #[test]
    fn a_rule_is_used_once_unless_said_otherwise() {
        let faults = Faults::default();
        faults.add(vec![Rule::on("POST", "/2/tweets", Action::status(503)).named("a")]);
        assert_eq!(ids(&faults, "/2/tweets", 2), [Some("a".into()), None]);
        faults.add(vec![Rule::on("POST", "/2/*", Action::status(503)).named("b").forever()]);
        assert_eq!(ids(&faults, "/2/x", 3), vec![Some("b".to_owned()); 3]);
        faults.clear();
        assert_eq!(ids(&faults, "/2/x", 1), [None]);
    }

    #[test]
    fn a_rule_begins_with_its_nth_request() {
        let faults = Faults::default();
        let rule = Rule::on("POST", "/p", Action::DropAfter {}).named("late").after(2).times(1);
        faults.add(vec![rule]);
        assert_eq!(ids(&faults, "/p", 3), [None, Some("late".into()), None]);
    }

    #[test]
    fn user_and_text_narrow_a_rule() {
        let who = Who { id: "12".into(), username: "Ada".into() };
        let rule = Rule::on("POST", "/p", Action::DropBefore {}).user("ada").text_contains("wor");
        let faults = Faults::default();
        faults.add(vec![rule]);
        assert!(faults.take(&facts("/p")).is_none());
        let other = Facts { user: Some(&who), text: Some("bye"), ..facts("/p") };
        assert!(faults.take(&other).is_none());
        assert!(faults.take(&Facts { user: Some(&who), ..facts("/p") }).is_some());
    }
}
