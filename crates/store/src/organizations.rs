//! Organizations: the tenants.
//!
//! Written by the worker's `organization.*` handlers, shown by `/v1/organizations`.
//!
//! **Invariant:** a slug belongs to one organization (`organizations_slug_key`).

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Conn, Page, Result};
use jobs::OrganizationId;

/// An organization as people see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// The organization.
    pub id: OrganizationId,
    /// What people call it.
    pub name: String,
    /// Its short name in addresses.
    pub slug: String,
    /// `starter`, `pro` or `business`.
    pub plan: String,
    /// IANA zone in which its days begin.
    pub timezone: String,
    /// Whether only approved content goes out.
    pub approval_required: bool,
    /// What models are told of the brand and its style.
    pub brand_notes: Option<String>,
    /// How generated content sounds unless its request says otherwise.
    pub tone: Option<String>,
    /// The language of generated content unless its request says otherwise.
    pub language: Option<String>,
    /// Stripe's id of the customer.
    pub stripe_customer_id: Option<String>,
    /// Stripe's id of the subscription.
    pub stripe_subscription_id: Option<String>,
    /// Stripe's word for how the subscription stands: `active`, `past_due`, `canceled`, …
    pub stripe_subscription_status: Option<String>,
    /// Whether the subscription ends with its period.
    pub cancel_at_period_end: Option<bool>,
    /// When what is paid for ends.
    pub current_period_end: Option<DateTime<Utc>>,
    /// From when on nothing new begins and nothing goes out until it is paid; `null` while all is well.
    pub billing_hold_at: Option<DateTime<Utc>>,
    /// Why.
    pub billing_hold_reason: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// An organization to be created.
#[derive(Clone, Copy, Debug)]
pub struct NewOrganization<'a> {
    /// Derived from the job that creates it.
    pub id: OrganizationId,
    /// What people call it.
    pub name: &'a str,
    /// Its short name in addresses.
    pub slug: &'a str,
    /// `starter`, `pro` or `business`.
    pub plan: &'a str,
    /// IANA zone in which its days begin.
    pub timezone: &'a str,
}

/// Creates an organization; does nothing when its id is there already.
///
/// # Errors
/// [`crate::Error::Rule`] `organizations_slug_key` when the slug is taken.
pub async fn insert(conn: &mut Conn, new: NewOrganization<'_>) -> Result<()> {
    sqlx::query!(
        "insert into organizations (id, name, slug, plan, timezone) values ($1, $2, $3, $4, $5)
         on conflict (id) do nothing",
        new.id.0,
        new.name,
        new.slug,
        new.plan,
        new.timezone
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What is to be changed of an organization; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change<'a> {
    /// What people call it.
    pub name: Option<&'a str>,
    /// IANA zone in which its days begin.
    pub timezone: Option<&'a str>,
    /// What models are told of the brand; nothing any more when empty.
    pub brand_notes: Option<&'a str>,
    /// How generated content sounds; as its request says when empty.
    pub tone: Option<&'a str>,
    /// The language of generated content; as its request says when empty.
    pub language: Option<&'a str>,
}

/// Changes an organization; `false` when there is none.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn update(conn: &mut Conn, id: OrganizationId, change: &Change<'_>) -> Result<bool> {
    let done = sqlx::query!(
        "update organizations
         set name = coalesce($2, name), timezone = coalesce($3, timezone),
             brand_notes = nullif(coalesce($4, brand_notes), ''), tone = nullif(coalesce($5, tone), ''),
             language = nullif(coalesce($6, language), ''), updated_at = now()
         where id = $1",
        id.0,
        change.name,
        change.timezone,
        change.brand_notes.map(str::trim),
        change.tone.map(str::trim),
        change.language.map(str::trim)
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts an organization on another plan; `false` when there is no such organization.
///
/// # Errors
/// [`crate::Error::Rule`] `organizations_plan_fkey` when there is no such plan.
pub async fn set_plan(conn: &mut Conn, id: OrganizationId, plan: &str) -> Result<bool> {
    let done = sqlx::query!(
        "update organizations set plan = $2, updated_at = now() where id = $1",
        id.0,
        plan
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes whether only approved content of an organization goes out.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn require_approval(
    conn: &mut Conn,
    id: OrganizationId,
    approval_required: bool,
) -> Result<()> {
    sqlx::query!(
        "update organizations set approval_required = $2, updated_at = now() where id = $1",
        id.0,
        approval_required
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One organization.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn get(conn: &mut Conn, id: OrganizationId) -> Result<Option<Organization>> {
    Ok(sqlx::query_as!(
        Organization,
        r#"select o.id, o.name, o.slug, o.plan, o.timezone, o.approval_required, o.brand_notes, o.tone,
                  o.language, o.stripe_customer_id, o.stripe_subscription_id, o.stripe_subscription_status,
                  s.cancel_at_period_end as "cancel_at_period_end?", s.current_period_end,
                  o.billing_hold_at, o.billing_hold_reason, o.created_at, o.updated_at
           from organizations o left join stripe_subscriptions s on s.id = o.stripe_subscription_id
           where o.id = $1"#,
        id.0
    )
    .fetch_optional(conn)
    .await?)
}

/// Organizations that the caller may see, newest first.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn list(conn: &mut Conn, page: Page) -> Result<Vec<Organization>> {
    Ok(sqlx::query_as!(
        Organization,
        r#"select o.id, o.name, o.slug, o.plan, o.timezone, o.approval_required, o.brand_notes, o.tone,
                  o.language, o.stripe_customer_id, o.stripe_subscription_id, o.stripe_subscription_status,
                  s.cancel_at_period_end as "cancel_at_period_end?", s.current_period_end,
                  o.billing_hold_at, o.billing_hold_reason, o.created_at, o.updated_at
           from organizations o left join stripe_subscriptions s on s.id = o.stripe_subscription_id
           where o.id < $1 order by o.id desc limit $2"#,
        page.below(),
        page.limit
    )
    .fetch_all(conn)
    .await?)
}
