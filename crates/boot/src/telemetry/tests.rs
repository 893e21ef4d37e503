use std::io;
use std::sync::{Arc, Mutex};

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("text")
    }
}

fn logged(format: LogFormat, filter: &str, act: impl FnOnce()) -> String {
    let kept = Kept::default();
    let writer = kept.clone();
    let log = LogSettings { filter: filter.to_owned(), format };
    let subscriber = subscriber(&log, move || writer.clone()).expect("a good filter");
    tracing::subscriber::with_default(subscriber, act);
    kept.text()
}

#[test]
fn a_json_line_names_its_job_however_deep_it_is() {
    let text = logged(LogFormat::Json, "info", || {
        let _job = tracing::info_span!("job", job.id = 7).entered();
        let _call = tracing::info_span!("call", platform.id = "x").entered();
        tracing::info!(http.status = 200, "call.done");
        tracing::debug!("not asked for");
    });
    let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON line");
    assert_eq!(line["message"], "call.done");
    assert_eq!(line["http.status"], 200);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["spans"][0]["job.id"], 7);
    assert_eq!(line["spans"][1]["platform.id"], "x");
}

#[test]
fn text_lines_are_plain() {
    let text = logged(LogFormat::Text, "warn", || {
        tracing::info!("not asked for");
        tracing::warn!(job.id = 7, "job.slow");
    });
    assert!(text.contains("WARN") && text.contains("job.slow job.id=7"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("not asked for"), "{text}");
}

#[test]
fn seconds_bytes_and_jobs_fall_into_their_buckets() {
    let recorder = builder().expect("buckets").build_recorder();
    metrics::with_local_recorder(&recorder, || {
        metrics::histogram!("job_run_duration_seconds", "queue" => "publish").record(0.3);
        metrics::histogram!("upload.size.bytes").record(2_000.0);
        metrics::histogram!("group_jobs").record(500.0);
        metrics::counter!("jobs_finished_total").increment(1);
    });
    let text = recorder.handle().render();
    for line in [
        "job_run_duration_seconds_bucket{queue=\"publish\",le=\"0.25\"} 0",
        "job_run_duration_seconds_bucket{queue=\"publish\",le=\"0.5\"} 1",
        "upload_size_bytes_bucket{le=\"1024\"} 0",
        "upload_size_bytes_bucket{le=\"4096\"} 1",
        "group_jobs_bucket{le=\"200\"} 0",
        "group_jobs_bucket{le=\"500\"} 1",
        "jobs_finished_total 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_panic_becomes_a_log_line() {
    crate::panics::install();
    let text = logged(LogFormat::Json, "info", || {
        let caught = std::panic::catch_unwind(|| panic!("the impossible came true"));
        assert!(caught.is_err());
    });
    let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON line");
    assert_eq!(line["message"], "panic");
    assert_eq!(line["panic.message"], "the impossible came true");
    let place = line["panic.location"].as_str().expect("a place");
    assert!(place.contains("tests.rs"), "{place}");
}
