//! Bad recurrences, and what they get: refused at the field, nothing stored.

use anyhow::ensure;
use fleet_tests::api::Ask;
use fleet_tests::harness::{Tenant, shared};
use serde_json::{Value, json};

use crate::api::is_problem;

#[tokio::test]
async fn bad_recurrences_are_refused_at_their_field() {
    shared(async |fleet| {
        let (tenant, stranger) = (Tenant::new(fleet).await?, Tenant::new(fleet).await?);
        let version = tenant.write("Fine").await?;
        let foreign = stranger.write("Not yours").await?;
        let daily = json!({ "pattern": "daily", "at": "09:00" });
        let plan = |recurrence: Value| {
            json!({
                "contentVersionId": version, "platformConnectionId": tenant.account.connection,
                "timezone": "Europe/Berlin", "recurrence": recurrence,
            })
        };
        let cron = |expression: &str| json!({ "pattern": "cron", "expression": expression });
        let bad = 422;
        let single = tenant.plan("Single", &tenant.account, 3_600_000).await?;
        let cases: Vec<(&str, Value, u16, &str, &str)> = vec![
            ("schedule.create", plan(json!({ "rule": cron("61 * * * *") })), bad, "invalid_argument", "args.recurrence.rule.expression"),
            ("schedule.create", plan(json!({ "rule": cron("0 0 30 2 *") })), bad, "invalid_argument", "args.recurrence.rule.expression"),
            ("schedule.create", plan(json!({ "rule": { "pattern": "weekly", "days": [], "at": "09:00" } })), bad, "invalid_argument", "args.recurrence.rule.days"),
            ("schedule.create", plan(json!({ "rule": { "pattern": "daily", "at": "25:00" } })), bad, "invalid_argument", "args.recurrence.rule.at"),
            ("schedule.create", plan(json!({ "rule": { "pattern": "weekly", "days": ["monday", "noday"], "at": "09:00" } })), bad, "invalid_argument", "args.recurrence.rule.days[1]"),
            ("schedule.create", plan(json!({ "rule": { "pattern": "weekly", "at": "09:00" } })), bad, "invalid_argument", "args.recurrence.rule.days"),
            ("schedule.create", plan(json!({ "rule": { "pattern": "daily", "at": "09:00", "seconds": true } })), bad, "invalid_argument", "args.recurrence.rule.seconds"),
            ("schedule.update", json!({ "scheduleId": single.id, "recurrence": { "rule": { "pattern": "monthly", "at": "09:00", "on": { "kind": "day", "day": 300 } } } }), bad, "invalid_argument", "args.recurrence.rule.on.day"),
            ("schedule.create", plan(json!({ "rule": daily, "count": 0 })), bad, "invalid_argument", "args.recurrence.count"),
            ("schedule.create", plan(json!({ "rule": daily, "endDate": "2020-01-01T00:00:00" })), bad, "invalid_argument", "args.recurrence.endDate"),
            ("schedule.create", plan(json!({ "rule": daily, "contentVersionIds": [version, foreign] })), 404, "not_found", "args.recurrence.contentVersionIds[1]"),
            ("schedule.create", json!({ "contentVersionId": version, "platformConnectionId": tenant.account.connection, "timezone": "UTC" }), bad, "invalid_argument", "args.at"),
            ("schedule.create", json!({ "contentVersionId": version, "platformConnectionId": tenant.account.connection, "timezone": "UTC", "at": "2099-01-01T09:00:00+01:00" }), bad, "invalid_argument", "args.at"),
            ("schedule.pause", json!({ "scheduleId": single.id }), 409, "conflict", "args.scheduleId"),
            ("schedule.pause", json!({ "scheduleId": "01a206df-fcc8-76be-8e33-5013e3e4c22d" }), 404, "not_found", "args.scheduleId"),
            ("occurrence.skip", json!({ "scheduleId": single.id }), 409, "conflict", "args.scheduleId"),
            ("occurrence.move", json!({ "scheduleId": single.id, "at": "2099-01-01T00:00:00" }), 409, "conflict", "args.scheduleId"),
            ("schedule.update", json!({ "scheduleId": single.id, "recurrence": { "rule": daily } }), bad, "invalid_argument", "args.recurrence"),
        ];
        for (kind, args, status, code, field) in cases {
            let answer = tenant.api.ask(&Ask::new(kind, args)).await?;
            is_problem(&answer, status, code, field)?;
        }
        let recurring = tenant.api.items("/v1/schedules?isRecurring=true").await?;
        ensure!(recurring.is_empty(), "{recurring:?}");
        let answer = tenant.api.get(&format!("/v1/schedules/{}/occurrences", single.id)).await?;
        ensure!(answer.status == 404, "{answer:?}");
        Ok(())
    })
    .await;
}
