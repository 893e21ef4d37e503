//! Subscriptions against a real database, under the worker's login.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;
use std::collections::BTreeMap;

use super::*;
use crate::organizations::{self, NewOrganization, Organization};
use crate::testing::Scratch;
use crate::usage::{self, Metric, Reserved};
use crate::{Login, Store};
use platforms::stripe::{StripeEvent, Told, read};

/// 2027-01-31T08:00:00Z.
const BEGAN: i64 = 1_801_382_400;
const DAY: i64 = 86_400;

struct Ground {
    scratch: Scratch,
    worker: Store,
}

impl Ground {
    async fn new() -> Ground {
        let scratch = Scratch::new().await;
        let worker = scratch.log_in(Login::Worker).await;
        Ground { scratch, worker }
    }

    async fn organization(&self) -> OrganizationId {
        let id = OrganizationId::new();
        let slug = format!("o{}", id.0.simple());
        let mut tx = self.worker.begin().await.unwrap();
        let new = NewOrganization { id, name: "A", slug: &slug, plan: "starter", timezone: "UTC" };
        organizations::insert(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// What the worker does with an event about an organization's subscription.
    async fn hear(&self, id: OrganizationId, told: &Told) -> Option<UnknownPrice> {
        let mut tx = self.worker.begin().await.unwrap();
        let before = lock(&mut tx, id).await.unwrap().unwrap();
        assert!(bind(&mut tx, id, &told.subscription.customer, None).await.unwrap());
        keep(&mut tx, id, told).await.unwrap();
        let unknown = learn(&mut tx, id, &told.subscription.id).await.unwrap();
        follow(&mut tx, id, &before).await.unwrap();
        tx.commit().await.unwrap();
        unknown
    }

    async fn see(&self, id: OrganizationId) -> Organization {
        let mut tx = self.worker.begin().await.unwrap();
        organizations::get(&mut tx, id).await.unwrap().unwrap()
    }

    async fn text(&self, sql: &'static str, id: OrganizationId) -> String {
        sqlx::query_scalar::<_, String>(sql).bind(id.0).fetch_one(&self.scratch.pool).await.unwrap()
    }
}

/// An event of a customer's subscription.
fn event(
    whose: &str,
    nth: usize,
    kind: &str,
    at: i64,
    (status, price, start): (&str, &str, i64),
    before: Option<&str>,
) -> Told {
    let mut body = json!({
        "id": format!("evt_{nth}_{whose}"), "type": format!("customer.subscription.{kind}"), "created": at,
        "data": { "object": {
            "id": format!("sub_{whose}"), "customer": format!("cus_{whose}"), "status": status,
            "created": BEGAN, "cancel_at_period_end": false,
            "items": { "data": [{
                "price": { "id": format!("price_{price}"), "lookup_key": price },
                "current_period_start": start, "current_period_end": start + 30 * DAY,
            }] },
        } },
    });
    if let Some(before) = before {
        body["data"]["previous_attributes"] = json!({ "status": before });
    }
    let Ok(StripeEvent::Subscription(told)) = read(&body.to_string()) else {
        panic!("no event: {body}")
    };
    *told
}

/// A subscription that begins, is not paid in time, is paid, and has another price then; the middle of
/// it within one second.
fn history(whose: &str) -> Vec<Told> {
    let (starter, pro) = ("starter_monthly", "pro_yearly");
    let february = BEGAN + 28 * DAY;
    vec![
        event(whose, 7, "created", BEGAN, ("incomplete", starter, BEGAN), None),
        event(whose, 3, "updated", BEGAN, ("active", starter, BEGAN), Some("incomplete")),
        event(whose, 5, "updated", february, ("past_due", starter, february), Some("active")),
        event(whose, 2, "updated", february, ("active", starter, february), Some("past_due")),
        event(whose, 4, "updated", february + DAY, ("past_due", pro, february), Some("active")),
    ]
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(count - 1);
    let places = |shorter: &Vec<usize>| {
        let shorter = shorter.clone();
        (0..count).map(move |place| {
            let mut longer = shorter.clone();
            longer.insert(place, count - 1);
            longer
        })
    };
    shorter.iter().flat_map(places).collect()
}

const ROW: &str = "select concat_ws(' ', o.plan, o.billing_plan, stripe_subscription_status,
        o.billing_anchor at time zone 'UTC', billing_hold_at at time zone 'UTC', billing_hold_reason,
        s.status, s.status_since at time zone 'UTC', s.plan, s.lookup_key, s.event_at at time zone 'UTC',
        s.current_period_start at time zone 'UTC', split_part(s.event_id, '_', 2))
    from organizations o join stripe_subscriptions s on s.id = o.stripe_subscription_id where o.id = $1";

#[tokio::test]
async fn every_order_with_duplicates_ends_in_the_same_row() {
    let ground = Ground::new().await;
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for (nth, order) in permutations(5).into_iter().enumerate() {
        let id = ground.organization().await;
        let told = history(&nth.to_string());
        for step in order.iter().chain(order.first()) {
            ground.hear(id, &told[*step]).await;
        }
        *rows.entry(ground.text(ROW, id).await).or_default() += 1;
    }
    // The fifth comes last, a day after the fourth; grace of the plan that it pays for: three days.
    let right = "pro pro past_due 2027-01-31 08:00:00 2027-03-04 08:00:00 \
                 The subscription is past due since 2027-03-01T08:00:00Z. \
                 past_due 2027-03-01 08:00:00 pro pro_yearly 2027-03-01 08:00:00 2027-02-28 08:00:00 4";
    assert_eq!(rows, BTreeMap::from([(right.to_owned(), 120)]));
    ground.scratch.drop().await;
}

#[tokio::test]
async fn a_plan_that_an_operator_sets_holds_until_the_price_changes() {
    let ground = Ground::new().await;
    let id = ground.organization().await;
    let at = |nth, at, status, price| event("a", nth, "updated", at, (status, price, BEGAN), None);
    ground.hear(id, &at(1, BEGAN, "active", "pro_monthly")).await;
    assert_eq!(ground.see(id).await.plan, "pro");
    let mut tx = ground.worker.begin().await.unwrap();
    organizations::set_plan(&mut tx, id, "business").await.unwrap();
    tx.commit().await.unwrap();
    ground.hear(id, &at(2, BEGAN + 1, "trialing", "pro_monthly")).await;
    assert_eq!(ground.see(id).await.plan, "business", "the price is the same");
    ground.hear(id, &at(3, BEGAN + 2, "active", "starter_yearly")).await;
    assert_eq!(ground.see(id).await.plan, "starter");
    // A lookup key's first part names a plan; a price of none leaves it as it is, and is told once.
    ground.hear(id, &at(4, BEGAN + 3, "active", "business_weekly")).await;
    assert_eq!(ground.see(id).await.plan, "business");
    let unknown = ground.hear(id, &at(5, BEGAN + 4, "active", "gold")).await.unwrap();
    assert_eq!(unknown.price, "price_gold");
    assert_eq!(ground.hear(id, &at(6, BEGAN + 5, "active", "gold")).await, None, "told once");
    assert_eq!(ground.see(id).await.plan, "business");
    ground.scratch.drop().await;
}

#[tokio::test]
async fn a_hold_takes_every_limit_to_nothing_and_says_why() {
    let ground = Ground::new().await;
    let id = ground.organization().await;
    let took = async |id| {
        let mut tx = ground.worker.begin().await.unwrap();
        let subject = uuid::Uuid::now_v7();
        let told = usage::reserve(&mut tx, id, Metric::Generations, subject, None).await.unwrap();
        let shown = usage::present(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        (told, shown)
    };
    assert_eq!(took(id).await.0, Reserved::Taken);
    let ago = chrono::Utc::now().timestamp() - DAY;
    let late =
        |nth, at, status, price| event("h", nth, "updated", at, (status, price, BEGAN), None);
    ground.hear(id, &late(1, ago, "past_due", "pro_monthly")).await;
    assert_eq!(took(id).await.0, Reserved::Taken, "pro has three days");
    assert!(ground.see(id).await.billing_hold_at.is_some_and(|at| at > chrono::Utc::now()));
    ground.hear(id, &late(2, ago + 1, "past_due", "starter_monthly")).await;
    let (told, shown) = took(id).await;
    let Reserved::Unpaid { reason } = told else { panic!("{told:?}") };
    assert!(reason.contains("past due since"), "{reason}");
    for usage in shown {
        assert_eq!((usage.limit, usage.hold_reason.as_ref()), (Some(0), Some(&reason)));
        assert_eq!(usage.refusal().unwrap().code, jobs::Code::PaymentRequired);
    }
    // What nobody knows takes nothing away.
    ground.hear(id, &late(3, ago + 2, "some_future_status", "starter_monthly")).await;
    assert_eq!(took(id).await.0, Reserved::Taken);
    let seen = ground.see(id).await;
    assert_eq!(seen.stripe_subscription_status.as_deref(), Some("some_future_status"));
    assert_eq!((seen.billing_hold_at, seen.billing_hold_reason), (None, None));
    ground.scratch.drop().await;
}

#[tokio::test]
async fn a_customer_belongs_to_one_organization_and_a_name_binds_only_who_is_free() {
    let ground = Ground::new().await;
    let (one, other) = (ground.organization().await, ground.organization().await);
    let mut tx = ground.worker.begin().await.unwrap();
    assert_eq!(find(&mut tx, "cus_1", Some("sub_1"), None).await.unwrap(), None);
    assert_eq!(find(&mut tx, "cus_1", None, Some(one.0)).await.unwrap(), Some(one));
    assert!(bind(&mut tx, one, "cus_1", Some("sub_1")).await.unwrap());
    assert_eq!(find(&mut tx, "cus_1", None, Some(other.0)).await.unwrap(), Some(one), "bound");
    assert_eq!(find(&mut tx, "cus_2", None, Some(one.0)).await.unwrap(), None, "it has another");
    assert!(!bind(&mut tx, one, "cus_2", None).await.unwrap());
    let shown = organizations::get(&mut tx, one).await.unwrap().unwrap();
    assert_eq!(shown.stripe_customer_id.as_deref(), Some("cus_1"));
    assert_eq!(shown.stripe_subscription_id.as_deref(), Some("sub_1"));
    tx.commit().await.unwrap();
    ground.scratch.drop().await;
}
