//! What may be done to the ledger.

use proptest::prelude::*;

/// A job, as a number among those that run, or among all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) n: usize,
    pub(super) running: bool,
}

/// Under which claim a worker acts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Under {
    Last,
    OneBefore,
    NotYet,
}

/// How a run is said to have ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Done,
    Dead,
    Cancelled,
    Retry { secs: i64 },
    Snooze { secs: i64, key: bool },
    SnoozeFor { secs: i64 },
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Enqueue { lane: u128, publish: bool, keys: Vec<usize>, attempts: u32, later: bool },
    RetryEnded { n: usize },
    Claim { worker: usize, publish: bool, jobs: i32 },
    ClaimAll { worker: usize, publish: bool },
    Finish { runs: Vec<(Pick, Under, End)> },
    HandBack { runs: Vec<(Pick, Under)> },
    Progress { pick: Pick, under: Under },
    Begin { pick: Pick, under: Under },
    Cancel { pick: Pick, by_another: bool },
    Silent { worker: usize },
    Stop { worker: usize },
    Rescue { limit: i32 },
    BecomeDue { n: usize },
    Close { key: usize, forever: bool },
    TimeOpens { key: usize },
    Reopen { key: usize },
    FreeParked,
    Limit { key: usize, most: Option<i32> },
    Admit { under: Under },
    NextInLine { key: usize, n: i64 },
    Pause { lane: Option<u128> },
    Resume { lane: Option<u128> },
}

fn pick() -> impl Strategy<Value = Pick> {
    (0usize..1000, prop::bool::weighted(0.8)).prop_map(|(n, running)| Pick { n, running })
}

fn under() -> impl Strategy<Value = Under> {
    prop_oneof![4 => Just(Under::Last), 1 => Just(Under::OneBefore), 1 => Just(Under::NotYet)]
}

fn end() -> impl Strategy<Value = End> {
    let secs = || prop_oneof![Just(0i64), Just(3600)];
    prop_oneof![
        2 => Just(End::Done),
        1 => Just(End::Dead),
        1 => Just(End::Cancelled),
        3 => secs().prop_map(|secs| End::Retry { secs }),
        2 => (secs(), any::<bool>()).prop_map(|(secs, key)| End::Snooze { secs, key }),
        1 => secs().prop_map(|secs| End::SnoozeFor { secs }),
    ]
}

fn lane() -> impl Strategy<Value = Option<u128>> {
    prop_oneof![Just(None), (1u128..4).prop_map(Some)]
}

impl Act {
    pub(super) fn any() -> BoxedStrategy<Act> {
        let n = || 0usize..1000;
        let key = || 0usize..3;
        let flag = any::<bool>;
        prop_oneof![
            8 => (0u128..4, flag(), prop::collection::vec(key(), 0..3), 1u32..4, flag()).prop_map(
                |(lane, publish, keys, attempts, later)|
                    Act::Enqueue { lane, publish, keys, attempts, later }),
            2 => n().prop_map(|n| Act::RetryEnded { n }),
            6 => (n(), flag(), prop_oneof![1 => Just(0), 4 => 1i32..4]).prop_map(|(worker, publish, jobs)|
                    Act::Claim { worker, publish, jobs }),
            3 => (n(), flag()).prop_map(|(worker, publish)| Act::ClaimAll { worker, publish }),
            6 => prop::collection::vec((pick(), under(), end()), 1..4).prop_map(|runs| Act::Finish { runs }),
            2 => prop::collection::vec((pick(), under()), 1..4).prop_map(|runs| Act::HandBack { runs }),
            2 => (pick(), under()).prop_map(|(pick, under)| Act::Progress { pick, under }),
            6 => (pick(), under()).prop_map(|(pick, under)| Act::Begin { pick, under }),
            3 => (pick(), flag(), flag()).prop_map(|(pick, running, by_another)|
                    Act::Cancel { pick: Pick { running, ..pick }, by_another }),
            1 => n().prop_map(|worker| Act::Silent { worker }),
            1 => n().prop_map(|worker| Act::Stop { worker }),
            2 => prop_oneof![Just(1), Just(1000)].prop_map(|limit| Act::Rescue { limit }),
            6 => n().prop_map(|n| Act::BecomeDue { n }),
            2 => (key(), flag()).prop_map(|(key, forever)| Act::Close { key, forever }),
            2 => key().prop_map(|key| Act::TimeOpens { key }),
            1 => key().prop_map(|key| Act::Reopen { key }),
            1 => Just(Act::FreeParked),
            1 => (key(), prop::option::of(1i32..3)).prop_map(|(key, most)| Act::Limit { key, most }),
            4 => under().prop_map(|under| Act::Admit { under }),
            1 => (key(), 1i64..3).prop_map(|(key, n)| Act::NextInLine { key, n }),
            1 => lane().prop_map(|lane| Act::Pause { lane }),
            4 => lane().prop_map(|lane| Act::Resume { lane }),
        ]
        .boxed()
    }
}
