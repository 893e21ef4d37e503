//! What is known of subscriptions, and which one an organization follows.
//!
//! **Invariant:** a subscription's row depends on which events were kept of it, never on their order.

use chrono::{DateTime, Utc};

use super::Standing;
use crate::{Conn, Result};
use jobs::OrganizationId;
use jobs::billing::{Access, Candidate, Known, followed, hold_reason, known, moment};
use platforms::stripe::Told;

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
async fn told(conn: &mut Conn, subscription: &str) -> Result<Vec<Told>> {
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
async fn plan_of(
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
async fn write(
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
    fn candidate(&self) -> Candidate {
        let Self { id, status, started_at, .. } = self.clone();
        Candidate { id, status, started_at }
    }
}

/// All subscriptions of an organization.
async fn subscriptions(conn: &mut Conn, organization: OrganizationId) -> Result<Vec<Subscription>> {
    Ok(sqlx::query_as!(
        Subscription,
        "select id, status, status_since, price, lookup_key, plan, billing_anchor, started_at
         from stripe_subscriptions where organization_id = $1 order by id",
        organization.0
    )
    .fetch_all(conn)
    .await?)
}

/// A price that belongs to no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPrice {
    /// Stripe's own id of it.
    pub price: String,
    /// The name that we gave it.
    pub lookup_key: Option<String>,
}

/// Writes how a subscription stands by all that is kept of it; answers a price that it did not have
/// before and that belongs to no plan. Its organization is locked.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn learn(
    conn: &mut Conn,
    organization: OrganizationId,
    subscription: &str,
) -> Result<Option<UnknownPrice>> {
    let told = told(conn, subscription).await?;
    let Some(known) = known(&told) else { return Ok(None) };
    let stand = &known.newest.subscription.stand;
    let plan = plan_of(conn, stand.price.as_deref(), stand.lookup_key.as_deref()).await?;
    let unknown = stand.price.clone().filter(|_| plan.is_none());
    let all = subscriptions(conn, organization).await?;
    let before = all.iter().find(|one| one.id == subscription);
    let unknown = unknown.filter(|price| before.and_then(|b| b.price.as_ref()) != Some(price));
    write(conn, organization, &known, plan.as_deref()).await?;
    Ok(unknown.map(|price| UnknownPrice { price, lookup_key: stand.lookup_key.clone() }))
}

/// Makes a locked organization, which stands like this, follow the best of its subscriptions; answers
/// that one. The plan changes when what the subscription pays for does.
///
/// # Errors
/// [`crate::Error::Unavailable`].
pub async fn follow(
    conn: &mut Conn,
    id: OrganizationId,
    before: &Standing,
) -> Result<Option<Subscription>> {
    let mut all = subscriptions(conn, id).await?;
    let chosen = followed(all.iter().map(Subscription::candidate).collect());
    all.retain(|one| chosen.as_ref().is_some_and(|chosen| chosen.id == one.id));
    let Some(chosen) = all.pop() else { return Ok(None) };
    let paid_for = chosen.plan.as_ref().filter(|plan| before.billing_plan.as_ref() != Some(plan));
    let access = Access::of(&chosen.status);
    sqlx::query!(
        "update organizations o
         set stripe_subscription_id = $2, stripe_subscription_status = $3, plan = $4,
             billing_plan = coalesce($5, billing_plan), billing_anchor = coalesce($6, billing_anchor),
             billing_hold_at = case when $7 then $9::timestamptz
                 + case when $8 then p.past_due_grace else '0' end end,
             billing_hold_reason = case when $7 then $10 end, updated_at = now()
         from plans p where o.id = $1 and p.plan = $4",
        id.0,
        chosen.id,
        chosen.status,
        paid_for.unwrap_or(&before.plan),
        chosen.plan,
        chosen.billing_anchor,
        access != Access::Everything,
        access == Access::UntilGraceEnds,
        chosen.status_since,
        hold_reason(&chosen.status, chosen.status_since)
    )
    .execute(conn)
    .await?;
    Ok(Some(chosen))
}
