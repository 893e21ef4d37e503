//! Versions, their hashes, their history and what is said about them, against a real database.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;
use std::collections::HashSet;

use super::*;
use crate::attachments::{self, NewAttachment};
use crate::content_comments::{self, NewComment};
use crate::content_edit_history::{self, NewEdit};
use crate::content_reviews::{self, NewReview};
use crate::files::{self, NewFile};
use crate::testing::Scratch;
use crate::{Error, Login, Store, content_requests, organizations};
use jobs::kinds::SeenVersion;
use jobs::{AttachmentId, CommentId, EditId, FileId, ReviewId};

struct Scene {
    scratch: Scratch,
    worker: Store,
}

/// One organization's request with two versions.
#[derive(Clone, Copy)]
struct Own {
    organization: OrganizationId,
    request: ContentRequestId,
    versions: [ContentVersionId; 2],
}

impl Scene {
    async fn new() -> Scene {
        let scratch = Scratch::new().await;
        let worker = scratch.log_in(Login::Worker).await;
        Scene { scratch, worker }
    }

    async fn own(&self, slug: &str) -> Own {
        let own = Own {
            organization: OrganizationId::new(),
            request: ContentRequestId::new(),
            versions: [ContentVersionId::new(), ContentVersionId::new()],
        };
        let mut tx = self.worker.begin().await.unwrap();
        let new = organizations::NewOrganization {
            id: own.organization,
            name: slug,
            slug,
            plan: "starter",
            timezone: "UTC",
        };
        organizations::insert(&mut tx, new).await.unwrap();
        let asked = content_requests::NewContentRequest {
            id: own.request,
            organization: own.organization,
            title: "t",
            brief: "",
            platforms: &["TWITTER".to_owned()],
            status: "in_review",
            created_by: "ann",
        };
        content_requests::insert(&mut tx, asked).await.unwrap();
        for id in own.versions {
            let new = NewContentVersion {
                id,
                organization: own.organization,
                content_request: own.request,
                platform: "TWITTER",
                text: "hello",
                suggested_hashtags: &[],
                suggested_image_prompt: None,
                is_selected: id == own.versions[0],
                created_by: "ann",
            };
            insert(&mut tx, new).await.unwrap();
        }
        tx.commit().await.unwrap();
        own
    }

    /// The hash of the first version after a change that is taken back.
    async fn hash_after(&self, own: Own, sql: &str) -> String {
        let mut tx = self.scratch.store.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await.unwrap();
        get(&mut tx, own.versions[0]).await.unwrap().unwrap().content_hash
    }

