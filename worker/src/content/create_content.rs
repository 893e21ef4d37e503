//! `content.create`: what a person wrote becomes a request with its versions, ready for review.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{CreateContent, CreatedContent};
use jobs::{Code, ContentRequestId, ContentVersionId, Failure, Problem};
use platforms::Content;
use std::collections::BTreeSet;
use store::content_requests::{self, NewContentRequest};
use store::content_versions::{self, NewContentVersion};

pub(crate) async fn create_content(run: Run<CreateContent>) -> Answer<CreateContent> {
    let organization = run.organization()?;
    refuse_unfit(&run.args).map_err(Failure::Dead)?;
    let request = ContentRequestId(run.job.id.derive("content request"));
    let platforms: Vec<String> =
        run.args.versions.iter().map(|version| version.platform.as_str().to_owned()).collect();
    let platforms: Vec<String> =
        platforms.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let mut tx = run.begin().await?;
    let new = NewContentRequest {
        id: request,
        organization,
        title: run.args.title.trim(),
        brief: "",
        platforms: &platforms,
        status: "in_review",
        created_by: &run.job.actor,
    };
    content_requests::insert(&mut tx, new).await.map_err(failed)?;
    let mut ids = Vec::with_capacity(run.args.versions.len());
    for (index, version) in run.args.versions.iter().enumerate() {
        let id = ContentVersionId(run.job.id.derive(&format!("version {index}")));
        let first = run.args.versions[..index].iter().all(|v| v.platform != version.platform);
        let new = NewContentVersion {
            id,
            organization,
            content_request: request,
            platform: version.platform.as_str(),
            text: &version.text,
            suggested_hashtags: &version.suggested_hashtags,
            suggested_image_prompt: None,
            is_selected: first,
            created_by: &run.job.actor,
        };
        content_versions::insert(&mut tx, new).await.map_err(failed)?;
        ids.push(id);
    }
    run.end(tx, &CreatedContent { content_request_id: request, content_version_ids: ids }).await
}

/// A text that its network would not take is refused; that it has no media yet is fine.
fn refuse_unfit(args: &CreateContent) -> Result<(), Problem> {
    for (index, version) in args.versions.iter().enumerate() {
        let content = Content { text: &version.text, media: &[] };
        let wrong = version.platform.check(&content).into_iter().find(|v| v.code != "text_empty");
        if let Some(violation) = wrong {
            return Err(Problem::new(Code::ContentRejected, violation.message)
                .at(&format!("versions[{index}].{}", violation.field)));
        }
    }
    Ok(())
}
