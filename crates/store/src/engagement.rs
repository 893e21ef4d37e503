//! `engagement_events` and `post_engagement`: what people do with posts, and how posts stand.
//!
//! Both ways of learning it, webhooks and looks, end in the same steps: lock the posts' rows, let
//! [`jobs::engagement`] say what the totals become and which events make up the difference, write both.
//! Each event is written into `engagement_deltas` as well, for whoever adds them up.
//!
//! **Invariant:** a post's total is the sum of its events of that type; both change under the lock of its
//! row in `post_engagement`.

mod polls;
mod rows;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use crate::{Conn, Result, Store};
use jobs::engagement::{Cadence, next_look};
use jobs::{ConnectionId, PostId};
use platforms::{EngagementType, Platform, Totals};
use rows::{Post, lock, record};

pub use polls::{
    Due, DuePoll, begin, cadence, due, due_polls, is_about_to_publish, plan, poll_key, stop,
};

/// Makes the monthly partitions of the coming two weeks; says how many were missing.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn make_partitions(store: &Store) -> Result<i32> {
    let mut tx = store.begin().await?;
    let made = sqlx::query_scalar!(r#"select engagement_make_partitions() as "made!""#)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(made)
}

/// The network that tells by webhook what people do, as `webhook_events` name it: the only one so far.
pub const SENDER: &str = "x";

/// Something that a network told by webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// The post.
    pub post: PostId,
    /// What happened to it.
    pub of: EngagementType,
    /// The network's own id of it: the same again is the same event.
    pub id: String,
    /// When: always the same for the same event.
    pub at: DateTime<Utc>,
}

/// The posts with these ids of the network, in whichever organizations.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn posts(
    conn: &mut Conn,
    platform: Platform,
    ids: &[String],
) -> Result<HashMap<String, Vec<PostId>>> {
    let rows = sqlx::query!(
        "select p.platform_post_id, p.id
         from published_posts p join platform_connections c on c.id = p.platform_connection_id
         where p.platform_post_id = any ($1) and c.platform = $2",
        ids,
        platform.as_str()
    )
    .fetch_all(conn)
    .await?;
    let mut posts: HashMap<String, Vec<PostId>> = HashMap::new();
    for row in rows {
        posts.entry(row.platform_post_id).or_default().push(PostId(row.id));
    }
    Ok(posts)
}

/// Records what a network told by webhook; what is known already changes nothing. Says how much was new.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn hear(conn: &mut Conn, happened: &[Happened]) -> Result<usize> {
    let posts: BTreeSet<PostId> = happened.iter().map(|one| one.post).collect();
    let mut posts = lock(conn, posts).await?;
    let new = rows::insert_heard(conn, happened).await?;
    let mut changes = Vec::new();
    let mut heard: BTreeSet<PostId> = BTreeSet::new();
    for (id, of, at) in &new {
        let Some(post) = posts.get_mut(id) else { continue };
        changes.extend(post.standing.hear(*of, *at).map(|change| (*id, change)));
        heard.insert(*id);
    }
    record(conn, &posts, &changes).await?;
    posts.retain(|id, _| heard.contains(id));
    let sooner = wake(conn, &mut posts).await?;
    rows::store(conn, &posts).await?;
    polls::hurry(conn, &sooner).await?;
    Ok(new.len())
}

/// Things happen to the posts: those that are looked at rarely are looked at sooner again. Answers when
/// their accounts are to be asked.
async fn wake(
    conn: &mut Conn,
    posts: &mut HashMap<PostId, Post>,
) -> Result<Vec<(ConnectionId, DateTime<Utc>)>> {
    let mut sooner = Vec::new();
    // Most posts that anything happens to are looked at often.
    if posts.values().all(|post| post.unchanged == 0) {
        return Ok(sooner);
    }
    let now = crate::now(conn).await?;
    let mut cadences: HashMap<Platform, Vec<Cadence>> = HashMap::new();
    for post in posts.values_mut().filter(|post| post.unchanged > 0) {
        let steps = match cadences.entry(post.platform) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(cadence(conn, post.platform).await?),
        };
        post.unchanged = 0;
        let next = next_look(steps, post.published_at, now, 0);
        // One that is not looked at any more stays so.
        if let (Some(planned), Some(next)) = (post.next_poll_at, next) {
            let next = planned.min(next);
            post.next_poll_at = Some(next);
            sooner.push((post.connection, next));
        }
    }
    Ok(sooner)
}

/// What a network said of a post when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// These totals.
    Totals(Totals),
    /// There is no such post any more.
    Gone,
    /// Nothing that helps.
    Nothing,
}

/// Records what a network said of posts of one network at the moment `at`, and plans the next looks.
/// Says how many had something new.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn look(
    conn: &mut Conn,
    platform: Platform,
    at: DateTime<Utc>,
    seen: &[(PostId, Seen)],
) -> Result<usize> {
    let mut posts = lock(conn, seen.iter().map(|(id, _)| *id)).await?;
    let steps = cadence(conn, platform).await?;
    let now = crate::now(conn).await?;
    let (mut changes, mut changed) = (Vec::new(), 0);
    for (id, seen) in seen {
        let Some(post) = posts.get_mut(id) else { continue };
        let new = match seen {
            Seen::Totals(totals) => post.standing.look(at, totals).unwrap_or_default(),
            Seen::Gone | Seen::Nothing => Vec::new(),
        };
        if new.is_empty() {
            post.unchanged = post.unchanged.saturating_add(1);
        } else {
            post.unchanged = 0;
            changed += 1;
        }
        changes.extend(new.into_iter().map(|change| (*id, change)));
        post.next_poll_at = match (seen, post.next_poll_at) {
            (Seen::Gone, _) | (_, None) => None,
            (_, Some(_)) => next_look(&steps, post.published_at, now, post.unchanged),
        };
    }
    record(conn, &posts, &changes).await?;
    rows::store(conn, &posts).await?;
    Ok(changed)
}
