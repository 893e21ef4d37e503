//! Customers and subscriptions at Stripe, and what they mean for organizations.
//!
//! `subscriptions.rs` has what is known of subscriptions, and which one an organization follows.
//!
//! Written by `billing.apply`, `billing.enforce` and `plan.set`; shown with the organization. Which
//! subscription an organization follows and what a status means is said in [`jobs::billing`].
//!
//! **Invariant:** whoever changes how an organization stands has locked its row ([`lock`]), and whoever
//! makes a schedule wait for a payment has shared it ([`share_hold`]).

mod subscriptions;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::OrganizationId;

pub use subscriptions::{Subscription, UnknownPrice, follow, keep, learn};

/// The sender of Stripe's events in `webhook_events`.
pub const SENDER: &str = "stripe";

/// Makes everybody else who works on a customer's events wait until this transaction ends.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock_customer(conn: &mut Conn, customer: &str) -> Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('stripe customer ' || $1, 0))",
        customer
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whose customer it is: the organization that it is bound to, else that of the subscription, else the
/// one that is named and has no customer.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn find(
    conn: &mut Conn,
    customer: &str,
    subscription: Option<&str>,
    named: Option<Uuid>,
) -> Result<Option<OrganizationId>> {
    let id = sqlx::query_scalar!(
        r#"select id as "id!" from (
             select 1 as place, id from organizations where stripe_customer_id = $1
             union all
             select 2, organization_id from stripe_subscriptions where id = $2
             union all
             select 3, id from organizations where id = $3 and stripe_customer_id is null
         ) found order by place limit 1"#,
        customer,
        subscription,
        named
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(OrganizationId))
}

/// Binds a customer, and a subscription if nothing is known of any yet, to a locked organization;
/// `false` when it has another customer.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn bind(
    conn: &mut Conn,
    organization: OrganizationId,
    customer: &str,
    subscription: Option<&str>,
) -> Result<bool> {
    let done = sqlx::query!(
        "update organizations
         set stripe_customer_id = $2, updated_at = now(),
             stripe_subscription_id = coalesce(stripe_subscription_id, (
                 select $3 where not exists (select from organizations where stripe_subscription_id = $3)))
         where id = $1 and (stripe_customer_id is null or stripe_customer_id = $2)",
        organization.0,
        customer,
        subscription
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How an organization stands. Its row is locked.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its plan.
    pub plan: String,
    /// The plan that its subscription last paid for.
    pub billing_plan: Option<String>,
    /// How its subscription stands, in Stripe's word.
    pub status: Option<String>,
    /// From when on it is on hold, and why.
    pub hold: Option<(DateTime<Utc>, String)>,
    /// Whether that moment has come.
    pub is_on_hold: bool,
    /// Whether what is scheduled is held because of it.
    pub is_held: bool,
}

/// Locks an organization. To be called after its schedules and content requests are locked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock(conn: &mut Conn, id: OrganizationId) -> Result<Option<Standing>> {
    let row = sqlx::query!(
        r#"select plan, billing_plan, stripe_subscription_status, billing_hold_at, billing_hold_reason,
                  coalesce(billing_hold_at <= now(), false) as "is_on_hold!", billing_held
           from organizations where id = $1 for no key update"#,
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Standing {
        plan: row.plan,
        billing_plan: row.billing_plan,
        status: row.stripe_subscription_status,
        hold: row.billing_hold_at.zip(row.billing_hold_reason),
        is_on_hold: row.is_on_hold,
        is_held: row.billing_held,
    }))
}

/// Why an organization is on hold, if it is.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn hold(conn: &mut Conn, id: OrganizationId) -> Result<Option<String>> {
    let reason = sqlx::query_scalar!(
        r#"select billing_hold_reason as "reason!" from organizations
           where id = $1 and billing_hold_at <= now()"#,
        id.0
    );
    Ok(reason.fetch_optional(conn).await?)
}

/// The same, and it stays so until this transaction ends.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn share_hold(conn: &mut Conn, id: OrganizationId) -> Result<Option<String>> {
    let reason = sqlx::query_scalar!(
        r#"select billing_hold_reason as "reason!" from organizations
           where id = $1 and billing_hold_at <= now() for share"#,
        id.0
    );
    Ok(reason.fetch_optional(conn).await?)
}

/// Writes whether what is scheduled of a locked organization is held.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn set_held(conn: &mut Conn, id: OrganizationId, held: bool) -> Result<()> {
    sqlx::query!("update organizations set billing_held = $2 where id = $1", id.0, held)
        .execute(conn)
        .await?;
    Ok(())
}
