//! `organization.update`: a new name, a new zone, what models are told.
//!
//! **Invariant:** what is absent stays as it is.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{UpdateOrganization, UpdatedOrganization};
use jobs::{Code, Failure, Problem};
use store::organizations::{self, Change};

/// Changes an organization.
pub(crate) async fn update_organization(
    run: Run<UpdateOrganization>,
) -> Answer<UpdateOrganization> {
    let organization_id = run.organization()?;
    let args = &run.args;
    let change = Change {
        name: args.name.as_deref(),
        timezone: args.timezone.as_deref(),
        brand_notes: args.brand_notes.as_deref(),
        tone: args.tone.as_deref(),
        language: args.language.as_deref(),
    };
    let mut tx = run.begin().await?;
    if !organizations::update(&mut tx, organization_id, &change).await.map_err(failed)? {
        let message = format!("no organization {organization_id}");
        return Err(Failure::Dead(Problem::new(Code::NotFound, message)));
    }
    run.end(tx, &UpdatedOrganization { organization_id }).await
}
