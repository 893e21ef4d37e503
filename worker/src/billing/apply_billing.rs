//! `billing.apply`: what Stripe told becomes what is known of subscriptions, and what that means for
//! their organizations.
//!
//! Each event is taken in with everything that waited for it: an event of a customer that is bound to no
//! organization waits until another event says whose customer it is.
//!
//! **Invariant:** what an event changes and what is noted of it are true in one transaction; an event
//! that is not understood fails nothing.

use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

use super::follow::{follow, tell};
use crate::figures;
use crate::run::{Answer, Run, failed};
use jobs::billing::moment;
use jobs::kinds::{AppliedBilling, ApplyBilling};
use jobs::{Failure, OrganizationId, WebhookEventId};
use platforms::stripe::{Checkout, Invoice, StripeEvent, Told, read};
use store::Claimed;
use store::billing::{self, SENDER, UnknownPrice};
use store::webhook_events::{self, Kept, Looked, Outcome};

/// Takes in what Stripe told.
pub(crate) async fn apply_billing(run: Run<ApplyBilling>) -> Answer<ApplyBilling> {
    let mut tx = run.begin().await?;
    let kept = webhook_events::new_ones(&mut tx, &run.args.webhook_events).await.map_err(failed)?;
    let mut output = AppliedBilling::default();
    let mut needless: Vec<Looked<'_>> = Vec::new();
    let mut needed = Vec::new();
    for event in &kept {
        match About::of(event) {
            Ok(about) => needed.push((event.id, about)),
            Err(outcome) => needless.push((event.id, outcome, None)),
        }
    }
    webhook_events::conclude(&mut tx, &needless).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    count(&mut output, needless.iter().map(|(_, outcome, _)| *outcome));
    for (id, about) in &needed {
        let outcomes = take_in(&run, *id, about).await?;
        count(&mut output, outcomes.into_iter());
    }
    let tx = run.begin().await?;
    run.end(tx, &output).await
}

fn count(output: &mut AppliedBilling, outcomes: impl Iterator<Item = Outcome>) {
    for outcome in outcomes {
        figures::ingested(SENDER, outcome);
        match outcome {
            Outcome::Applied => output.applied += 1,
            Outcome::Unmatched => output.unmatched += 1,
            Outcome::Ignored => output.ignored += 1,
            Outcome::Unknown => output.unknown += 1,
        }
    }
}

/// Whom an event is about, and what it says of them.
struct About {
    customer: String,
    subscription: Option<String>,
    /// The organization that our own checkout named.
    named: Option<Uuid>,
    says: Says,
}

enum Says {
    Subscription(Box<Told>),
    Invoice(Invoice),
    Checkout,
}

impl About {
    /// What an event says; what comes of it where nothing follows.
    fn of(event: &Kept) -> Result<About, Outcome> {
        let uuid = |id: Option<String>| id.and_then(|id| id.parse().ok());
        Ok(match read(&event.body) {
            Ok(StripeEvent::Subscription(told)) => About {
                customer: told.subscription.customer.clone(),
                subscription: Some(told.subscription.id.clone()),
                named: uuid(told.subscription.organization_id.clone()),
                says: Says::Subscription(told),
            },
            Ok(StripeEvent::Invoice(invoice)) => About {
                customer: invoice.customer.clone(),
                subscription: invoice.subscription.clone(),
                named: None,
                says: Says::Invoice(invoice),
            },
            Ok(StripeEvent::Checkout(Checkout { customer, subscription, organization_id })) => {
                About {
                    customer,
                    subscription: Some(subscription),
                    named: uuid(organization_id),
                    says: Says::Checkout,
                }
            }
            Ok(StripeEvent::Nothing) => return Err(Outcome::Ignored),
            Ok(StripeEvent::Unknown) => return Err(Outcome::Unknown),
            Err(malformed) => {
                tracing::warn!(webhook.id = event.event_id, %malformed, "not understood");
                return Err(Outcome::Unknown);
            }
        })
    }
}

