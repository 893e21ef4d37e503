//! What is told of posts and of organizations, in every grouping and form.

use anyhow::{Result, ensure};
use fleet_tests::harness::{Account, Fleet, Tenant, shared};
use reqwest::Method;
use serde_json::{Value, json};

use super::{added_up, analytics, told, went_out};
use crate::api::is_problem;

/// Two accounts with a post each, and what became of them in October and November.
async fn stage(fleet: &Fleet) -> Result<(Tenant, Account, Vec<String>)> {
    let tenant = Tenant::new(fleet).await?;
    let other = tenant.another_account().await?;
    let accounts = [tenant.account.connection.as_str(), other.connection.as_str()];
    let moments = ["2026-10-24T10:00:00Z", "2026-11-03T10:00:00Z"];
    let posts = went_out(fleet, &tenant, &accounts, &moments).await?;
    let (first, second) = (posts[0].as_str(), posts[1].as_str());
    let events = [
        (first, "like", 4, "2026-10-25T00:30:00Z"),
        (first, "like", 6, "2026-10-25T01:30:00Z"),
        (first, "impression", 100, "2026-10-25T01:30:00Z"),
        (second, "like", 10, "2026-11-03T11:10:00Z"),
        (second, "comment", 0, "2026-11-03T11:10:00Z"),
        (second, "share", 2, "2026-11-03T11:50:00Z"),
        (second, "like", -1, "2026-11-04T08:00:00Z"),
    ];
    told(fleet, &tenant, &events).await?;
    added_up(fleet, &tenant).await?;
    Ok((tenant, other, posts))
}

fn column(rows: &Value, name: &str) -> Vec<Value> {
    rows.as_array().into_iter().flatten().map(|row| row[name].clone()).collect()
}

