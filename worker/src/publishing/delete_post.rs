//! `post.delete`: takes a post off the network.
//!
//! **Invariant:** a post is marked as deleted only after the network said that it is gone.

use serde_json::json;

use super::decide::{Account, after_error};
use super::give_way::{Whose, give_way};
use super::target;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{DeletePost, DeletedPost};
use jobs::{Code, Failure, Problem};
use store::published_posts::{self, PublishedPost};
use store::{connections, events};

/// Deletes a post.
pub(crate) async fn delete_post(run: Run<DeletePost>) -> Answer<DeletePost> {
    let organization = run.organization()?;
    let id = run.args.published_post_id;
    let mut tx = run.begin().await?;
    let post = published_posts::get(&mut tx, id)
        .await
        .map_err(failed)?
        .filter(|post| post.organization_id == organization)
        .ok_or_else(|| {
            Failure::Dead(Problem::not_found("published post", id).at("publishedPostId"))
        })?;
    if post.deleted_at.is_some() {
        return run.end(tx, &DeletedPost { published_post_id: id }).await;
    }
    let connection = connections::get(&mut tx, post.platform_connection_id)
        .await
        .map_err(failed)?
        .ok_or_else(|| Failure::Dead(Problem::new(Code::NotFound, "The account is gone.")))?;
    let platform = connection.platform.parse().map_err(|_| {
        Failure::Dead(Problem::new(Code::Internal, "The account's network is unknown."))
    })?;
    let whose = Whose { organization, connection: connection.id };
    let right = target::right(&run.fleet, &mut tx, connection.id, &connection.account_id).await?;
    let right = match right {
        Ok(right) => right,
        Err(next) => return give_way(&run, tx, whose, next).await,
    };
    tx.commit().await.map_err(failed)?;

    let connector = run.fleet.connector(platform);
    let publish_key = connector.publish_key(&connection.account_id);
    let account = Account {
        platform,
        id: &connection.account_id,
        publish_key: &publish_key,
        token_version: right.token_version,
    };
    match connector.delete(&right.access, &post.platform_post_id).await {
        Ok(_) => deleted(&run, &post).await,
        Err(error) => {
            let mut tx = run.begin().await?;
            let now = store::now(&mut tx).await.map_err(failed)?;
            give_way(&run, tx, whose, after_error(error, account, now)).await
        }
    }
}

async fn deleted(run: &Run<DeletePost>, post: &PublishedPost) -> Answer<DeletePost> {
    let mut tx = run.begin().await?;
    if published_posts::mark_deleted(&mut tx, post.id, &run.job.actor).await.map_err(failed)? {
        let data = json!({
            "publishedPostId": post.id,
            "scheduleId": post.schedule_id,
            "platformPostId": post.platform_post_id,
        });
        let message = format!("The post {} was deleted.", post.platform_post_url);
        events::record(
            &mut tx,
            post.organization_id,
            "post.deleted",
            "published_post",
            post.id.0,
            &message,
            data,
        )
        .await
        .map_err(failed)?;
    }
    run.end(tx, &DeletedPost { published_post_id: post.id }).await
}
