//! Uploads ahead of the post: what the network does not hold yet, or will soon forget.
//!
//! **Invariant:** an upload's id is saved as soon as it is known, so that a crash resumes.

use chrono::{DateTime, TimeDelta, Utc};

use super::decide::{Next, after_error};
use super::target::Target;
use crate::run::{Run, failed};
use connectors::Upload;
use jobs::{AttachmentId, Code, Failure, JobKind, Problem};
use media::Key;
use serde_json::json;
use store::ledger;
use store::schedules::{self, Attachment, Prepared};

/// How long an upload must still be held after the moment when the post goes out.
const MARGIN: TimeDelta = TimeDelta::minutes(10);

/// Uploads every attachment that the network does not hold, and answers all ids in order; or says
/// what stands in the way.
pub(super) async fn upload_missing<K: JobKind>(
    run: &Run<K>,
    target: &Target,
) -> Result<Result<Vec<String>, Next>, Failure> {
    let needed_until = target.schedule.scheduled_at.max(target.schedule.now) + MARGIN;
    let mut media_ids = Vec::with_capacity(target.content.attachments.len());
    for (index, attachment) in target.content.attachments.iter().enumerate() {
        if let Some(held) = held(&target.schedule.prepared_media, attachment.id, needed_until) {
            media_ids.push(held.to_owned());
            continue;
        }
        let upload = match read(run, attachment).await {
            Ok(upload) => upload,
            Err(next) => return Ok(Err(next)),
        };
        let connector = run.fleet.connector(target.content.platform);
        match connector.prepare(&target.access, upload).await {
            Ok(called) => {
                let prepared = Prepared {
                    attachment_id: attachment.id,
                    media_id: called.value.media_id,
                    expires_at: called.value.expires_in.map(|length| target.schedule.now + length),
                };
                save(run, target, &prepared, index + 1).await?;
                media_ids.push(prepared.media_id);
            }
            Err(error) => {
                // Uploads may take minutes.
                let mut tx = run.begin().await?;
                let now = store::now(&mut tx).await.map_err(failed)?;
                tx.commit().await.map_err(failed)?;
                let next = after_error(error, target.account(), now);
                return Ok(Err(next));
            }
        }
    }
    Ok(Ok(media_ids))
}

fn held(
    prepared: &[Prepared],
    attachment: AttachmentId,
    needed_until: DateTime<Utc>,
) -> Option<&str> {
    prepared
        .iter()
        .find(|held| held.attachment_id == attachment)
        .filter(|held| held.expires_at.is_none_or(|expires| expires > needed_until))
        .map(|held| held.media_id.as_str())
}

async fn read<K: JobKind>(run: &Run<K>, attachment: &Attachment) -> Result<Upload, Next> {
    let again = |message: &str| Next::Again {
        problem: Problem::new(Code::Unavailable, message),
        forget_media: false,
    };
    let gone = |message: &str| Next::Fail(Problem::new(Code::NotFound, message));
    let key: Key = attachment.storage_path.parse().map_err(|error| {
        tracing::error!(attachment.id = %attachment.id, %error, "an attachment has no key");
        gone("An attached file cannot be found. Attach it again.")
    })?;
    match run.fleet.media.get(&key, attachment.facts.size_bytes).await {
        Ok(bytes) => Ok(Upload {
            bytes,
            mime: attachment.facts.mime.clone(),
            alt_text: attachment.alt_text.clone(),
        }),
        Err(media::Error::NotFound { .. }) => {
            Err(gone("An attached file is no longer there. Attach it again."))
        }
        Err(media::Error::TooLarge { .. }) => {
            Err(gone("An attached file was changed after it was attached. Attach it again."))
        }
        Err(error) => {
            tracing::warn!(attachment.id = %attachment.id, %error, "an attachment cannot be read");
            Err(again("The media store does not answer."))
        }
    }
}

async fn save<K: JobKind>(
    run: &Run<K>,
    target: &Target,
    prepared: &Prepared,
    number: usize,
) -> Result<(), Failure> {
    let mut tx = run.begin().await?;
    let Some(schedule) = schedules::lock(&mut tx, target.schedule.id).await.map_err(failed)? else {
        return Err(Failure::Cancel { reason: "the schedule is gone".to_owned() });
    };
    if schedule.content_version_id != target.schedule.content_version_id
        || schedule.platform_connection_id != target.schedule.platform_connection_id
    {
        return Err(Failure::Cancel { reason: "the schedule was changed meanwhile".to_owned() });
    }
    schedules::save_prepared(&mut tx, schedule.id, prepared).await.map_err(failed)?;
    let progress = json!({ "uploaded": number, "of": target.content.attachments.len() });
    ledger::progress(&mut tx, &progress).await.map_err(failed)?;
    tx.commit().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_that_the_network_will_forget_is_made_again() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        let (a, b) = (AttachmentId::new(), AttachmentId::new());
        let upload = |attachment_id, expires_at| Prepared {
            attachment_id,
            media_id: "m1".to_owned(),
            expires_at,
        };
        let prepared = [upload(a, Some(now)), upload(b, None)];
        assert_eq!(held(&prepared, a, now - TimeDelta::seconds(1)), Some("m1"));
        assert_eq!(held(&prepared, a, now), None);
        assert_eq!(held(&prepared, b, now), Some("m1"));
        assert_eq!(held(&prepared, AttachmentId::new(), now), None);
    }
}
