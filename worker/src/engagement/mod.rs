//! What people do with posts: what networks tell of it, and what they are asked.
//!
//! Both end in `store::engagement`, which keeps totals and events one; the aggregates are made from there.
//!
//! **Invariant:** nothing here delays a post that is to go out.

mod ingest_engagement;
mod poll_engagement;

pub(crate) use ingest_engagement::ingest_engagement;
pub(crate) use poll_engagement::poll_engagement;

use jobs::{Failure, PostId};
use serde_json::json;
use store::{Claimed, events, published_posts};

use crate::run::failed;

/// Notes that a post is gone at its network, and tells its people once.
async fn gone(tx: &mut Claimed, id: PostId) -> Result<(), Failure> {
    let Some(post) = published_posts::get(tx, id).await.map_err(failed)? else { return Ok(()) };
    if !published_posts::mark_deleted(tx, id, "network").await.map_err(failed)? {
        return Ok(());
    }
    let data = json!({
        "publishedPostId": post.id,
        "scheduleId": post.schedule_id,
        "platformPostId": post.platform_post_id,
    });
    let message = format!("The post {} is gone at the network.", post.platform_post_url);
    let (organization, subject) = (post.organization_id, post.id.0);
    events::record(tx, organization, "post.gone", "published_post", subject, &message, data)
        .await
        .map_err(failed)
}
