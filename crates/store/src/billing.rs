//! Subscriptions at Stripe, and what they mean for organizations.
//!
//! Written by `billing.apply`, `billing.enforce` and `plan.set`; shown with the organization. Which
//! subscription an organization follows and what a status means is said in [`jobs::billing`].
//!
//! **Invariant:** whoever changes how an organization stands has locked its row ([`lock`]), and whoever
//! makes a schedule wait for a payment has shared it ([`share_hold`]).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Conn, Result};
use jobs::OrganizationId;
use jobs::billing::{Access, Candidate, Known, moment};
use platforms::stripe::Told;

/// The sender of Stripe's events in `webhook_events`.
pub const SENDER: &str = "stripe";

/// Makes everybody else who works on a customer's events wait until this transaction ends.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn lock_customer(conn: &mut Conn, customer: &str) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('stripe customer ' || $1, 0))", customer)
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

/// Keeps what an event told of a subscription; `false` when it is kept already.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn keep(conn: &mut Conn, organization: OrganizationId, told: &Told) -> Result<bool> {
    let value = serde_json::to_value(told)
        .map_err(|error| crate::Error::Broken(sqlx::Error::Encode(Box::new(error))))?;
    let done = sqlx::query!(
        "insert into stripe_subscription_events (event_id, organization_id, subscription_id, event_at, told)
         values ($1, $2, $3, $4, $5) on conflict (event_id) do nothing",
        told.event_id,
        organization.0,
        told.subscription.id,
        moment(told.at),
        value
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// All that events told of a subscription.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn told(conn: &mut Conn, subscription: &str) -> Result<Vec<Told>> {
    let rows = sqlx::query_scalar!(
        "select told from stripe_subscription_events where subscription_id = $1 order by event_at",
        subscription
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|told| {
            serde_json::from_value(told)
                .map_err(|error| crate::Error::Broken(sqlx::Error::Decode(Box::new(error))))
        })
        .collect()
}

/// The plan that a price pays for: by the table, else by the first part of its lookup key.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn plan_of(
    conn: &mut Conn,
    price: Option<&str>,
    lookup_key: Option<&str>,
) -> Result<Option<String>> {
    let plan = sqlx::query_scalar!(
        r#"select plan as "plan!" from (
             select 1 as place, plan from plan_prices where price = $1
             union all select 2, plan from plan_prices where price = $2
             union all select 3, plan from plans where plan = split_part($2, '_', 1)
         ) known order by place limit 1"#,
        price,
        lookup_key
    );
    Ok(plan.fetch_optional(conn).await?)
}

/// Writes how a subscription stands.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn write(
    conn: &mut Conn,
    organization: OrganizationId,
    known: &Known,
    plan: Option<&str>,
) -> Result<()> {
    let told = &known.newest;
    let (subscription, stand) = (&told.subscription, &told.subscription.stand);
    sqlx::query!(
        "insert into stripe_subscriptions as s (id, organization_id, customer, status, status_since, price,
             lookup_key, plan, cancel_at_period_end, current_period_start, current_period_end, trial_end,
             billing_anchor, started_at, event_id, event_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         on conflict (id) do update set customer = excluded.customer, status = excluded.status,
             status_since = excluded.status_since, price = excluded.price,
             lookup_key = excluded.lookup_key, plan = excluded.plan,
             cancel_at_period_end = excluded.cancel_at_period_end,
             current_period_start = excluded.current_period_start,
             current_period_end = excluded.current_period_end, trial_end = excluded.trial_end,
             billing_anchor = excluded.billing_anchor, started_at = excluded.started_at,
             event_id = excluded.event_id, event_at = excluded.event_at, updated_at = now()",
        subscription.id,
        organization.0,
        subscription.customer,
        stand.status,
        known.status_since,
        stand.price,
        stand.lookup_key,
        plan,
        stand.cancel_at_period_end,
        stand.period_start.and_then(moment),
        stand.period_end.and_then(moment),
        stand.trial_end.and_then(moment),
        known.billing_anchor,
        subscription.started_at.and_then(moment),
        told.event_id,
        moment(told.at)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A subscription as its events say.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// Stripe's own id.
    pub id: String,
    /// Stripe's word for how it stands.
    pub status: String,
    /// Since when.
    pub status_since: DateTime<Utc>,
    /// Stripe's own id of the price.
    pub price: Option<String>,
    /// The name that we gave the price.
    pub lookup_key: Option<String>,
    /// The plan that it pays for.
    pub plan: Option<String>,
    /// The moment whose day and time begin its periods.
    pub billing_anchor: Option<DateTime<Utc>>,
    /// When it was made.
    pub started_at: Option<DateTime<Utc>>,
}

impl Subscription {
    /// What the choice among several looks at.
    pub fn candidate(&self) -> Candidate {
        let Self { id, status, started_at, .. } = self.clone();
        Candidate { id, status, started_at }
    }
}

/// All subscriptions of an organization.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn subscriptions(
    conn: &mut Conn,
    organization: OrganizationId,
) -> Result<Vec<Subscription>> {
    Ok(sqlx::query_as!(
        Subscription,
        "select id, status, status_since, price, lookup_key, plan, billing_anchor, started_at
         from stripe_subscriptions where organization_id = $1 order by id",
        organization.0
    )
    .fetch_all(conn)
    .await?)
}

/// What a locked organization follows from now on.
#[derive(Clone, Copy, Debug)]
pub struct Followed<'a> {
    /// The subscription.
    pub subscription: &'a Subscription,
    /// The plan; what it was where the subscription's price is the same.
    pub plan: &'a str,
    /// What its status allows.
    pub access: Access,
    /// Why it is on hold, or will be, for people.
    pub reason: &'a str,
}

/// Makes a locked organization follow a subscription.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn follow(conn: &mut Conn, id: OrganizationId, new: Followed<'_>) -> Result<()> {
    sqlx::query!(
        "update organizations o
         set stripe_subscription_id = $2, stripe_subscription_status = $3, plan = $4,
             billing_plan = coalesce($5, billing_plan), billing_anchor = coalesce($6, billing_anchor),
             billing_hold_at = case when $7 then $9::timestamptz
                 + case when $8 then p.past_due_grace else '0' end end,
             billing_hold_reason = case when $7 then $10 end, updated_at = now()
         from plans p where o.id = $1 and p.plan = $4",
        id.0,
        new.subscription.id,
        new.subscription.status,
        new.plan,
        new.subscription.plan,
        new.subscription.billing_anchor,
        new.access != Access::Everything,
        new.access == Access::UntilGraceEnds,
        new.subscription.status_since,
        new.reason
    )
    .execute(conn)
    .await?;
    Ok(())
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

#[cfg(test)]
mod tests;