    async fn attach(&self, own: Own, sha256: Option<[u8; 32]>, alt_text: &str) {
        let mut tx = self.worker.begin().await.unwrap();
        let file = sha256.map(|_| FileId::new());
        if let (Some(id), Some(sha256)) = (file, sha256) {
            let new = NewFile {
                id,
                organization: own.organization,
                filename: "f.png",
                mime_type: "image/png",
                size_bytes: 3,
                sha256,
                storage_type: "local",
                storage_path: "p",
                processing_status: "completed",
                uploaded_by: "ann",
            };
            files::insert(&mut tx, new).await.unwrap();
        }
        let new = NewAttachment {
            id: AttachmentId::new(),
            organization: own.organization,
            content_version: own.versions[0],
            file,
            filename: "f.png",
            file_type: "image/png",
            storage_path: "p",
            storage_type: "local",
            size_bytes: 3,
            width: None,
            height: None,
            alt_text: Some(alt_text),
            metadata: json!({}),
            uploaded_by: "ann",
        };
        attachments::insert(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn wording(text: &str) -> Wording<'_> {
    Wording { text, suggested_hashtags: &[], suggested_image_prompt: None }
}

const ALL: Page = Page { before: None, limit: 100 };

#[tokio::test]
async fn the_hash_is_of_all_that_readers_see_and_of_nothing_else() {
    let scene = Scene::new().await;
    let own = scene.own("acme").await;
    scene.attach(own, Some([1; 32]), "a loaf").await;
    scene.attach(own, Some([2; 32]), "a roll").await;
    scene.attach(own, None, "made").await;
    let same = scene.hash_after(own, "select 1").await;
    assert_eq!(same.len(), 64);
    for sql in [
        "update content_versions set suggested_hashtags = '{a}', suggested_image_prompt = 'p', \
         is_selected = false, updated_at = now()",
        "update media_attachments set filename = 'g.png', metadata = '{\"a\": 1}'",
        "update media_attachments set position = position + 10",
    ] {
        assert_eq!(scene.hash_after(own, sql).await, same, "{sql}");
    }
    let mut seen = HashSet::from([same]);
    for sql in [
        "update content_versions set text = 'hello '",
        "update content_versions set text = ''",
        "update content_versions set platform = 'LINKEDIN'",
        "update media_attachments set alt_text = null where position = 0",
        "update media_attachments set alt_text = '' where position = 0",
        "delete from media_attachments where position = 2",
        "delete from media_attachments",
        "update media_attachments set position = 9 where position = 0",
        "update files set sha256 = decode(repeat('07', 32), 'hex') where sha256 = decode(repeat('01', 32), 'hex')",
    ] {
        assert!(seen.insert(scene.hash_after(own, sql).await), "{sql}");
    }
    scene.scratch.drop().await;
}

#[tokio::test]
async fn an_approval_is_shown_as_long_as_it_holds() {
    let scene = Scene::new().await;
    let own = scene.own("acme").await;
    let [selected, other] = own.versions;
    let mut tx = scene.worker.begin().await.unwrap();
    approve(&mut tx, own.request, "bob").await.unwrap();
    let [one, two] = [selected, other];
    let (one, two) = (get(&mut tx, one).await.unwrap(), get(&mut tx, two).await.unwrap());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.is_approved && one.approved_by.as_deref() == Some("bob"));
    assert!(!two.is_approved && two.approved_by.is_none(), "it is not selected");
    rewrite(&mut tx, selected, wording("hello again")).await.unwrap();
    let edited = get(&mut tx, selected).await.unwrap().unwrap();
    assert!(!edited.is_approved, "even before anybody ends the approval");
    let ended = disapprove(&mut tx, selected).await.unwrap();
    assert_eq!(ended, Some(Approval { by: "bob".to_owned(), hash: one.content_hash }));
    assert_eq!(disapprove(&mut tx, selected).await.unwrap(), None);
    let both = select(&mut tx, other, true).await.unwrap_err();
    assert!(both.breaks("content_versions_by_selected"), "{both:?}");
    drop(tx);
    scene.scratch.drop().await;
}

#[tokio::test]
async fn the_history_is_read_in_the_order_in_which_it_was_made() {
    let scene = Scene::new().await;
    let own = scene.own("acme").await;
    let [version, other] = own.versions;
    // Ids as of jobs that were asked for in another order than that in which they ran.
    let mut ids: Vec<EditId> = (0..4).map(|_| EditId::new()).collect();
    ids.swap(0, 3);
    let texts = ["hello", "b", "c", "d", "e"];
    let edit = |at: usize| NewEdit {
        id: ids[at],
        organization: own.organization,
        content_version: version,
        previous: wording(texts[at]),
        new: wording(texts[at + 1]),
        edited_by: "ann",
        edit_reason: Some("why"),
        reverted: None,
    };
    let mut tx = scene.worker.begin().await.unwrap();
    for at in 0..ids.len() {
        content_edit_history::insert(&mut tx, edit(at)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut read = Vec::new();
    let mut page = Page { before: None, limit: 3 };
    let mut tx = scene.worker.begin().await.unwrap();
    loop {
        let rows = content_edit_history::of_version(&mut tx, version, page).await.unwrap();
        let Some(last) = rows.last() else { break };
        page.before = Some(last.id.0);
        read.extend(rows.into_iter().map(|edit| edit.previous_text));
    }
    assert_eq!(read, ["d", "c", "b", "hello"]);
    assert!(content_edit_history::of_version(&mut tx, other, ALL).await.unwrap().is_empty());
    // A revert is of an entry of the same version.
    let foreign =
        NewEdit { id: EditId::new(), content_version: other, reverted: Some(ids[0]), ..edit(0) };
    assert!(matches!(
        content_edit_history::insert(&mut tx, foreign).await,
        Err(Error::Rule { .. })
    ));
    drop(tx);
    for sql in [
        "update content_edit_history set new_text = 'x'",
        "delete from content_edit_history",
        "update content_reviews set reason = 'x'",
        "delete from content_comments",
        "update content_comments set user_id = 'x'",
    ] {
        let mut tx = scene.worker.begin().await.unwrap();
        let refused = sqlx::query(sql).execute(&mut *tx).await.map_err(Error::from).unwrap_err();
        assert!(matches!(refused, Error::Forbidden(_)), "{sql}: {refused:?}");
    }
    scene.scratch.drop().await;
}

#[tokio::test]
async fn comments_stay_on_their_version_and_in_their_thread() {
    let scene = Scene::new().await;
    let own = scene.own("acme").await;
    let [version, other] = own.versions;
    let mut tx = scene.worker.begin().await.unwrap();
    let comment = |id, content_version, answers| NewComment {
        id,
        organization: own.organization,
        content_version,
        user_id: "ann",
        comment: "Hm.",
        answers,
    };
    let ids: Vec<CommentId> = (0..6).map(|_| CommentId::new()).collect();
    let (first, second) = (ids[0], ids[1]);
    content_comments::insert(&mut tx, comment(first, version, None)).await.unwrap();
    content_comments::insert(&mut tx, comment(second, version, None)).await.unwrap();
    for (at, parent) in [(2, first), (3, ids[2]), (4, first)] {
        let answers = Some((parent, first));
        content_comments::insert(&mut tx, comment(ids[at], version, answers)).await.unwrap();
    }
    let threads = async |tx: &mut Conn, is_resolved| -> Vec<CommentId> {
        let rows = content_comments::threads(tx, version, is_resolved, ALL).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    };
    assert_eq!(threads(&mut tx, None).await, [second, first]);
    let newest = content_comments::newest_replies(&mut tx, &[first, second], 2).await.unwrap();
    assert_eq!(newest.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[3], ids[4]]);
    let page = Page { before: Some(ids[4].0), limit: 10 };
    let older = content_comments::replies(&mut tx, first, page).await.unwrap();
    assert_eq!(older.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[3], ids[2]]);

    content_comments::resolve(&mut tx, first, true, "bob").await.unwrap();
    content_comments::resolve(&mut tx, first, true, "eve").await.unwrap();
    let resolved = content_comments::get(&mut tx, first).await.unwrap().unwrap();
    assert_eq!(resolved.resolved_by.as_deref(), Some("bob"));
    assert_eq!(threads(&mut tx, Some(false)).await, [second]);
    content_comments::resolve(&mut tx, first, false, "eve").await.unwrap();
    assert_eq!(threads(&mut tx, Some(true)).await, []);
    tx.commit().await.unwrap();

    for (version, answers) in [(other, (first, first)), (version, (first, second))] {
        let mut tx = scene.worker.begin().await.unwrap();
        let stray = comment(ids[5], version, Some(answers));
        let refused = content_comments::insert(&mut tx, stray).await;
        assert!(matches!(refused, Err(Error::Rule { .. })), "{refused:?}");
    }
    scene.scratch.drop().await;
}

#[tokio::test]
async fn the_apis_login_reads_its_organizations_reviews_and_writes_none() {
    let scene = Scene::new().await;
    let (own, other) = (scene.own("acme").await, scene.own("other").await);
    for tenant in [own, other] {
        let version = tenant.versions[0];
        let mut tx = scene.worker.begin().await.unwrap();
        let seen = SeenVersion { content_version_id: version, content_hash: "00".repeat(32) };
        let review = NewReview {
            id: ReviewId::new(),
            organization: tenant.organization,
            content_request: tenant.request,
            decision: "approved",
            reason: None,
            decided_by: "bob",
            versions: &[seen],
        };
        content_reviews::insert(&mut tx, review).await.unwrap();
        let silent = NewReview { id: ReviewId::new(), decision: "voided", ..review };
        tx.commit().await.unwrap();
        let mut tx = scene.worker.begin().await.unwrap();
        let refused = content_reviews::insert(&mut tx, silent).await;
        assert!(matches!(refused, Err(Error::Rule { .. })), "without a reason: {refused:?}");
    }
    let api = scene.scratch.log_in(Login::Api).await;
    let mut acting = api.acting_for(own.organization).await.unwrap();
    let rows = content_reviews::of_request(&mut acting, own.request, ALL).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].versions[0]["contentVersionId"], json!(own.versions[0]));
    assert!(content_reviews::of_request(&mut acting, other.request, ALL).await.unwrap().is_empty());
    assert!(get(&mut acting, other.versions[0]).await.unwrap().is_none());
    assert_eq!(get(&mut acting, own.versions[0]).await.unwrap().unwrap().content_hash.len(), 64);
    drop(acting);
    for table in ["content_reviews", "content_edit_history", "content_comments"] {
        let mut acting = api.acting_for(own.organization).await.unwrap();
        let sql = format!("delete from {table}");
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *acting).await;
        let refused = refused.map_err(Error::from).unwrap_err();
        assert!(matches!(refused, Error::Forbidden(_)), "{table}: {refused:?}");
    }
    scene.scratch.drop().await;
}
