//! Review: what was approved goes out, and nothing else; nobody's words are lost.

mod approving;
mod commenting;
mod editing;
mod holding;
mod racing;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use fleet_tests::api::{Answer, Ask, text};
use fleet_tests::harness::{Planned, Tenant};
use serde_json::{Value, json};

use crate::api::is_problem;

const ANN: &str = "ann@bakery.example";
const BOB: &str = "bob@bakery.example";

/// A content request with one version.
#[derive(Clone, Debug)]
struct Written {
    request: String,
    version: String,
    text: String,
}

/// Writes content of which nobody has said anything yet.
async fn written(tenant: &Tenant, about: &str) -> Result<Written> {
    let text = tenant.text(about);
    let version = json!({ "platform": "TWITTER", "text": text });
    let args = json!({ "title": about, "versions": [version] });
    let made = tenant.api.done("content.create", args).await?;
    let version = made["contentVersionIds"][0].as_str().context("a version")?.to_owned();
    Ok(Written { request: self::text(&made, "contentRequestId")?, version, text })
}

impl Written {
    async fn request(&self, tenant: &Tenant) -> Result<Value> {
        tenant.api.read(&format!("/v1/content-requests/{}", self.request)).await
    }

    async fn version(&self, tenant: &Tenant) -> Result<Value> {
        tenant.api.read(&format!("/v1/content-versions/{}", self.version)).await
    }

    /// Approves it as Ann; answers what came of it.
    async fn approve(&self, tenant: &Tenant) -> Result<Value> {
        let args = json!({ "contentRequestId": self.request });
        Ok(tenant.api.done_by(ANN, "content.approve", args).await?["result"].take())
    }

    /// Rejects it as Ann; answers what came of it.
    async fn reject(&self, tenant: &Tenant, reason: &str) -> Result<Value> {
        let args = json!({ "contentRequestId": self.request, "reason": reason });
        Ok(tenant.api.done_by(ANN, "content.reject", args).await?["result"].take())
    }

    /// Edits its text as Bob; answers what came of it.
    async fn edit(&self, tenant: &Tenant, text: &str) -> Result<Value> {
        let args = json!({ "contentVersionId": self.version, "text": text });
        Ok(tenant.api.done_by(BOB, "version.edit", args).await?["result"].take())
    }

    /// Schedules it for the first account.
    async fn schedule(&self, tenant: &Tenant, at: DateTime<Utc>) -> Result<Planned> {
        let made = tenant.schedule(&self.version, at).await?;
        Ok(Planned {
            id: text(&made, "scheduleId")?,
            at,
            text: self.text.clone(),
            username: tenant.account.username.clone(),
        })
    }
}

/// Asks for a job and waits for its end, whatever the answer.
async fn ask(tenant: &Tenant, actor: &str, kind: &str, args: Value) -> Result<Answer> {
    tenant.api.ask(&Ask::new(kind, args).actor(actor).wait(20)).await
}

/// Checks that a job is refused with this status, word and field.
async fn is_refused(
    tenant: &Tenant,
    kind: &str,
    args: Value,
    (status, code, field): (u16, &str, &str),
) -> Result<()> {
    let answer = ask(tenant, BOB, kind, args.clone()).await?;
    is_problem(&answer, status, code, field).with_context(|| format!("{kind} {args}"))
}

/// Lets only approved content of an organization go out, or everything.
async fn require_approval(tenant: &Tenant, required: bool) -> Result<()> {
    let args = json!({ "approvalRequired": required });
    tenant.api.done("organization.update", args).await?;
    let path = format!("/v1/organizations/{}", tenant.organization);
    let organization = tenant.api.read(&path).await?;
    ensure!(organization["approvalRequired"] == required, "{organization}");
    Ok(())
}

/// Checks that a schedule waits for an approval, with a reason that names this.
async fn awaits_approval(tenant: &Tenant, planned: &Planned, why: &str) -> Result<()> {
    let schedule = tenant.api.schedule(&planned.id).await?;
    let reason = schedule["statusReason"].as_str().unwrap_or_default();
    ensure!(schedule["status"] == "on_hold" && schedule["awaitsApproval"] == true, "{schedule}");
    ensure!(reason.contains(why), "{reason:?} does not say {why:?}");
    Ok(())
}
