//! `organization.create`

use crate::run::{Answer, Run, failed};
use jobs::kinds::{CreateOrganization, CreatedOrganization};
use jobs::{Code, Failure, OrganizationId, Problem};
use store::organizations::{self, NewOrganization};

pub(crate) async fn create_organization(run: Run<CreateOrganization>) -> Answer<CreateOrganization> {
    let id = OrganizationId(run.job.id.derive("organization"));
    let mut tx = run.begin().await?;
    let new = NewOrganization {
        id,
        name: &run.args.name,
        slug: &run.args.slug,
        plan: run.args.plan.as_str(),
        timezone: &run.args.timezone,
    };
    match organizations::insert(&mut tx, new).await {
        Err(error) if error.breaks("organizations_slug_key") => {
            let taken = format!("the slug {:?} belongs to another organization", run.args.slug);
            return Err(Failure::Dead(Problem::new(Code::Conflict, taken).at("slug")));
        }
        inserted => inserted.map_err(failed)?,
    }
    run.end(tx, &CreatedOrganization { organization_id: id }).await
}
