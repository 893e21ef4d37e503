//! `engagement.ingest`: what a network told by webhook becomes events, ends posts, or has accounts checked.
//!
//! **Invariant:** what an event changes and what is noted of it are true in one transaction; an event that is
//! not understood fails nothing.

use std::collections::BTreeMap;

use super::gone;
use crate::figures;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{CheckConnection, IngestEngagement, IngestedEngagement};
use jobs::{Failure, NewJob, Origin};
use platforms::Platform;
use platforms::webhooks::Meaning;
use platforms::x::activity;
use store::Claimed;
use store::connections::refresh::{self, Doubted};
use store::engagement::{self, Happened};
use store::webhook_events::{self, Kept, Looked, Outcome};

/// The network whose events these are: the only one that tells by webhook so far.
const PLATFORM: Platform = Platform::Twitter;

/// Takes in what a network told.
pub(crate) async fn ingest_engagement(run: Run<IngestEngagement>) -> Answer<IngestEngagement> {
    let mut tx = run.begin().await?;
    let kept = webhook_events::new_ones(&mut tx, &run.args.webhook_events).await.map_err(failed)?;
    let read: Vec<(&Kept, Vec<Meaning>)> =
        kept.iter().map(|event| (event, activity::read(&event.body))).collect();
    let posts = known_posts(&mut tx, &read).await?;

    let mut looked: Vec<Looked<'_>> = Vec::new();
    let mut happened = Vec::new();
    for (event, meanings) in &read {
        let mut outcome = Outcome::Ignored;
        let mut subject = None;
        for meaning in meanings {
            let (of_meaning, of_subject) =
                take_in(&run, &mut tx, event, meaning, &posts, &mut happened).await?;
            outcome = more_telling(outcome, of_meaning);
            subject = subject.or(of_subject);
        }
        looked.push((event.id, outcome, subject));
    }
    engagement::hear(&mut tx, &happened).await.map_err(failed)?;
    webhook_events::conclude(&mut tx, &looked).await.map_err(failed)?;

    let output = counted(&looked);
    let answer = run.end(tx, &output).await?;
    for (_, outcome, _) in &looked {
        figures::ingested(engagement::SENDER, *outcome);
    }
    Ok(answer)
}

type Posts = std::collections::HashMap<String, Vec<jobs::PostId>>;

/// Our posts among those that the events are about.
async fn known_posts(tx: &mut Claimed, read: &[(&Kept, Vec<Meaning>)]) -> Result<Posts, Failure> {
    let mut ids: Vec<String> = read
        .iter()
        .flat_map(|(_, meanings)| meanings)
        .filter_map(|meaning| match meaning {
            Meaning::Engagement { post_id, .. } | Meaning::PostDeleted { post_id } => {
                Some(post_id.clone())
            }
            Meaning::AccessRevoked { .. } | Meaning::Nothing | Meaning::Unknown => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    engagement::posts(tx, PLATFORM, &ids).await.map_err(failed)
}

/// The network is asked itself: it may speak of another grant than ours, such as one that we ended.
fn checking(tokens: &Doubted) -> NewJob {
    let Doubted { connection_id, organization_id, version } = *tokens;
    let args = CheckConnection { connection_id, token_version: version };
    let mut job = NewJob::new(Origin::Worker, Some(organization_id), &args);
    job.unique_key = Some(refresh::check_key(connection_id, version));
    job
}

/// Does what one thing that was told asks for; answers what came of it, and whom it is about.
async fn take_in<'a>(
    run: &Run<IngestEngagement>,
    tx: &mut Claimed,
    event: &Kept,
    meaning: &'a Meaning,
    posts: &Posts,
    happened: &mut Vec<Happened>,
) -> Result<(Outcome, Option<&'a str>), Failure> {
    match meaning {
        Meaning::Engagement { of, post_id, id, occurred_at } => {
            let Some(ours) = posts.get(post_id) else {
                return Ok((Outcome::Unmatched, Some(post_id)));
            };
            // When it came first is the same however often this row is looked at.
            let at = occurred_at.unwrap_or(event.received_at);
            happened.extend(ours.iter().map(|post| Happened {
                post: *post,
                of: *of,
                id: id.clone(),
                at,
            }));
            Ok((Outcome::Applied, Some(post_id)))
        }
        Meaning::PostDeleted { post_id } => {
            let Some(ours) = posts.get(post_id) else {
                return Ok((Outcome::Unmatched, Some(post_id)));
            };
            for post in ours {
                gone(tx, *post).await?;
            }
            Ok((Outcome::Applied, Some(post_id)))
        }
        Meaning::AccessRevoked { account_id, occurred_at } => {
            let at = occurred_at.unwrap_or(event.received_at);
            let doubted =
                refresh::older_than(tx, PLATFORM, account_id, at).await.map_err(failed)?;
            for tokens in &doubted {
                run.ask_for(tx, checking(tokens)).await?;
            }
            let outcome = if doubted.is_empty() { Outcome::Unmatched } else { Outcome::Applied };
            Ok((outcome, Some(account_id)))
        }
        Meaning::Nothing => Ok((Outcome::Ignored, None)),
        Meaning::Unknown => Ok((Outcome::Unknown, None)),
    }
}

/// What is noted of an event that tells several things.
fn more_telling(one: Outcome, other: Outcome) -> Outcome {
    let weight = |outcome| match outcome {
        Outcome::Ignored => 0,
        Outcome::Unmatched => 1,
        Outcome::Applied => 2,
        Outcome::Unknown => 3,
    };
    if weight(other) > weight(one) { other } else { one }
}

fn counted(looked: &[Looked<'_>]) -> IngestedEngagement {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, outcome, _) in looked {
        *counts.entry(outcome.as_str()).or_default() += 1;
    }
    let of = |outcome: Outcome| counts.get(outcome.as_str()).copied().unwrap_or_default();
    IngestedEngagement {
        applied: of(Outcome::Applied),
        unmatched: of(Outcome::Unmatched),
        ignored: of(Outcome::Ignored),
        unknown: of(Outcome::Unknown),
    }
}
