//! Texts and attachments against the rules of their networks.
//!
//! **Invariant:** the rules are asked for, never repeated here.

use futures::{StreamExt as _, stream};

use super::{Subject, said};
use crate::app::App;
use crate::enqueue::{Places, Prepared};
use crate::problem::Result;
use jobs::kinds::{
    AddComment, AttachMedia, CreateContent, EditVersion, GenerateContent, GenerateMedia,
    RevertVersion, unknown_model,
};
use jobs::review::check_text;
use jobs::{Code, FileId, Kind, Metric, OrganizationId, Problem as JobProblem};
use media::Key;
use platforms::Content;
use store::{attachments, content_edit_history, files};

/// How many uploads are asked for at once.
const AT_ONCE: usize = 16;

/// Every text, as it may appear; one without a word may get its media later.
pub(super) fn check_texts(args: &CreateContent) -> Result<()> {
    for (index, version) in args.versions.iter().enumerate() {
        let content = Content { text: &version.text, media: &[] };
        let found = version.platform.check(&content);
        if let Some(violation) = found.into_iter().find(|found| found.code != "text_empty") {
            let field = format!("versions[{index}].{}", violation.field);
            let problem = JobProblem::new(Code::ContentRejected, violation.message);
            return Err(said(problem.at(&field)));
        }
    }
    Ok(())
}

/// The version is there. What the file is by its bytes, the worker looks at.
pub(super) async fn check_attachment(mut its: Subject<'_, '_>, args: &AttachMedia) -> Result<()> {
    its.content_version(args.content_version_id).await?;
    // A file counts once, when it is first attached.
    if files::get(its.rows.conn().await?, args.file_id).await?.is_none() {
        its.allowance(Metric::FilesUploaded).await?;
    }
    Ok(())
}

/// The model is one of the fleet's, as far as the API is told.
pub(super) fn check_generation(app: &App, args: &GenerateContent) -> Result<()> {
    check_model(app.language_models.as_deref(), args.model.as_deref())
}

/// The version is there and says what the image may show, and the model is one of the fleet's.
pub(super) async fn check_image(mut its: Subject<'_, '_>, args: &GenerateMedia) -> Result<()> {
    check_model(its.rows.app.image_models.as_deref(), args.model.as_deref())?;
    let version = its.content_version(args.content_version_id).await?;
    if args.prompt.is_none() && version.suggested_image_prompt.is_none() {
        let message = "expected what the image shows: the version suggests nothing";
        return Err(said(JobProblem::argument("prompt", message)));
    }
    its.allowance(Metric::FilesUploaded).await
}

fn check_model(known: Option<&[String]>, model: Option<&str>) -> Result<()> {
    match (known, model) {
        (Some(known), Some(model)) if !known.iter().any(|known| known == model) => {
            Err(said(unknown_model(model, known.iter().map(String::as_str))))
        }
        _ => Ok(()),
    }
}

/// A text as the version's network takes it, beside what the version shows.
pub(super) async fn check_edit(mut its: Subject<'_, '_>, args: &EditVersion) -> Result<()> {
    let version = its.content_version(args.content_version_id).await?;
    let Some(text) = args.text.as_deref().filter(|text| **text != *version.text) else {
        return Ok(());
    };
    // What this build does not know, the worker refuses.
    let Ok(platform) = version.platform.parse() else { return Ok(()) };
    let media = attachments::of_version(its.rows.conn().await?, version.id).await?;
    let media: Vec<_> = media.iter().map(attachments::Attachment::facts).collect();
    check_text(platform, text, &media).map_err(|problem| said(problem.at("text")))
}

/// The entry is one of the version's history.
pub(super) async fn check_revert(mut its: Subject<'_, '_>, args: &RevertVersion) -> Result<()> {
    let version = its.content_version(args.content_version_id).await?;
    let entry = content_edit_history::get(its.rows.conn().await?, args.edit_id).await?;
    if entry.is_none_or(|entry| entry.content_version_id != version.id) {
        let detail = format!("the history of this content version has no entry {}", args.edit_id);
        return Err(said(JobProblem::new(Code::NotFound, detail).at("editId")));
    }
    Ok(())
}

/// What is answered is on the same version.
pub(super) async fn check_comment(mut its: Subject<'_, '_>, args: &AddComment) -> Result<()> {
    let version = its.content_version(args.content_version_id).await?;
    let Some(id) = args.parent_comment_id else { return Ok(()) };
    let parent = its.comment(id, "parentCommentId").await?;
    if parent.content_version_id != version.id {
        let detail = format!("the comment {id} is on another content version");
        return Err(said(JobProblem::argument("parentCommentId", detail)));
    }
    Ok(())
}

/// Refuses to attach what was never uploaded. A media store that is away says nothing: the worker
/// will ask it again.
pub(super) async fn uploads_are_there(
    app: &App,
    places: Places,
    prepared: &[Prepared],
) -> Result<()> {
    let wanted: Vec<(usize, OrganizationId, FileId)> = prepared
        .iter()
        .enumerate()
        .filter(|(_, one)| one.job.kind == Kind::AttachMedia)
        .filter_map(|(index, one)| {
            let args: AttachMedia = super::decode(one.plain()).ok()?;
            Some((index, one.job.organization_id?, args.file_id))
        })
        .collect();
    let mut absent = stream::iter(wanted)
        .map(async |(index, organization, file)| {
            let head = app.media.head(&Key::upload(organization.0, file.0)).await;
            matches!(head, Ok(None)).then_some((index, file))
        })
        .buffered(AT_ONCE)
        .filter_map(async |absent| absent)
        .boxed();
    match absent.next().await {
        None => Ok(()),
        Some((index, file)) => {
            let problem = JobProblem::not_found("upload", file).at("fileId");
            Err(said(problem).within(&places.prefix(index)))
        }
    }
}
