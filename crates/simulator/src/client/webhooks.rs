//! The client of the control of webhooks.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Client, ClientError, GRACE};
use crate::deliveries::{Delivery, DeliveryState, Order, Sender};
use crate::stripe::{NewStripeEvent, NewSubscription, Subscribed};
use crate::x::{Engaged, NewEngagement};

type Result<T> = std::result::Result<T, ClientError>;

#[expect(clippy::missing_errors_doc, reason = "said at the client")]
impl Client {
    /// Sets where X's webhooks go; refused when X's challenge is not met there.
    pub async fn set_x_webhook(&self, url: &str, secret: &str) -> Result<()> {
        self.put("x/webhook", &json!({ "url": url, "secret": secret })).await
    }

    /// Sets where Stripe's webhooks go, signed with each of the secrets.
    pub async fn set_stripe_webhook(&self, url: &str, secrets: &[&str]) -> Result<()> {
        self.put("stripe/webhook", &json!({ "url": url, "secrets": secrets })).await
    }

    /// Sends a sender's webhooks nowhere from now on.
    pub async fn unset_webhook(&self, sender: Sender) -> Result<()> {
        let path = format!("{}/webhook", sender.as_str());
        self.call(Method::DELETE, &path, |request| request, GRACE).await
    }

    /// Lets people do something with a post.
    pub async fn engage(&self, post_id: &str, told: NewEngagement) -> Result<Engaged> {
        self.post(&format!("x/posts/{post_id}/engagement"), &told).await
    }

    /// Deletes a post as its author does by hand.
    pub async fn delete_post(&self, post_id: &str) -> Result<()> {
        let path = format!("x/posts/{post_id}");
        self.call(Method::DELETE, &path, |request| request, GRACE).await
    }

    /// Sends an event of Stripe; tells its id, `None` when there is no webhook.
    pub async fn stripe_event(&self, told: &NewStripeEvent) -> Result<Option<String>> {
        let told: Value = self.post("stripe/events", told).await?;
        Ok(told["eventId"].as_str().map(str::to_owned))
    }

    /// Changes a subscription, or makes it; its event is sent.
    pub async fn put_subscription(&self, id: &str, told: &NewSubscription) -> Result<Subscribed> {
        self.put(&format!("stripe/subscriptions/{id}"), told).await
    }

    /// A sender's deliveries after the one numbered `after`, oldest first; all with 0.
    pub async fn deliveries(&self, sender: Sender, after: u64) -> Result<Vec<Delivery>> {
        let path = format!("{}/deliveries", sender.as_str());
        self.get(&path, &[("after", after.to_string())]).await
    }

    /// A sender's deliveries that have not been taken: held, on their way, or given up.
    pub async fn undelivered(&self, sender: Sender) -> Result<Vec<Delivery>> {
        let mut deliveries = self.deliveries(sender, 0).await?;
        deliveries.retain(|one| one.state != DeliveryState::Delivered);
        Ok(deliveries)
    }

    /// Lets go what a sender holds, one delivery after the other; tells which, in their order. The
    /// seed is for [`Order::Shuffle`].
    pub async fn release_deliveries(
        &self,
        sender: Sender,
        order: Order,
        seed: u64,
    ) -> Result<Vec<Delivery>> {
        let path = format!("{}/deliveries/release", sender.as_str());
        self.post(&path, &json!({ "order": order, "seed": seed })).await
    }

    /// Waits until none of a sender's deliveries is on its way (held ones are not);
    /// [`ClientError::TimedOut`] after `timeout`.
    pub async fn wait_deliveries(&self, sender: Sender, timeout: Duration) -> Result<()> {
        let path = format!("{}/deliveries/wait", sender.as_str());
        let ms = [("timeoutMs", timeout.as_millis().to_string())];
        let add = |request: reqwest::RequestBuilder| request.query(&ms);
        self.call::<Value>(Method::GET, &path, add, timeout + GRACE).await?;
        Ok(())
    }
}
