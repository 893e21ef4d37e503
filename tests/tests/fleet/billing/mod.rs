//! What Stripe tells, signed and through the real door, decides what an organization may do.

mod holding;
mod order;
mod refusals;

use std::sync::LazyLock;

use anyhow::{Result, ensure};
use chrono::Utc;
use fleet_tests::harness::{Fleet, Tenant};
use fleet_tests::wait::{self, PATIENCE};
use platforms::webhooks::stripe;
use serde_json::{Value, json};

/// A customer at Stripe.
#[derive(Clone, Debug)]
struct Customer {
    /// Makes the ids of its things its own.
    name: String,
    /// The organization that its subscription names, if it names one.
    organization: Option<String>,
}

impl Customer {
    /// A customer whose subscription names the tenant's organization.
    fn of(tenant: &Tenant) -> Customer {
        Customer { organization: Some(tenant.organization.clone()), ..Customer::stranger(tenant) }
    }

    /// One whose subscription names nobody.
    fn stranger(tenant: &Tenant) -> Customer {
        Customer { name: tenant.organization.replace('-', ""), organization: None }
    }

    fn id(&self) -> String {
        format!("cus_{}", self.name)
    }

    /// What Stripe tells of the subscription, the n-th time: so many seconds from now.
    fn told(&self, nth: u32, secs: i64, status: &str, before: Option<&str>) -> Value {
        let start = Utc::now().timestamp() - 5 * 86_400;
        let kind = if nth == 0 { "created" } else { "updated" };
        let mut event = json!({
            "id": format!("evt_{}_{nth}", self.name), "object": "event",
            "type": format!("customer.subscription.{kind}"), "created": Utc::now().timestamp() + secs,
            "data": { "object": {
                "id": format!("sub_{}", self.name), "object": "subscription", "customer": self.id(),
                "status": status, "created": start, "cancel_at_period_end": false,
                "billing_cycle_anchor": start, "metadata": {},
                "items": { "data": [{
                    "price": { "id": "price_1", "lookup_key": "starter_monthly" },
                    "current_period_start": start, "current_period_end": start + 30 * 86_400,
                }] },
            } },
        });
        if let Some(organization) = &self.organization {
            event["data"]["object"]["metadata"]["organization_id"] = json!(organization);
        }
        if let Some(before) = before {
            event["data"]["previous_attributes"] = json!({ "status": before });
        }
        event
    }

    /// The same for a price of another plan.
    fn paying(mut event: Value, lookup_key: &str) -> Value {
        event["data"]["object"]["items"]["data"][0]["price"]["lookup_key"] = json!(lookup_key);
        event
    }

    /// The checkout that an organization began is done.
    fn checked_out(&self, nth: u32, organization: &str) -> Value {
        json!({
            "id": format!("evt_{}_{nth}", self.name), "type": "checkout.session.completed",
            "created": Utc::now().timestamp(),
            "data": { "object": {
                "id": "cs_1", "mode": "subscription", "customer": self.id(),
                "subscription": format!("sub_{}", self.name), "client_reference_id": organization,
            } },
        })
    }

    /// What became of an invoice.
    fn invoice(&self, nth: u32, what: &str) -> Value {
        json!({
            "id": format!("evt_{}_{nth}", self.name), "type": format!("invoice.{what}"),
            "created": Utc::now().timestamp(),
            "data": { "object": { "id": "in_1", "customer": self.id(), "status": "open" } },
        })
    }
}

/// Sends bytes to the API with this signature; answers the status and the body.
pub(crate) async fn deliver(fleet: &Fleet, body: Vec<u8>, signature: &str) -> Result<(u16, Value)> {
    // Tests have runtimes of their own: what they share keeps no connections.
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client")
    });
    let url = format!("{}/webhooks/stripe", fleet.operator().base_url());
    let request = CLIENT.post(url).header(stripe::HEADER, signature).body(body);
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.unwrap_or_default()))
}

/// Sends an event as Stripe would, and waits until somebody has looked at it; answers what came of it.
async fn tell(fleet: &Fleet, event: &Value) -> Result<String> {
    let body = event.to_string().into_bytes();
    let secret = fleet.secrets.stripe_webhook.as_bytes();
    let signature = stripe::sign(&[secret], &body, Utc::now().timestamp());
    let (status, answer) = deliver(fleet, body, &signature).await?;
    ensure!(status == 200, "{status} {answer}");
    outcome(fleet, event).await
}

/// What came of an event, once somebody has looked at it.
async fn outcome(fleet: &Fleet, event: &Value) -> Result<String> {
    let id = event["id"].as_str().unwrap();
    let sql = format!(
        "select coalesce(max(outcome), '') from webhook_events where sender = 'stripe' and event_id = '{id}'"
    );
    let seen = async || fleet.database.text(&sql).await;
    wait::until_right(&format!("an outcome of {id}"), PATIENCE, seen, |text| !text.is_empty()).await
}

/// The tenant's organization, as the API shows it.
async fn organization(tenant: &Tenant) -> Result<Value> {
    tenant.api.read(&format!("/v1/organizations/{}", tenant.organization)).await
}