#[tokio::test]
async fn a_range_is_told_by_time_by_account_and_beside_the_one_before() {
    shared(async |fleet| {
        let (tenant, other, posts) = stage(fleet).await?;
        let all = analytics(&tenant, "from=2026-10-24&to=2026-11-06").await?;
        let totals = json!({
            "likes": 19, "comments": 0, "impressions": 100, "clicks": null, "shares": 2, "saves": null,
            "engagement": 21, "engagementRate": 0.21,
        });
        ensure!(all["totals"] == totals, "{all}");
        ensure!(all["from"] == "2026-10-23T22:00:00Z" && all["to"] == "2026-11-05T23:00:00Z", "{all}");
        ensure!(all["rows"] == json!([]) && all["comparison"].is_null(), "{all}");

        let days = analytics(&tenant, "from=2026-10-24&to=2026-11-06&groupBy=day").await?;
        ensure!(days["rows"].as_array().unwrap().len() == 13, "{days}");
        let likes = json!([null, 10, 0, 0, 0, 0, 0, 0, 0, 0, 10, -1, 0]);
        ensure!(json!(column(&days["rows"], "likes")) == likes, "{days}");
        ensure!(days["rows"][10]["date"] == "2026-11-03" && days["rows"][10]["comments"] == 0, "{days}");
        ensure!(days["rows"][9]["comments"].is_null(), "nobody had told of comments: {days}");

        // The night that has 25 hours: two of them are the third.
        let hours = "from=2026-10-25&to=2026-10-26&groupBy=hour&metrics=likes";
        let hours = analytics(&tenant, hours).await?;
        ensure!(hours["rows"].as_array().unwrap().len() == 25, "{hours}");
        let night = [&hours["rows"][2], &hours["rows"][3]].map(|row| row["likes"].clone());
        ensure!(night == [json!(4), json!(6)], "{hours}");

        let accounts = "from=2026-11-01&to=2026-11-06&groupBy=account&metrics=likes,shares";
        let accounts = analytics(&tenant, accounts).await?;
        let of = |id: &str| {
            let mut rows = accounts["rows"].as_array().into_iter().flatten();
            rows.find(|row| row["platformConnectionId"] == id).cloned().unwrap_or_default()
        };
        let (mine, others) = (of(&tenant.account.connection), of(&other.connection));
        ensure!(mine["likes"] == 0 && mine["shares"].is_null(), "{accounts}");
        ensure!(others["likes"] == 9 && others["shares"] == 2, "{accounts}");
        ensure!(others["accountName"] == other.username.as_str(), "{accounts}");
        let platforms = analytics(&tenant, "from=2026-11-01&to=2026-11-06&groupBy=platform").await?;
        ensure!(platforms["rows"][0]["platform"] == "TWITTER", "{platforms}");
        ensure!(platforms["rows"][0]["likes"] == 9, "{platforms}");
        let one = format!(
            "from=2026-10-24&to=2026-11-06&platform=TWITTER&platformConnectionId={}",
            tenant.account.connection
        );
        let one = analytics(&tenant, &one).await?;
        ensure!(one["totals"]["likes"] == 10 && one["totals"]["shares"].is_null(), "{one}");

        let compared = "from=2026-11-03&to=2026-11-13&compare=true&metrics=likes,impressions,clicks";
        let compared = analytics(&tenant, compared).await?;
        let before = &compared["comparison"];
        ensure!(before["from"] == "2026-10-23T22:00:00Z" && before["to"] == compared["from"], "{before}");
        ensure!(before["totals"] == json!({ "likes": 10, "impressions": 100, "clicks": null }), "{before}");
        let change = json!({
            "likes": { "absolute": -1, "relative": -0.1 },
            "impressions": { "absolute": -100, "relative": -1.0 },
            "clicks": { "absolute": null, "relative": null },
        });
        ensure!(before["change"] == change, "{before}");

        let best = analytics(&tenant, "from=2026-10-24&to=2026-11-06&top=5&bestHours=2").await?;
        let top = column(&best["topPosts"], "publishedPostId");
        ensure!(top == [json!(posts[1]), json!(posts[0])], "{best}");
        ensure!(best["topPosts"][0]["engagement"] == 11, "{best}");
        let hours: Vec<(Value, Value)> = best["bestHours"].as_array().into_iter().flatten()
            .map(|hour| (hour["weekday"].clone(), hour["hour"].clone())).collect();
        // Both hours of the night are the third by the clock, on a Sunday; then Tuesday noon.
        ensure!(hours == [(json!(2), json!(12)), (json!(7), json!(2))], "{best}");

        let page = "from=2026-10-24&to=2026-11-06&groupBy=post&limit=1";
        let first = analytics(&tenant, page).await?;
        ensure!(first["rows"][0]["publishedPostId"] == posts[1].as_str(), "{first}");
        let cursor = first["nextCursor"].as_str().unwrap();
        let second = analytics(&tenant, &format!("{page}&cursor={cursor}")).await?;
        ensure!(second["rows"][0]["publishedPostId"] == posts[0].as_str(), "{second}");
        ensure!(second["nextCursor"].is_null(), "{second}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_post_is_told_with_its_series_and_outlives_its_account() {
    shared(async |fleet| {
        let (tenant, _, posts) = stage(fleet).await?;
        let path = format!("/v1/posts/{}/engagement", posts[1]);
        let told = tenant.api.read(&path).await?;
        ensure!(told["likes"] == 9 && told["comments"] == 0 && told["shares"] == 2, "{told}");
        ensure!(told["impressions"].is_null() && told["engagement"] == 11, "{told}");
        ensure!(told["engagementRate"].is_null() && told["deletedAt"].is_null(), "{told}");
        ensure!(told["asOf"] == "2026-11-04T08:00:00Z" && told["nextPollAt"].is_null(), "{told}");
        // From the day on which it went out.
        ensure!(told["from"] == "2026-11-02T23:00:00Z", "{told}");
        ensure!(told["series"][0]["date"] == "2026-11-03", "{told}");
        ensure!(told["series"][0]["likes"] == 10 && told["series"][1]["likes"] == -1, "{told}");
        let hours = format!("{path}?grain=hour&from=2026-11-03&to=2026-11-04&metrics=likes");
        let hours = tenant.api.read(&hours).await?;
        ensure!(
            column(&hours["series"], "likes")[11..14] == [json!(null), json!(10), json!(0)],
            "{hours}"
        );

        // The account goes; what was told stays, and can be made anew.
        let args = json!({ "connectionId": told["platformConnectionId"] });
        tenant.api.done("connection.disconnect", args).await?;
        tenant.api.done("analytics.rebuild", json!({})).await?;
        ensure!(tenant.api.read(&path).await?["series"] == told["series"]);
        let accounts = analytics(&tenant, "from=2026-11-01&to=2026-11-06&groupBy=account").await?;
        ensure!(column(&accounts["rows"], "likes").contains(&json!(9)), "{accounts}");

        // Nobody else sees it.
        let stranger = Tenant::new(fleet).await?;
        is_problem(&stranger.api.get(&path).await?, 404, "not_found", "")?;
        let theirs = analytics(&stranger, "from=2026-10-24&to=2026-11-06").await?;
        ensure!(theirs["totals"]["likes"].is_null(), "{theirs}");
        let foreign = format!(
            "/v1/analytics?from=2026-10-24&to=2026-11-06&platformConnectionId={}",
            tenant.account.connection
        );
        is_problem(&stranger.api.get(&foreign).await?, 404, "not_found", "platformConnectionId")?;
        let operator = fleet.operator().acting_for(&tenant.organization);
        ensure!(operator.read(&path).await?["likes"] == 9);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn rows_come_as_csv_that_no_spreadsheet_runs() {
    shared(async |fleet| {
        let (tenant, other, posts) = stage(fleet).await?;
        let rename = format!(
            "update platform_connections set account_name = '=cmd(\"1\",2)' where id = '{}'",
            other.connection
        );
        fleet.database.run(&rename).await?;
        let sheet = async |path: &str, accept: &str| -> Result<String> {
            let answer = tenant.api.request(Method::GET, path).header("accept", accept).send().await?;
            let kind = answer.headers()["content-type"].to_str()?.to_owned();
            ensure!(answer.status() == 200 && kind.starts_with("text/csv"), "{kind}");
            Ok(answer.text().await?)
        };
        let days = "/v1/analytics?from=2026-11-02&to=2026-11-05&groupBy=day&metrics=likes,comments,engagement";
        let told = sheet(days, "text/csv").await?;
        let lines = "date,likes,comments,engagement\r\n2026-11-02,0,,0\r\n2026-11-03,10,0,12\r\n2026-11-04,-1,0,-1\r\n";
        ensure!(told == lines, "{told}");
        let accounts = "/v1/analytics?from=2026-11-02&to=2026-11-05&groupBy=account&metrics=likes&format=csv";
        let told = sheet(accounts, "*/*").await?;
        let line = format!("{},TWITTER,\"'=cmd(\"\"1\"\",2)\",9\r\n", other.connection);
        ensure!(told.contains(&line), "{told}");
        let totals = "/v1/analytics?from=2026-11-02&to=2026-11-05&metrics=likes,saves&format=csv";
        let told = sheet(totals, "application/json").await?;
        ensure!(told == "from,to,likes,saves\r\n2026-11-01T23:00:00Z,2026-11-04T23:00:00Z,9,\r\n", "{told}");
        let series = format!("/v1/posts/{}/engagement?to=2026-11-05&metrics=likes", posts[1]);
        let told = sheet(&series, "text/csv, application/json").await?;
        ensure!(told == "date,likes\r\n2026-11-03,10\r\n2026-11-04,-1\r\n", "{told}");
        Ok(())
    })
    .await;
}
