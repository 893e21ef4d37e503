//! `organization.update`

use crate::run::{Answer, Run, failed};
use jobs::kinds::{UpdateOrganization, UpdatedOrganization};
use jobs::{Failure, Problem};
use store::organizations;

pub(crate) async fn update_organization(run: Run<UpdateOrganization>) -> Answer<UpdateOrganization> {
    let organization_id = run.organization()?;
    let mut tx = run.begin().await?;
    let (name, timezone) = (run.args.name.as_deref(), run.args.timezone.as_deref());
    if !organizations::update(&mut tx, organization_id, name, timezone).await.map_err(failed)? {
        return Err(Failure::Dead(Problem::not_found("organization", organization_id)));
    }
    run.end(tx, &UpdatedOrganization { organization_id }).await
}
