//! `content.generate`: a language model writes the versions of a brief.
//!
//! In order: note the request, the ask, and what it will count; ask, telling how far the answer is;
//! store the versions, count the generation as used, and end the job.
//!
//! **Invariant:** a job has one request and one reservation however often it runs; the versions, the
//! count and the end of the job are true in one transaction.

use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

use super::asking::{self, Asking, Left, NoAnswer};
use crate::fleet::Fleet;
use crate::run::{Answer, Run, failed};
use jobs::kinds::{GenerateContent, GeneratedContent};
use jobs::{Code, ContentRequestId, ContentVersionId, Failure, JobId, OrganizationId, Problem};
use llm::Model;
use llm::versions::{self, Brief, Unwritten, Written};
use store::content_requests::{self, NewContentRequest};
use store::content_versions::{self, NewContentVersion};
use store::generations::For;
use store::ledger::Finish;
use store::organizations::Organization;
use store::usage::{self, Ended, Metric};
use store::{Claim, Claimed, events, ledger, organizations};

/// How often it is told how far an answer is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Longest title made of a brief, in characters.
const TITLE_MAX: usize = 100;

/// Generates versions of content.
pub(crate) async fn generate_content(run: Run<GenerateContent>) -> Answer<GenerateContent> {
    let model = match run.fleet.language.pick(run.args.model.as_deref()) {
        Ok(model) => model,
        Err(problem) => return give_up(&run, run.begin().await?, problem).await,
    };
    let (asking, house) = begin(&run, model).await?;
    let (writes, heard) = watch::channel((0, 0));
    let tell = move |ask, characters| {
        writes.send_replace((ask, characters));
    };
    let args = &run.args;
    let brief = Brief {
        about: &args.brief,
        tone: args.tone.as_deref().or(house.tone.as_deref()),
        language: args.language.as_deref().or(house.language.as_deref()),
        brand_notes: house.brand_notes.as_deref(),
        platforms: &args.platforms,
    };
    let _shield = run.stop.shield();
    let written = tokio::select! {
        written = asking::while_wanted(&run, versions::write(model, &brief, tell)) => written,
        failure = tell_progress(&run, heard) => return Err(failure),
    };
    let why = match written {
        Ok(Ok(written)) => return keep(&run, asking, written).await,
        Ok(Err(Unwritten { error, usage, asks })) => NoAnswer::Error { error, usage, asks },
        Err(why) => why,
    };
    let (tx, left) = asking.unanswered(&run, why).await?;
    match left {
        Left::GiveUp(problem) => give_up(&run, tx, problem).await,
        Left::Cancelled(problem) => {
            let mut tx = tx;
            nothing_generated(&run, &mut tx, &problem).await?;
            run.finish(tx, Finish::Cancelled(problem)).await
        }
        Left::Leave(failure) => {
            tx.commit().await.map_err(failed)?;
            Err(failure)
        }
    }
}

/// The request that a job generates.
pub(crate) fn request_of(job: JobId) -> ContentRequestId {
    ContentRequestId(job.derive("content request"))
}

/// Notes the request and the ask, and reserves one generation; a second run finds its own.
async fn begin<'a>(
    run: &Run<GenerateContent>,
    model: &'a Model,
) -> Result<(Asking<'a>, Organization), Failure> {
    let organization = run.organization()?;
    let mut tx = run.begin().await?;
    let house =
        organizations::get(&mut tx, organization).await.map_err(failed)?.ok_or_else(|| {
            let message = format!("no organization {organization}");
            Failure::Dead(Problem::new(Code::NotFound, message))
        })?;
    let platforms: Vec<String> =
        run.args.platforms.iter().map(|platform| platform.as_str().to_owned()).collect();
    let request = request_of(run.job.id);
    let new = NewContentRequest {
        id: request,
        organization,
        title: &title(&run.args),
        brief: &run.args.brief,
        platforms: &platforms,
        status: "generating",
        created_by: &run.job.actor,
    };
    content_requests::insert_generating(&mut tx, new, run.job.id).await.map_err(failed)?;
    let closed = asking::closed(&mut tx, model).await?;
    let asking = match &closed {
        None => Some(asking::open(run, &mut tx, organization, For::Text(request), model).await?),
        Some(_) => None,
    };
    // Last, because others of the organization wait for its lock.
    reserve(run, &mut tx, organization).await?;
    tx.commit().await.map_err(failed)?;
    match (asking, closed) {
        (Some(asking), _) => Ok((asking, house)),
        (None, Some(failure)) => Err(failure),
        (None, None) => unreachable!("it is asked unless it is closed"),
    }
}

async fn reserve(
    run: &Run<GenerateContent>,
    tx: &mut Claimed,
    organization: OrganizationId,
) -> Result<(), Failure> {
    let job = run.job.id;
    let reserved = usage::reserve(tx, organization, Metric::Generations, job.0, Some(job)).await;
    let refusal = reserved.map_err(failed)?.refusal(Metric::Generations);
    refusal.map_or(Ok(()), |problem| Err(Failure::Dead(problem)))
}