/// Takes in one event, with all that waited for it; answers what came of each.
async fn take_in(
    run: &Run<ApplyBilling>,
    id: WebhookEventId,
    about: &About,
) -> Result<Vec<Outcome>, Failure> {
    let mut tx = run.begin().await?;
    billing::lock_customer(&mut tx, &about.customer).await.map_err(failed)?;
    let is_new = !webhook_events::new_ones(&mut tx, &[id]).await.map_err(failed)?.is_empty();
    if !is_new {
        return Ok(Vec::new());
    }
    let Some(organization) = whose(&mut tx, about).await? else {
        let looked = [(id, Outcome::Unmatched, Some(about.customer.as_str()))];
        webhook_events::conclude(&mut tx, &looked).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        return Ok(vec![Outcome::Unmatched]);
    };
    let Some(before) = billing::lock(&mut tx, organization).await.map_err(failed)? else {
        return Ok(Vec::new());
    };
    let waited = webhook_events::reopen(&mut tx, SENDER, &about.customer).await.map_err(failed)?;
    let waited = webhook_events::new_ones(&mut tx, &waited).await.map_err(failed)?;
    let waited: Vec<(WebhookEventId, About)> =
        waited.iter().filter_map(|event| Some((event.id, About::of(event).ok()?))).collect();

    let mut touched = BTreeSet::new();
    let mut looked = Vec::new();
    for (id, about) in waited.iter().map(|(id, about)| (*id, about)).chain([(id, about)]) {
        match &about.says {
            Says::Subscription(told) => {
                billing::keep(&mut tx, organization, told).await.map_err(failed)?;
                touched.insert(told.subscription.id.as_str());
                if told.trial_ends_soon {
                    trial_will_end(&mut tx, organization, told).await?;
                }
            }
            Says::Invoice(invoice) => tell_of(&mut tx, organization, invoice).await?,
            Says::Checkout => {}
        }
        looked.push((id, Outcome::Applied, Some(about.customer.as_str())));
    }
    for subscription in touched {
        learn(&mut tx, organization, subscription).await?;
    }
    follow(run, &mut tx, organization, &before).await?;
    webhook_events::conclude(&mut tx, &looked).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    run.ring();
    Ok(looked.into_iter().map(|(_, outcome, _)| outcome).collect())
}

/// The organization whose customer it is; from now on, where the event says so.
async fn whose(tx: &mut Claimed, about: &About) -> Result<Option<OrganizationId>, Failure> {
    let About { customer, subscription, named, says } = about;
    let subscription = subscription.as_deref();
    let found = billing::find(tx, customer, subscription, *named).await.map_err(failed)?;
    let Some(organization) = found else { return Ok(None) };
    billing::lock(tx, organization).await.map_err(failed)?;
    let paid = subscription.filter(|_| matches!(says, Says::Checkout));
    if billing::bind(tx, organization, customer, paid).await.map_err(failed)? {
        return Ok(Some(organization));
    }
    // Another customer was bound to it; the subscription may still be known as its.
    let found = billing::find(tx, customer, subscription, None).await.map_err(failed)?;
    Ok(found.filter(|found| *found == organization))
}

/// Writes how a subscription stands by all that is known of it.
async fn learn(
    tx: &mut Claimed,
    organization: OrganizationId,
    subscription: &str,
) -> Result<(), Failure> {
    let unknown = billing::learn(tx, organization, subscription).await.map_err(failed)?;
    let Some(UnknownPrice { price, lookup_key }) = unknown else { return Ok(()) };
    tracing::warn!(organization.id = %organization, price, "no plan has this price");
    let message = format!(
        "The subscription has the price {price}, which belongs to no plan. The plan stays as it is."
    );
    let data = json!({ "price": price, "lookupKey": lookup_key });
    tell(tx, organization, "billing.unknown_price", &message, data).await
}

async fn trial_will_end(
    tx: &mut Claimed,
    organization: OrganizationId,
    told: &Told,
) -> Result<(), Failure> {
    let at = told.subscription.stand.trial_end.and_then(moment);
    let message = match at {
        Some(at) => format!("The trial ends at {}.", at.format("%Y-%m-%dT%H:%M:%SZ")),
        None => "The trial ends soon.".to_owned(),
    };
    let data = json!({ "subscription": told.subscription.id, "trialEnd": at });
    tell(tx, organization, "billing.trial_will_end", &message, data).await
}

async fn tell_of(
    tx: &mut Claimed,
    organization: OrganizationId,
    invoice: &Invoice,
) -> Result<(), Failure> {
    let data = json!({ "invoice": invoice.id, "subscription": invoice.subscription });
    if invoice.is_paid {
        return tell(tx, organization, "billing.paid", "An invoice is paid.", data).await;
    }
    let next = invoice.next_attempt_at.and_then(moment);
    let message = match next {
        Some(next) => {
            format!("A payment failed. It is tried again at {}.", next.format("%Y-%m-%dT%H:%M:%SZ"))
        }
        None => "A payment failed.".to_owned(),
    };
    tell(tx, organization, "billing.payment_failed", &message, data).await
}
