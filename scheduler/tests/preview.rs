//! `scheduler preview`, as operators call it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// The command with no environment: it needs none.
fn scheduler(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scheduler"));
    command.env_clear().arg("preview").args(arguments);
    command
}

fn text(output: &[u8]) -> &str {
    str::from_utf8(output).unwrap()
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = scheduler(arguments).output().unwrap();
    assert_eq!(text(&stdout), "");
    (status.code(), text(&stderr).to_owned())
}

const AFTER: [&str; 4] = ["--zone", "Europe/Berlin", "--after", "2026-03-28T00:00:00Z"];

#[test]
fn the_next_fire_times_are_printed_with_their_offsets() {
    let output = scheduler(&AFTER).args(["--count", "3", "30 2 * * *"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        text(&output.stdout),
        "2026-03-28T02:30:00+01:00\n2026-03-29T03:00:00+02:00\n2026-03-30T02:30:00+02:00\n"
    );
    let output =
        scheduler(&AFTER).args(["--seconds", "--count=2", "*/30 * * * * *"]).output().unwrap();
    assert_eq!(text(&output.stdout), "2026-03-28T01:00:30+01:00\n2026-03-28T01:01:00+01:00\n");
}

#[test]
fn what_cannot_be_answered_is_told_on_standard_error() {
    let (code, error) = refused(&["0 25 * * *"]);
    assert_eq!(
        (code, error.as_str()),
        (Some(1), "error: hour (character 3): 25 is out of range: expected 0 to 23\n")
    );
    let (code, error) = refused(&["--zone", "Mars/Olympus", "@daily"]);
    assert!(code == Some(1) && error.contains("Mars/Olympus"), "{error}");
    let (code, error) = refused(&["--batch", "/nowhere/to/be/found"]);
    assert!(code == Some(1) && error.contains("/nowhere/to/be/found"), "{error}");
    let (code, error) = refused(&["--count", "0", "@daily"]);
    assert!(code == Some(1) && error.contains("count"), "{error}");
    for usage in [&[][..], &["--after", "tomorrow", "@daily"], &["--batch", "-", "@daily"]] {
        assert_eq!(refused(usage).0, Some(2), "{usage:?}");
    }
}

#[test]
fn a_batch_is_answered_line_by_line_in_order() {
    let mut child =
        scheduler(&["--batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut asks = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut ask = |line: &[u8]| -> Value {
        asks.write_all(line).unwrap();
        asks.write_all(b"\n").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    let line = json!({"expression": "30 2 * * *", "zone": "Europe/Berlin", "after": "2026-10-24T12:00:00Z", "count": 2});
    assert_eq!(
        ask(line.to_string().as_bytes()),
        json!({"fires": ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]})
    );
    let mut error = |line: &[u8], word: &str| {
        let answer = ask(line);
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(word)), "{answer}");
    };
    error(b"30 2 * * *", "no JSON");
    error(b"", "no JSON");
    error(b"\xff", "no JSON");
    error(b"{}", "missing field `expression`");
    error(br#"{"expression": "@daily", "zone": "UTC", "after": "noon", "count": 1}"#, "after");
    error(
        br#"{"expression": "@daily", "zone": "UTC", "after": "1066-10-14T09:00:00Z", "count": 1}"#,
        "1972",
    );
    error(br#"{"expression": "0 0 31 2 *", "zone": "UTC", "after": "2026-01-01T00:00:00Z", "count": 1}"#, "day of month");
    error(br#"{"expression": "@daily", "zone": "UTC", "after": "2026-01-01T00:00:00Z", "count": 1, "secs": 1}"#, "secs");
    let mut with_seconds = line;
    with_seconds["seconds"] = true.into();
    with_seconds["expression"] = "5 0 0 1 1 *".into();
    assert_eq!(
        ask(with_seconds.to_string().as_bytes()),
        json!({"fires": ["2027-01-01T00:00:05+01:00", "2028-01-01T00:00:05+01:00"]})
    );
    drop(asks);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_batch_is_read_from_a_file_and_may_be_read_halfway() {
    let file = std::env::temp_dir().join(format!("preview-{}.jsonl", std::process::id()));
    let line = json!({"expression": "* * * * *", "zone": "UTC", "after": "2026-01-01T00:00:00Z", "count": 1_000});
    std::fs::write(&file, format!("{line}\n").repeat(100)).unwrap();
    let mut child =
        scheduler(&["--batch", file.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut answer = String::new();
    // The rest, more than a pipe holds, finds nobody who listens.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["fires"].as_array().unwrap().len(), 1_000);
    assert!(child.wait().unwrap().success());
    std::fs::remove_file(&file).unwrap();
}
