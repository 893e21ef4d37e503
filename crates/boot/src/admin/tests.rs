use axum::body::to_bytes;

use super::*;
use crate::config::{LogFormat, LogSettings};
use crate::env::Process;
use crate::flow::Head;

/// Telemetry is global, so one test sets it up and asks all questions of it.
#[tokio::test]
async fn metrics_and_health_are_served_until_the_token_is_cancelled() {
    let log = LogSettings { filter: "error".to_owned(), format: LogFormat::Text };
    let telemetry = crate::telemetry::start(Process::Worker, &log).expect("first in this process");
    assert!(crate::telemetry::start(Process::Worker, &log).is_err(), "set up twice");

    let late = || async {
        let due_for = Duration::from_secs(90);
        Ok(vec![Head { queue: "publish", job_id: "7".to_owned(), due_for }])
    };
    let checks = Checks::new().work(Flow::new(["publish"], Duration::from_secs(60), late));
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let reads = Arc::clone(&read);
    telemetry.at_scrape(move || {
        reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    let shutdown = CancellationToken::new();
    let listen = "127.0.0.1:0".parse().expect("an address");
    let admin =
        serve_admin(listen, &telemetry, checks, shutdown.clone()).await.expect("a free port");
    assert_ne!(admin.address.port(), 0);
    let get = async |path: &str| {
        let answer =
            reqwest::get(format!("http://{}{path}", admin.address)).await.expect("answers");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    };

    assert_eq!(get("/health/live").await, (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(get("/health/ready").await.0, 200);
    let (status, said) = get("/health/work").await;
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((status, &said["status"]), (503, &"failing".into()));
    assert!(said["reason"].as_str().is_some_and(|why| why.contains("the queue publish")), "{said}");
    assert_eq!(said["queues"][0]["oldestDueSecs"], 90.0);
    assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 0);
    let (status, metrics) = get("/metrics").await;
    assert_eq!(status, 200);
    assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 1, "read at the scrape");
    for name in [
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_open_fds ",
        "build_info{process=\"worker\"",
        "queue_oldest_due_seconds{queue=\"publish\"} 90\n",
    ] {
        assert!(metrics.contains(&format!("\n{name}")), "{name}\n{metrics}");
    }

    // The API does not answer for work, and so does not say that it flows.
    let plain = serve_admin(listen, &telemetry, Checks::new(), shutdown.clone()).await;
    let plain = plain.expect("a free port").address;
    let work = reqwest::get(format!("http://{plain}/health/work")).await.expect("answers");
    assert_eq!(work.status(), StatusCode::NOT_FOUND);

    let taken = serve_admin(admin.address, &telemetry, Checks::new(), shutdown.clone()).await;
    let said = taken.expect_err("the port is taken").to_string();
    assert!(said.contains("METRICS_LISTEN"), "{said}");

    shutdown.cancel();
    admin.task.await.expect("ends");
}

#[tokio::test]
async fn a_check_that_hangs_counts_as_failed() {
    let checks = Checks::new().ready(std::future::pending);
    let response = answer(&checks.ready, Duration::from_millis(1)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = to_bytes(response.into_body(), 1_000).await.expect("a body");
    assert!(String::from_utf8_lossy(&body).contains("longer than 1 ms"));
}
