//! What cannot be answered is refused, by its name and with what would be right.

use anyhow::{Context, Result, ensure};
use fleet_tests::harness::{Tenant, shared};

use super::went_out;
use crate::api::is_problem;

#[tokio::test]
async fn wrong_questions_are_named() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let november = "from=2026-11-01&to=2026-12-01";
        for (query, field, said) in [
            ("to=2026-11-01".to_owned(), "from", "missing field"),
            ("from=2026-11-01".to_owned(), "to", "missing field"),
            ("from=2026-11-31&to=2026-12-01".to_owned(), "from", "expected a date"),
            ("from=2026-11-01&to=tomorrow".to_owned(), "to", "expected a date"),
            ("from=1912-11-01&to=2026-12-01".to_owned(), "from", "2000 to 2100"),
            ("from=2026-12-01&to=2026-11-01".to_owned(), "to", "after `from`"),
            ("from=2026-12-01&to=2026-12-01".to_owned(), "to", "after `from`"),
            ("from=2025-11-01&to=2026-11-03".to_owned(), "to", "366 days"),
            ("from=2026-11-01&to=2026-12-03&groupBy=hour".to_owned(), "to", "31 days"),
            ("from=2026-11-01T12:00:00Z&to=2026-12-31T12:00:00Z".to_owned(), "to", "Europe/Berlin"),
            (format!("{november}&groupBy=week"), "groupBy", "hour, day, platform, account, post"),
            (format!("{november}&metrics=likes,loves"), "metrics", "\"loves\""),
            (format!("{november}&metrics="), "metrics", "engagementRate"),
            (format!("{november}&platform=MYSPACE"), "platform", "TWITTER"),
            (format!("{november}&platformConnectionId=7"), "platformConnectionId", ""),
            (format!("{november}&top=101"), "top", "0 to 100"),
            (format!("{november}&bestHours=-1"), "bestHours", "0 to 168"),
            (format!("{november}&limit=5"), "limit", "groupBy=post"),
            (format!("{november}&groupBy=post&limit=1001"), "limit", "1 to 1000"),
            (format!("{november}&compare=maybe"), "compare", "true"),
            (format!("{november}&format=xml"), "format", "json, csv"),
            (format!("{november}&timezone=Mars"), "timezone", "unknown field"),
        ] {
            let answer = tenant.api.get(&format!("/v1/analytics?{query}")).await?;
            is_problem(&answer, 422, "invalid_argument", field).with_context(|| query.clone())?;
            ensure!(answer.body["detail"].as_str().unwrap().contains(said), "{query}: {answer:?}");
        }
        // The longest there may be.
        for query in ["from=2025-11-01&to=2026-11-02", "from=2026-10-01&to=2026-11-01&groupBy=hour"]
        {
            tenant.api.read(&format!("/v1/analytics?{query}")).await?;
        }
        let answer = fleet.operator().get(&format!("/v1/analytics?{november}")).await?;
        is_problem(&answer, 422, "invalid_argument", "Ezre-Organization")?;
        let blind = tenant.key_with(&["content:write"]).await?;
        let answer = blind.get(&format!("/v1/analytics?{november}")).await?;
        is_problem(&answer, 403, "forbidden", "")?;
        wrong_questions_of_a_post(
            &tenant,
            &went_out(fleet, &tenant, &[&tenant.account.connection], &["2024-11-01T12:00:00Z"])
                .await?[0],
        )
        .await
    })
    .await;
}

async fn wrong_questions_of_a_post(tenant: &Tenant, post: &str) -> Result<()> {
    let path = format!("/v1/posts/{post}/engagement");
    for (query, field) in [
        ("grain=week", "grain"),
        ("from=never", "from"),
        ("to=2024-10-01", "to"),
        ("from=2024-11-01", "to"),
        ("grain=hour&from=2024-11-01&to=2024-12-31", "to"),
        ("metrics=hearts", "metrics"),
        ("format=xml", "format"),
        ("groupBy=day", "groupBy"),
    ] {
        let answer = tenant.api.get(&format!("{path}?{query}")).await?;
        is_problem(&answer, 422, "invalid_argument", field).with_context(|| query.to_owned())?;
    }
    let told = tenant.api.read(&path).await?;
    ensure!(told["series"].as_array().unwrap().len() == 366, "the first 366 days: {told}");
    ensure!(told["likes"].is_null() && told["series"][365]["likes"].is_null());
    for strange in ["7", "0199f0a0-0000-7000-8000-000000000000"] {
        let answer = tenant.api.get(&format!("/v1/posts/{strange}/engagement")).await?;
        is_problem(&answer, 404, "not_found", "")?;
    }
    Ok(())
}
