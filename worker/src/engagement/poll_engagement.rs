//! `engagement.poll`: asks a network how the posts of an account stand, many in one call.
//!
//! **Invariant:** a look gives way to a post that goes out from the same account, closes no key but its own,
//! and leaves room in the network's budget.

use chrono::{DateTime, Utc};
use std::time::Duration;

use super::gone;
use crate::publishing::decide::{Account, Next, after_error};
use crate::publishing::give_way::{Whose, give_way};
use crate::publishing::target;
use crate::run::{Answer, Run, failed};
use connectors::{Called, Error, PostReading, Reading};
use jobs::kinds::{PollEngagement, PolledEngagement};
use jobs::{Code, Failure, PostId, Problem, Wait, account_key};
use platforms::Platform;
use store::connections::{self, Connection};
use store::engagement::{self, Due, Seen};
use store::{Claimed, ledger};

/// How long before a post goes out nobody else calls for its account.
const GIVE_WAY: Duration = Duration::from_secs(5);

/// Asks how the posts of an account stand.
pub(crate) async fn poll_engagement(run: Run<PollEngagement>) -> Answer<PollEngagement> {
    let organization = run.organization()?;
    let id = run.args.connection_id;
    let mut tx = run.begin().await?;
    let connection = connections::get(&mut tx, id)
        .await
        .map_err(failed)?
        .filter(|connection| connection.organization_id == organization)
        .ok_or_else(|| Failure::Dead(Problem::not_found("connection", id).at("connectionId")))?;
    let platform: Platform = connection.platform.parse().map_err(|_| {
        Failure::Dead(Problem::new(Code::Internal, "The account's network is unknown."))
    })?;
    let soon = engagement::is_about_to_publish(&mut tx, id, GIVE_WAY).await.map_err(failed)?;
    let asked_at = store::now(&mut tx).await.map_err(failed)?;
    if soon {
        let message = "a post goes out from the account".to_owned();
        let why = Wait { code: "gives_way".to_owned(), message, key: None };
        return Err(Failure::Snooze { until: asked_at + GIVE_WAY, why, close: false });
    }
    let most = i64::try_from(platform.lookup_size()).unwrap_or(i64::MAX);
    let due = engagement::due(&mut tx, id, most).await.map_err(failed)?;
    if due.is_empty() {
        engagement::plan(&mut tx, id).await.map_err(failed)?;
        return run.end(tx, &PolledEngagement::default()).await;
    }
    let whose = Whose { organization, connection: id };
    let right = match target::right(&run.fleet, &mut tx, id, &connection.account_id).await? {
        Ok(right) => right,
        Err(next) => return give_way(&run, tx, whose, next).await,
    };
    tx.commit().await.map_err(failed)?;

    let ids: Vec<String> = due.iter().map(|due| due.platform_post_id.clone()).collect();
    let asked = Asked { platform, connection: &connection, due: &due, at: asked_at };
    match run.fleet.connector(platform).engagement(&right.access, &ids).await {
        Ok(called) => told(&run, &asked, called).await,
        Err(error) => refused(&run, &asked, error, right.token_version).await,
    }
}

/// A question that was asked.
struct Asked<'a> {
    platform: Platform,
    connection: &'a Connection,
    due: &'a [Due],
    at: DateTime<Utc>,
}

impl Asked<'_> {
    fn post(&self, platform_post_id: &str) -> Option<PostId> {
        let due = self.due.iter().find(|due| due.platform_post_id == platform_post_id);
        due.map(|due| due.post)
    }

    /// Records what is known now, and plans the next look at the account.
    async fn record(&self, tx: &mut Claimed, seen: &[(PostId, Seen)]) -> Result<usize, Failure> {
        let changed = engagement::look(tx, self.platform, self.at, seen).await.map_err(failed)?;
        engagement::plan(tx, self.connection.id).await.map_err(failed)?;
        Ok(changed)
    }
}

async fn told(
    run: &Run<PollEngagement>,
    asked: &Asked<'_>,
    called: Called<Vec<PostReading>>,
) -> Answer<PollEngagement> {
    let mut tx = run.begin().await?;
    let seen: Vec<(PostId, Seen)> = called
        .value
        .iter()
        .filter_map(|told| Some((asked.post(&told.post_id)?, seen(told.reading))))
        .collect();
    let mut output = PolledEngagement { posts: seen.len() as u64, ..Default::default() };
    output.changed = asked.record(&mut tx, &seen).await? as u64;
    for (post, _) in seen.iter().filter(|(_, seen)| *seen == Seen::Gone) {
        gone(&mut tx, *post).await?;
        output.gone += 1;
    }
    if let Some(closed) = called.closed {
        let until = closed.until(store::now(&mut tx).await.map_err(failed)?);
        let reason = "nearly all that the network allows is used";
        ledger::close_key(&mut tx, &closed.key, Some(until), reason).await.map_err(failed)?;
    }
    run.end(tx, &output).await
}

fn seen(reading: Reading) -> Seen {
    match reading {
        Reading::Found(totals) => Seen::Totals(totals),
        Reading::Gone => Seen::Gone,
        Reading::Hidden | Reading::Untold => Seen::Nothing,
    }
}

async fn refused(
    run: &Run<PollEngagement>,
    asked: &Asked<'_>,
    error: Error,
    token_version: i64,
) -> Answer<PollEngagement> {
    let mut tx = run.begin().await?;
    let now = store::now(&mut tx).await.map_err(failed)?;
    let account_id = &asked.connection.account_id;
    let connector = run.fleet.connector(asked.platform);
    let account = Account {
        platform: asked.platform,
        id: account_id,
        publish_key: &connector.publish_key(account_id),
        token_version,
    };
    let mut next = after_error(error, account, now);
    match &mut next {
        // Posts go out meanwhile: it is not their budget that is used up.
        Next::Later { why, .. } if why.key == Some(account_key(asked.platform, account_id)) => {
            why.key = asked.platform.lookup_keys(account_id).into_iter().next();
        }
        // Not for good: the next look is later and later.
        Next::Fail(_) => {
            let seen: Vec<_> = asked.due.iter().map(|due| (due.post, Seen::Nothing)).collect();
            asked.record(&mut tx, &seen).await?;
        }
        _ => {}
    }
    let whose =
        Whose { organization: asked.connection.organization_id, connection: asked.connection.id };
    give_way(run, tx, whose, next).await
}
