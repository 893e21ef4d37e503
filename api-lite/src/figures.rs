//! What the API tells about itself.
//!
//! **Invariant:** a label takes only the values that this program has written down: routes as they
//! were declared, known methods, stable words.

use axum::http::{Method, StatusCode};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;

use crate::database::Database;
use boot::Telemetry;
use boot::figures::{Pool, connections};

const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
const REFUSED: &str = "http_server_requests_refused_total";
const DELIVERIES: &str = "webhook_deliveries_total";

/// Describes the metrics of this file, and shows the pool.
pub(crate) fn start(telemetry: &Telemetry, database: &Database) {
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "Duration of a request");
    describe_counter!(REFUSED, Unit::Count, "Requests answered with a problem, by its code");
    describe_counter!(
        DELIVERIES,
        Unit::Count,
        "What senders told by webhook, by what came of it: kept, known before, or refused for a reason"
    );
    for sender in [store::engagement::SENDER, store::billing::SENDER] {
        received(sender, 0, 0);
        for reason in ["unverified", "malformed_json", "too_large"] {
            counter!(DELIVERIES, "sender" => sender, "outcome" => reason).increment(0);
        }
    }
    let database = database.clone();
    telemetry.at_scrape(move || {
        let store::Connections { open, idle, most } = database.connections();
        connections("main", Pool { open, idle, most });
    });
}

/// A request was answered, with this problem if there was one.
pub(crate) fn answered(
    method: &Method,
    route: &str,
    status: StatusCode,
    took: Duration,
    problem: Option<&'static str>,
) {
    // Methods are the caller's to choose: an unknown one must not become a label of its own.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
    let method = known.iter().find(|known| *known == method).map_or("_OTHER", Method::as_str);
    histogram!(REQUEST_DURATION,
        "http_request_method" => method.to_owned(),
        "http_route" => route.to_owned(),
        "http_response_status_code" => status.as_str().to_owned())
    .record(took.as_secs_f64());
    if let Some(code) = problem {
        counter!(REFUSED, "reason" => code).increment(1);
    }
}

/// So many events of a sender were kept, and so many were known.
pub(crate) fn received(sender: &'static str, new: u64, known: u64) {
    counter!(DELIVERIES, "sender" => sender, "outcome" => "kept").increment(new);
    counter!(DELIVERIES, "sender" => sender, "outcome" => "known").increment(known);
}

/// What seemed to be an event of a sender was refused.
pub(crate) fn not_received(sender: &'static str, reason: &'static str) {
    counter!(DELIVERIES, "sender" => sender, "outcome" => reason).increment(1);
}
