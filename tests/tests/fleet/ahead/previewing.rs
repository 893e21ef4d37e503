//! A preview: when something would go out, and what else does about then.

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Tenant, in_ms, shared};
use serde_json::{Value, json};

use crate::api::is_problem;

const MINUTE: i64 = 60_000;

async fn preview(tenant: &Tenant, body: &Value) -> Result<Vec<Value>> {
    let answer = tenant.api.post("/v1/schedules/preview", body).await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(answer.body["items"].as_array().context("items")?.clone())
}

#[tokio::test]
async fn occurrences_are_shown_with_their_offset_and_what_clocks_do_to_them() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let before = tenant.api.items("/v1/jobs?limit=100").await?.len();
        let pattern = json!({ "pattern": "cron", "expression": "30 2 * * *" });
        let body = json!({
            "recurrence": pattern, "timezone": "Europe/Berlin", "count": 3,
            "after": "2027-03-27T00:00:00Z",
        });
        let items = preview(&tenant, &body).await?;
        let told =
            |item: &Value| json!([item["at"], item["wallTime"], item["shift"], item["near"]]);
        let told: Vec<Value> = items.iter().map(told).collect();
        let expected = [
            json!(["2027-03-27T02:30:00+01:00", "2027-03-27T02:30:00", "none", []]),
            json!(["2027-03-28T03:00:00+02:00", "2027-03-28T02:30:00", "moved", []]),
            json!(["2027-03-29T02:30:00+02:00", "2027-03-29T02:30:00", "none", []]),
        ];
        ensure!(told == expected, "{told:#?}");
        let once = json!({
            "at": "2027-10-31T02:30:00", "timezone": "Europe/Berlin", "after": "2027-10-01T00:00:00Z",
        });
        let items = preview(&tenant, &once).await?;
        ensure!(items[0]["at"] == "2027-10-31T02:30:00+02:00", "{items:#?}");
        ensure!(items[0]["shift"] == "repeated" && items.len() == 1, "{items:#?}");
        let daily = json!({ "pattern": "daily", "at": "09:00" });
        let body = json!({ "recurrence": daily, "timezone": "UTC" });
        ensure!(preview(&tenant, &body).await?.len() == 10);
        ensure!(tenant.api.items("/v1/jobs?limit=100").await?.len() == before, "no job is made");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn other_posts_of_the_account_are_shown_and_nobody_elses() {
    shared(async |fleet| {
        let (tenant, other) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let second = tenant.another_account().await?;
        let posts = [
            ("Near", &tenant.account, 0),
            ("Nearer", &tenant.account, 30 * MINUTE),
            ("Elsewhere", &second, 0),
            ("Far", &tenant.account, 200 * MINUTE),
        ];
        let planned = tenant.plan_together(&posts, 600 * MINUTE).await?;
        let at = in_ms(600 * MINUTE).format("%Y-%m-%dT%H:%M:%S").to_string();
        let mut body = json!({
            "at": at, "timezone": "UTC", "platformConnectionId": tenant.account.connection,
        });
        let items = preview(&tenant, &body).await?;
        let near: Vec<&Value> = items[0]["near"].as_array().context("near")?.iter().collect();
        let ids: Vec<&Value> = near.iter().map(|post| &post["scheduleId"]).collect();
        ensure!(ids == [planned[0].id.as_str(), planned[1].id.as_str()], "{items:#?}");
        ensure!(near[0]["status"] == "scheduled" && near[0]["scheduledAt"].is_string());
        body["platformConnectionId"] = json!(other.account.connection);
        let answer = tenant.api.post("/v1/schedules/preview", &body).await?;
        is_problem(&answer, 404, "not_found", "platformConnectionId")
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_previewed_is_refused_at_its_field() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let cron = |expression: &str| {
            json!({ "timezone": "UTC",
                    "recurrence": { "pattern": "cron", "expression": expression } })
        };
        for (body, field) in [
            (json!({ "timezone": "UTC" }), "recurrence"),
            (json!({ "timezone": "Mars", "at": "2030-01-01T00:00:00" }), "timezone"),
            (json!({ "timezone": "UTC", "at": "2020-01-01T00:00:00" }), "at"),
            (json!({ "timezone": "UTC", "at": "2030-01-01T00:00:00", "count": 101 }), "count"),
            (cron("0 0 30 2 *"), "recurrence.expression"),
            (cron("61 * * * *"), "recurrence.expression"),
            (
                json!({ "timezone": "UTC", "recurrence": { "pattern": "daily", "at": "24:30" } }),
                "recurrence.at",
            ),
        ] {
            let answer = tenant.api.post("/v1/schedules/preview", &body).await?;
            is_problem(&answer, 422, "invalid_argument", field)
                .with_context(|| body.to_string())?;
        }
        let blind = tenant.key_with(&["schedules:write"]).await?;
        let answer = blind.post("/v1/schedules/preview", &cron("0 9 * * *")).await?;
        is_problem(&answer, 403, "forbidden", "")
    })
    .await;
}
