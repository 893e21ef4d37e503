//! Analytics: what was recorded is added up once, and told as it is.

mod adding;
mod reading;
mod refusals;

use anyhow::{Context, Result};
use fleet_tests::harness::{Fleet, Login, Tenant};
use fleet_tests::wait::{self, PATIENCE};
use serde_json::Value;
use sqlx::types::Uuid;

/// Posts of a tenant that went out at these moments, one after another on these accounts; recorded as if
/// they had been published. Answers their ids.
async fn went_out(
    fleet: &Fleet,
    tenant: &Tenant,
    accounts: &[&str],
    moments: &[&str],
) -> Result<Vec<String>> {
    let ids: Vec<Uuid> = moments.iter().map(|_| Uuid::now_v7()).collect();
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
    let moments: Vec<String> = moments.iter().map(|at| (*at).to_owned()).collect();
    let version = tenant.write(&tenant.text("Went out")).await?;
    let mut conn = fleet.database.connect(Login::Owner).await?;
    sqlx::query(include_str!("went_out.sql"))
        .bind(tenant.organization.parse::<Uuid>()?)
        .bind(version.parse::<Uuid>()?)
        .bind(&accounts)
        .bind(&ids)
        .bind(&moments)
        .execute(&mut conn)
        .await?;
    Ok(ids.iter().map(Uuid::to_string).collect())
}

/// Something that a network told: of a post, of a type, so many, when.
type Told<'a> = (&'a str, &'a str, i64, &'a str);

/// Records what a network told, as whoever polls does.
async fn told(fleet: &Fleet, tenant: &Tenant, events: &[Told<'_>]) -> Result<()> {
    let posts: Vec<Uuid> =
        events.iter().map(|(post, ..)| post.parse()).collect::<Result<_, _>>()?;
    let column = |of: fn(&Told<'_>) -> String| events.iter().map(of).collect::<Vec<String>>();
    let counts: Vec<i64> = events.iter().map(|(_, _, count, _)| *count).collect();
    let mut conn = fleet.database.connect(Login::Owner).await?;
    sqlx::query(include_str!("told.sql"))
        .bind(tenant.organization.parse::<Uuid>()?)
        .bind(posts)
        .bind(column(|(_, of, ..)| (*of).to_owned()))
        .bind(counts)
        .bind(column(|(.., at)| (*at).to_owned()))
        .execute(&mut conn)
        .await?;
    Ok(())
}

/// How many events of a tenant wait to be added up.
async fn waiting(fleet: &Fleet, tenant: &Tenant) -> Result<i64> {
    let of = &tenant.organization;
    let sql = format!("select count(*) from engagement_deltas where organization_id = '{of}'");
    fleet.database.text(&sql).await?.parse().context("a number")
}

/// Waits until all events of a tenant are in its sums.
async fn added_up(fleet: &Fleet, tenant: &Tenant) -> Result<()> {
    let look = async || waiting(fleet, tenant).await;
    wait::until_right("all is added up", PATIENCE, look, |waiting| *waiting == 0).await?;
    Ok(())
}

/// What `GET /v1/analytics` says.
async fn analytics(tenant: &Tenant, query: &str) -> Result<Value> {
    tenant.api.read(&format!("/v1/analytics?{query}")).await
}
