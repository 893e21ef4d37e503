//! Texts and attachments against the rules of their networks.
//!
//! **Invariant:** the rules are asked for, never repeated here.

use futures::{StreamExt as _, stream};

use super::{Subject, said};
use crate::app::App;
use crate::enqueue::{Places, Prepared};
use crate::problem::Result;
use jobs::kinds::{AttachMedia, CreateContent, GenerateContent, GenerateMedia, unknown_model};
use jobs::{Code, FileId, Kind, Metric, OrganizationId, Problem as JobProblem};
use media::Key;
use platforms::Content;
use store::files;

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
