//! `scheduler preview`: when a cron expression fires. Needs no configuration and no database.
//!
//! With `--batch`, each line is answered as soon as it is read, in order.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, Datelike, Utc};
use jobs::recurrence::Pattern;
use jobs::wall_time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// More fire times than anybody looks at.
const MOST: u32 = 100_000;
/// What answers can be given for: offsets are whole minutes, and the calendar does not end meanwhile.
const YEARS: std::ops::RangeInclusive<i32> = 1972..=3900;

/// Prints when a cron expression fires next: one moment with its offset a line
#[derive(Debug, clap::Args)]
pub(crate) struct Preview {
    /// Minute, hour, day of month, month, day of week, such as '30 9 * * MON-FRI'; or @daily and its like
    #[arg(required_unless_present = "batch", allow_hyphen_values = true)]
    expression: Option<String>,
    /// The expression has six fields, seconds first
    #[arg(long, conflicts_with = "batch")]
    seconds: bool,
    /// IANA time zone
    #[arg(long, default_value = "UTC", conflicts_with = "batch")]
    zone: String,
    /// Fire times later than this moment, such as 2026-03-28T00:00:00Z; now, if not given
    #[arg(long, conflicts_with = "batch")]
    after: Option<DateTime<Utc>>,
    /// How many
    #[arg(long, default_value_t = 5, conflicts_with = "batch")]
    count: u32,
    /// Answers each line {"expression", "zone", "after", "count", "seconds"?} of this file, or of standard
    /// input for -, by a line {"fires": […]} or {"error": "…"}
    #[arg(long, value_name = "FILE", conflicts_with = "expression")]
    batch: Option<PathBuf>,
}

/// What is asked: a line of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    expression: String,
    zone: String,
    after: DateTime<Utc>,
    count: u32,
    #[serde(default)]
    seconds: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Fires(Vec<String>),
    Error(String),
}

/// Standard output that is closed early (`| head`) ends the command in good order.
pub(crate) fn preview(preview: Preview) -> ExitCode {
    let done = match preview.batch {
        Some(path) => batch(&path),
        None => {
            let asked = Asked {
                expression: preview.expression.unwrap_or_default(),
                zone: preview.zone,
                after: preview.after.unwrap_or_else(Utc::now),
                count: preview.count,
                seconds: preview.seconds,
            };
            one(&asked)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done when standard error is closed.
            _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn one(asked: &Asked) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for fires in asked.fires().map_err(io::Error::other)? {
        writeln!(out, "{fires}")?;
    }
    Ok(())
}

fn batch(path: &Path) -> io::Result<()> {
    let mut lines: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        Box::new(BufReader::new(file))
    };
    // Writes through at the end of each line, so that whoever asks may wait for the answer.
    let mut out = io::stdout().lock();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let fires = read(&line).and_then(|asked| asked.fires());
        let answer = fires.map_or_else(Answer::Error, Answer::Fires);
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
        line.clear();
    }
    Ok(())
}

fn read(line: &[u8]) -> Result<Asked, String> {
    // Of its own, so that a line that is no JSON is told apart from one that asks wrongly.
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string() {
        line if line == "." => error.inner().to_string(),
        field => format!("{field}: {}", error.inner()),
    })
}

impl Asked {
    /// The fire times, or what is wrong, for people.
    fn fires(&self) -> Result<Vec<String>, String> {
        let zone = wall_time::zone(&self.zone).map_err(|problem| problem.message)?;
        if !YEARS.contains(&self.after.year()) {
            return Err(format!(
                "after: {} is out of range: expected a moment of the years {} to {}",
                self.after.to_rfc3339(),
                YEARS.start(),
                YEARS.end()
            ));
        }
        if !(1..=MOST).contains(&self.count) {
            return Err(format!("count: expected 1 to {MOST}"));
        }
        let pattern = Pattern::Cron { expression: self.expression.clone(), seconds: self.seconds };
        let rule = pattern.rule().map_err(|invalid| invalid.message)?;
        let fires = rule.occurrences(zone, self.after);
        Ok(fires.at_most(Some(self.count)).map(|fires| fires.at.to_rfc3339()).collect())
    }
}
