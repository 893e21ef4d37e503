//! `/v1/usage`: what the organization has used of its plan.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
use crate::body::Filters;
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::Scope;
use store::organizations;
use store::usage::{self, Tracked, Usage};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// How much of the past to show.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct ShowUsage {
    /// At most so many periods, 1 to 60, the present one included.
    #[param(default = 12, minimum = 1, maximum = 60)]
    periods: Option<i64>,
}

/// What an organization has used of its plan.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageView {
    /// The plan.
    plan: String,
    /// Stripe's word for how the subscription stands.
    stripe_subscription_status: Option<String>,
    /// Whether the subscription ends with its period.
    cancel_at_period_end: Option<bool>,
    /// When what is paid for ends.
    current_period_end: Option<DateTime<Utc>>,
    /// From when on nothing new begins and nothing goes out until it is paid; `null` while all is well.
    billing_hold_at: Option<DateTime<Utc>>,
    /// Why.
    billing_hold_reason: Option<String>,
    /// The present period, an entry for each thing that counts.
    usage: Vec<Usage>,
    /// The periods in which anything was used or reserved, the newest first.
    history: Vec<Tracked>,
}

/// Shows usage
///
/// What was used and reserved in the present period, what the plan (or an exception made for the
/// organization) allows, and the periods before. An operator names the organization in
/// `Ezre-Organization`.
#[utoipa::path(
    get, path = "/v1/usage", tag = "organizations", operation_id = "getUsage", params(ShowUsage),
    responses((status = 200, description = "The usage", body = UsageView))
)]
async fn show(
    State(app): State<App>,
    principal: Principal,
    Filters(query): Filters<ShowUsage>,
) -> Result<Json<UsageView>> {
    principal.require(Scope::Read)?;
    let periods = match query.periods.unwrap_or(12) {
        periods @ 1..=60 => periods,
        _ => return Err(Problem::invalid("periods", "expected 1 to 60")),
    };
    let Some(organization) = principal.organization() else {
        return Err(Problem::invalid("Ezre-Organization", "expected whose usage to show"));
    };
    let mut tx = app.database.reading(&principal).await?;
    let row = organizations::get(&mut tx, organization).await?;
    let row = row.ok_or_else(|| Problem::no_such("organization"))?;
    let usage = usage::present(&mut tx, organization).await?;
    let history = usage::history(&mut tx, organization, periods).await?;
    tx.commit().await?;
    Ok(Json(UsageView {
        plan: row.plan,
        stripe_subscription_status: row.stripe_subscription_status,
        cancel_at_period_end: row.cancel_at_period_end,
        current_period_end: row.current_period_end,
        billing_hold_at: row.billing_hold_at,
        billing_hold_reason: row.billing_hold_reason,
        usage,
        history,
    }))
}
