//! `version.select`: a version becomes the one that goes out for its network.
//!
//! **Invariant:** of each network at most one version is selected; what is selected no more is
//! approved no more.

use super::review::{changed, lock_version};
use crate::run::{Answer, Run, failed};
use jobs::kinds::{SelectVersion, SelectedVersion};
use store::content_versions;

/// Selects a version.
pub(crate) async fn select_version(run: Run<SelectVersion>) -> Answer<SelectVersion> {
    let (mut tx, held, version) = lock_version(&run, run.args.content_version_id).await?;
    let mut output = SelectedVersion {
        content_version_id: version.id,
        deselected_version_id: None,
        status: held.request.status,
        schedules_on_hold: 0,
    };
    if version.is_selected {
        return run.end(tx, &output).await;
    }
    let others = content_versions::of_request(&mut tx, held.request.id).await.map_err(failed)?;
    let before =
        others.iter().find(|other| other.is_selected && other.platform == version.platform);
    if let Some(before) = before {
        held.not_on_its_way(&mut tx, &[before.id], "replaced", "contentVersionId").await?;
        content_versions::select(&mut tx, before.id, false).await.map_err(failed)?;
    }
    content_versions::select(&mut tx, version.id, true).await.map_err(failed)?;
    let what = format!("Another version was selected by {}.", run.job.actor);
    let ids: Vec<_> = before.iter().map(|before| before.id).chain([version.id]).collect();
    let changed = changed(&run, &mut tx, &held, &ids, &what).await?;
    output.deselected_version_id = before.map(|before| before.id);
    (output.status, output.schedules_on_hold) = (changed.status, changed.on_hold);
    run.end(tx, &output).await
}
