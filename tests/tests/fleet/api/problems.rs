//! Problem details everywhere, also for what is no proper request at all.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fleet_tests::api::Answer;
use fleet_tests::harness::{Setup, Tenant, on, shared};
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::is_problem;

#[tokio::test]
async fn what_is_no_proper_request_gets_problem_details() {
    shared(async |fleet| {
        let tenant = Tenant::new(fleet).await?;
        let api = &tenant.api;
        let send = async |body: &str| -> Result<Answer> {
            let request = api.request(Method::POST, "/v1/jobs");
            let request = request.header("content-type", "application/json");
            api.send(request.body(body.to_owned())).await
        };
        is_problem(&send("{\"kind\": ").await?, 400, "malformed_json", "")?;
        is_problem(&send("").await?, 400, "malformed_json", "")?;
        is_problem(&send("[]").await?, 422, "invalid_argument", "")?;
        is_problem(&send("7").await?, 422, "invalid_argument", "")?;
        is_problem(&send("{\"kind\": \"a\"}").await?, 422, "invalid_argument", "args")?;
        let request = api.request(Method::POST, "/v1/jobs").header("content-type", "text/plain");
        let answer = api.send(request.body("{}")).await?;
        is_problem(&answer, 415, "unsupported_media_type", "")?;
        let huge = format!("{{\"kind\": \"{}\"}}", "a".repeat(2 << 20));
        let answer = send(&huge).await?;
        is_problem(&answer, 413, "too_large", "")?;
        ensure!(answer.header("connection") == "close", "the rest was not read: {answer:?}");
        is_problem(&api.get("/v2/jobs").await?, 404, "unknown_route", "")?;
        is_problem(&api.get("/v1/nonsense").await?, 404, "unknown_route", "")?;
        let answer = api.send(api.request(Method::DELETE, "/v1/jobs")).await?;
        is_problem(&answer, 405, "method_not_allowed", "")?;
        is_problem(&api.get("/v1/jobs/nonsense").await?, 404, "not_found", "")?;
        is_problem(&api.get("/v1/jobs?limit=0").await?, 422, "invalid_argument", "limit")?;
        is_problem(&api.get("/v1/jobs?colour=red").await?, 422, "invalid_argument", "colour")?;
        is_problem(&api.get("/v1/events?after=x").await?, 422, "invalid_argument", "after")?;
        for token in ["", "nonsense", "ezre_nonsense"] {
            let answer = api.with_token(token).get("/v1/jobs").await?;
            is_problem(&answer, 401, "unauthorized", "").context(token)?;
            ensure!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
        }
        let stolen = api.acting_for(&tenant.organization).get("/v1/jobs").await?;
        is_problem(&stolen, 403, "forbidden", "")
    })
    .await;
}

#[tokio::test]
async fn a_slow_body_is_refused_and_counted() {
    let setup = Setup::default().workers(0).schedulers(0).with("REQUEST_TIMEOUT_MS", "700");
    on(setup, async |fleet| {
        let api = fleet.operator();
        let address = api.base_url().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "POST /v1/jobs HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"kind\"",
            api.token()
        );
        stream.write_all(head.as_bytes()).await?;
        // The rest never comes.
        let mut answer = vec![0; 4096];
        let limit = Duration::from_secs(10);
        let read = tokio::time::timeout(limit, stream.read(&mut answer)).await??;
        let answer = String::from_utf8_lossy(&answer[..read]);
        ensure!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap())?;
        ensure!(body["code"] == "slow_request", "{body}");
        ensure!(fleet.database.text("select count(*) from jobs").await? == "0");
        let metrics = reqwest::get(format!("{}/metrics", api.base_url())).await?.text().await?;
        ensure!(metrics.contains("slow_request"), "refusals are counted by their word: {metrics}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_document_is_served_and_health_needs_no_key() {
    shared(async |fleet| {
        let api = fleet.operator();
        let base = api.base_url();
        let document: Value = reqwest::get(format!("{base}/openapi.json")).await?.json().await?;
        ensure!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")), "{document}");
        let kinds = document["components"]["schemas"]["NewJob"]["discriminator"]["mapping"].clone();
        let kinds = kinds.as_object().context("the kinds that callers may enqueue")?;
        for kind in jobs::Kind::ALL {
            let is_open = kind.spec().caller.is_open();
            ensure!(kinds.contains_key(kind.as_str()) == is_open, "{kind}: {kinds:?}");
        }
        for path in ["/health/live", "/health/ready", "/metrics"] {
            ensure!(reqwest::get(format!("{base}{path}")).await?.status() == 200, "{path}");
        }
        Ok(())
    })
    .await;
}
