//! `organization.update`: a new name, a new zone.
//!
//! **Invariant:** what is absent stays as it is.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{UpdateOrganization, UpdatedOrganization};
use jobs::{Code, Failure, Problem};
use store::organizations;

/// Changes an organization.
pub(crate) async fn update_organization(
    run: Run<UpdateOrganization>,
) -> Answer<UpdateOrganization> {
    let organization_id = run.organization()?;
    let (name, timezone) = (run.args.name.as_deref(), run.args.timezone.as_deref());
    let mut tx = run.begin().await?;
    if !organizations::update(&mut tx, organization_id, name, timezone).await.map_err(failed)? {
        let message = format!("no organization {organization_id}");
        return Err(Failure::Dead(Problem::new(Code::NotFound, message)));
    }
    run.end(tx, &UpdatedOrganization { organization_id }).await
}
