//! Measures how long recurring schedules take to be expanded: `cargo run --release -p jobs --example
//! expansion [SCHEDULES]` reads so many patterns, in turns of kinds and zones, and asks each for its
//! occurrences of two days.

#![expect(clippy::print_stdout, reason = "a report for people")]

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::TZ_VARIANTS;
use jobs::recurrence::{Invalid, Pattern};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schedules: usize = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    // Berlin's clocks change within these days.
    let after: DateTime<Utc> = "2026-03-28T12:00:00Z".parse()?;
    let cases = [
        ("daily", json!({"pattern": "daily", "at": "09:00"})),
        ("weekly", json!({"pattern": "weekly", "days": ["monday", "friday"], "at": "02:30"})),
        ("monthly", json!({"pattern": "monthly", "on": {"kind": "lastDay"}, "at": "18:00"})),
        ("0 9 * * MON-FRI", json!({"pattern": "cron", "expression": "0 9 * * MON-FRI"})),
        ("0 */3 * * *", json!({"pattern": "cron", "expression": "0 */3 * * *"})),
        ("*/15 8-20 * * *", json!({"pattern": "cron", "expression": "*/15 8-20 * * *"})),
        ("0 9 29 2 */7", json!({"pattern": "cron", "expression": "0 9 29 2 */7"})),
    ];
    for (name, pattern) in cases {
        let pattern: Pattern = serde_json::from_value(pattern)?;
        let (mut reading, mut walking, mut fires) = (Duration::ZERO, Duration::ZERO, 0);
        for nth in 0..schedules {
            let began = Instant::now();
            let rule = pattern.rule().map_err(|Invalid { message, .. }| message)?;
            let read = Instant::now();
            let zone = TZ_VARIANTS[nth % TZ_VARIANTS.len()];
            let end = Some(after + TimeDelta::days(2));
            fires += rule.occurrences(zone, after).until(end).count();
            reading += read - began;
            walking += read.elapsed();
        }
        println!(
            "{name}: {schedules} schedules, {fires} occurrences: read in {} ms, expanded in {} ms",
            reading.as_millis(),
            walking.as_millis()
        );
    }
    Ok(())
}
