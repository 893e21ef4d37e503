//! The schedules against the network's own journal.
//!
//! **Invariant:** a post is known by its text, which no other schedule has; the network, which takes the
//! same text any number of times here, says how often it went out.

use std::collections::HashMap;
use std::slice::from_ref;

use anyhow::Result;
use simulator::What;
use sqlx::Row as _;

use super::ground::Ground;
use super::troubles::REFUSAL;
use super::verdict::Verdict;

/// Every schedule whose moment has passed, against the posts that the network has of it.
pub(super) async fn judge(ground: &Ground, verdict: &mut Verdict) -> Result<()> {
    let network = ground.fleet.simulator();
    let mut posts: HashMap<String, Vec<String>> = HashMap::new();
    for effect in network.effects(0).await? {
        if let What::PostCreated { post_id, text, .. } = effect.what {
            posts.entry(text).or_default().push(post_id);
        }
    }
    let mut refused: Vec<String> = Vec::new();
    for entry in network.journal(0).await? {
        if entry.fault.is_some_and(|met| met.id == REFUSAL) {
            let text = entry.body.and_then(|body| body["text"].as_str().map(str::to_owned));
            refused.extend(text);
        }
    }
    let sql = "select s.id::text, s.status, s.published_post_id, v.text, s.status_reason,
                      exists (select from job_history h where h.args ->> 'scheduleId' = s.id::text
                              and h.crashes >= 3) as quarantined
               from schedules s join content_versions v on v.id = s.content_version_id
               where s.scheduled_at < now() and s.status <> 'cancelled'";
    for row in ground.eyes.rows(sql, &[]).await? {
        let (id, status, text): (String, &str, &str) = (row.get(0), row.get(1), row.get(3));
        let out = posts.remove(text).unwrap_or_default();
        let says: Option<String> = row.get(2);
        if out.len() > 1 {
            verdict.doubled += 1;
            verdict.blame(&format!("schedules published {} times", out.len()), from_ref(&id));
        }
        match status {
            "published" => verdict.published += 1,
            "unconfirmed" => verdict.unconfirmed += 1,
            "failed" if refused.iter().any(|refused| refused == text) => verdict.refused += 1,
            "failed" if row.get(5) => verdict.given_up += 1,
            // What has not ended is counted as stuck.
            "scheduled" | "publishing" | "awaiting_platform" => {}
            other => {
                let why: Option<&str> = row.get(4);
                let what = format!("schedules ended {other}: {}", why.unwrap_or_default());
                verdict.blame(&what, from_ref(&id));
            }
        }
        if status == "published" && !out.iter().any(|post| Some(post) == says.as_ref()) {
            verdict.lost += 1;
            verdict.blame("published schedules whose post is not at the network", from_ref(&id));
        }
        if status == "failed" && !out.is_empty() {
            verdict.lost += 1;
            verdict.blame("failed schedules that are at the network", from_ref(&id));
        }
    }
    let unknown: Vec<String> = posts.into_values().flatten().collect();
    verdict.doubled += unknown.len();
    verdict.blame("posts at the network of no schedule that went out", &unknown);
    Ok(())
}
