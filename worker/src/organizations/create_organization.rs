//! `organization.create`: a new tenant.
//!
//! **Invariant:** a short name belongs to one organization.

use crate::run::{Answer, Run, failed};
use jobs::kinds::{CreateOrganization, CreatedOrganization};
use jobs::{Code, Failure, OrganizationId, Problem};
use store::organizations::{self, NewOrganization};

/// Creates an organization.
pub(crate) async fn create_organization(
    run: Run<CreateOrganization>,
) -> Answer<CreateOrganization> {
    let args = &run.args;
    let id = OrganizationId(run.job.id.derive("organization"));
    let new = NewOrganization {
        id,
        name: &args.name,
        slug: &args.slug,
        plan: args.plan.as_str(),
        timezone: &args.timezone,
    };
    let mut tx = run.begin().await?;
    match organizations::insert(&mut tx, new).await {
        Err(error) if error.breaks("organizations_slug_key") => {
            let message = format!("The short name {:?} is taken.", args.slug);
            return Err(Failure::Dead(Problem::new(Code::Conflict, message).at("slug")));
        }
        inserted => inserted.map_err(failed)?,
    }
    run.end(tx, &CreatedOrganization { organization_id: id }).await
}