/// The title that was given, or the first line of the brief.
fn title(args: &GenerateContent) -> String {
    if let Some(title) = &args.title {
        return title.trim().to_owned();
    }
    let line = args.brief.trim().lines().next().unwrap_or_default();
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(TITLE_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.trim_end().to_owned(),
    }
}

/// Writes how far the answer is, as long as the job is ours; answers why it is not.
async fn tell_progress(
    run: &Run<GenerateContent>,
    mut heard: watch::Receiver<(u32, usize)>,
) -> Failure {
    loop {
        if heard.changed().await.is_err() {
            // Nothing more comes, and whoever waits for the answer has it.
            std::future::pending::<()>().await;
        }
        let (ask, characters) = *heard.borrow_and_update();
        let progress = json!({ "ask": ask, "characters": characters });
        // In a task of its own, since the answer's end cuts this one.
        let told = tokio::spawn(write_progress(run.fleet.clone(), run.claim(), progress)).await;
        // A database that is away is no reason to throw an answer away.
        if let Ok(Err(store::Error::ClaimLost(_))) = told {
            return Failure::ClaimLost;
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

async fn write_progress(fleet: Arc<Fleet>, claim: Claim, progress: Value) -> store::Result<()> {
    let mut tx = fleet.store.claimed(claim).await?;
    ledger::progress(&mut tx, &progress).await?;
    tx.commit().await
}

/// Stores what was written.
async fn keep(
    run: &Run<GenerateContent>,
    asking: Asking<'_>,
    written: Written,
) -> Answer<GenerateContent> {
    let organization = run.organization()?;
    let request = request_of(run.job.id);
    let model: String = written.model.chars().filter(|c| !c.is_control()).take(200).collect();
    let writer = format!("model:{model}");
    let mut tx = run.begin().await?;
    let mut ids = Vec::with_capacity(written.versions.len());
    for version in &written.versions {
        let id = ContentVersionId(run.job.id.derive(&format!("version {}", version.platform)));
        let new = NewContentVersion {
            id,
            organization,
            content_request: request,
            platform: version.platform.as_str(),
            text: &version.text,
            suggested_hashtags: &version.hashtags,
            suggested_image_prompt: Some(&version.image_prompt)
                .filter(|prompt| !prompt.is_empty())
                .map(String::as_str),
            // There is one for each network.
            is_selected: true,
            created_by: &writer,
        };
        content_versions::insert(&mut tx, new).await.map_err(failed)?;
        ids.push(id);
    }
    content_requests::generated(&mut tx, request).await.map_err(failed)?;
    let spent = asking.spent(written.usage, written.asks);
    asking.answered(&mut tx, spent, None).await?;
    let message = "Content was generated and waits for review.";
    let data = json!({ "contentRequestId": request, "contentVersionIds": ids });
    events::record(
        &mut tx,
        organization,
        "content.generated",
        "content_request",
        request.0,
        message,
        data,
    )
    .await
    .map_err(failed)?;
    usage::end(&mut tx, run.job.id.0, Ended::Used).await.map_err(failed)?;
    let output = GeneratedContent {
        content_request_id: request,
        content_version_ids: ids,
        model,
        asks: spent.asks,
        input_tokens: spent.input_tokens,
        output_tokens: spent.output_tokens,
        cost_microdollars: spent.cost_microdollars,
    };
    run.end(tx, &output).await
}

/// Ends the job without content.
async fn give_up(
    run: &Run<GenerateContent>,
    mut tx: Claimed,
    problem: Problem,
) -> Answer<GenerateContent> {
    nothing_generated(run, &mut tx, &problem).await?;
    run.end_dead(tx, problem).await
}

/// The request has failed, and what it would have counted is given back.
async fn nothing_generated(
    run: &Run<GenerateContent>,
    tx: &mut Claimed,
    problem: &Problem,
) -> Result<(), Failure> {
    let (organization, request) = (run.organization()?, request_of(run.job.id));
    let was_there =
        content_requests::not_generated(tx, request, &problem.message).await.map_err(failed)?;
    if was_there {
        let data = json!({ "contentRequestId": request, "code": problem.code });
        events::record(
            tx,
            organization,
            "content.generation_failed",
            "content_request",
            request.0,
            &problem.message,
            data,
        )
        .await
        .map_err(failed)?;
    }
    usage::end(tx, run.job.id.0, Ended::Released).await.map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use platforms::Platform;

    #[test]
    fn a_title_is_the_first_line_of_the_brief() {
        let titled = |title: Option<&str>, brief: &str| {
            let args = GenerateContent {
                title: title.map(str::to_owned),
                brief: brief.to_owned(),
                platforms: vec![Platform::Twitter],
                tone: None,
                language: None,
                model: None,
            };
            super::title(&args)
        };
        assert_eq!(titled(None, "\n Winter\tsale \nAll of it"), "Winter sale");
        assert_eq!(titled(Some("Sale"), "Winter"), "Sale");
        let long = titled(None, &"tee ".repeat(50));
        assert!(long.ends_with("tee…") && long.chars().count() <= TITLE_MAX + 1, "{long}");
    }
}
