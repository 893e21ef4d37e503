//! `content.create`: a content request with the texts that a person wrote.
//!
//! **Invariant:** of each network's versions the first one is selected.

use std::collections::BTreeSet;

use crate::run::{Answer, Run, failed};
use jobs::kinds::{CreateContent, CreatedContent};
use jobs::{ContentRequestId, ContentVersionId};
use store::content_requests::{self, NewContentRequest};
use store::content_versions::{self, NewContentVersion};

/// Creates a content request and its versions.
pub(crate) async fn create_content(run: Run<CreateContent>) -> Answer<CreateContent> {
    let args = &run.args;
    let organization = run.organization()?;
    let request = ContentRequestId(run.job.id.derive("content request"));
    let platforms: BTreeSet<String> =
        args.versions.iter().map(|version| version.platform.as_str().to_owned()).collect();
    let platforms: Vec<String> = platforms.into_iter().collect();
    let mut tx = run.begin().await?;
    let new = NewContentRequest {
        id: request,
        organization,
        title: &args.title,
        brief: "",
        platforms: &platforms,
        status: "in_review",
        created_by: &run.job.actor,
    };
    content_requests::insert(&mut tx, new).await.map_err(failed)?;
    let mut ids = Vec::with_capacity(args.versions.len());
    let mut selected = BTreeSet::new();
    for (index, version) in args.versions.iter().enumerate() {
        let id = ContentVersionId(run.job.id.derive(&format!("version {index}")));
        let new = NewContentVersion {
            id,
            organization,
            content_request: request,
            platform: version.platform.as_str(),
            text: &version.text,
            suggested_hashtags: &version.suggested_hashtags,
            suggested_image_prompt: None,
            is_selected: selected.insert(version.platform),
            created_by: &run.job.actor,
        };
        content_versions::insert(&mut tx, new).await.map_err(failed)?;
        ids.push(id);
    }
    let output = CreatedContent { content_request_id: request, content_version_ids: ids };
    run.end(tx, &output).await
}
