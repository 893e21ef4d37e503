//! A series: what a change of the clocks does to one, and one that goes out every few seconds, with one
//! occurrence left out and one put off.
//!
//! **Invariant:** what people ask of an occurrence, they ask before its time has come.

mod judge;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Europe::Berlin;
use fleet_tests::api::text;
use fleet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::print::Teller;
use crate::stage::{Account, PERSON, Stage};

pub(crate) use judge::{Seen, Turned};

/// How often it goes out.
const EVERY: TimeDelta = TimeDelta::seconds(3);
/// The same as a cron expression with a field for seconds.
const EXPRESSION: &str = "*/3 * * * * *";
/// How many occurrences it has.
const TURNS: usize = 8;
/// The one that is left out, and the one that is put off: by so much that it goes out between two others.
const SKIPPED: usize = 3;
const MOVED: usize = 4;
const PUT_OFF: TimeDelta = TimeDelta::seconds(7);
/// From its planning to its first occurrence.
const RUN_UP: TimeDelta = TimeDelta::seconds(5);
/// How often the API is asked how the series is doing, beside how the posts are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is previewed, from a day before clocks change, and what becomes of it.
const AT_NIGHT: &str = "30 2 * * *";
const BEFORE_SPRING: &str = "2027-03-27T00:00:00Z";
const AROUND_SPRING: [(&str, &str); 3] = [
    ("2027-03-27T02:30:00+01:00", "none"),
    ("2027-03-28T03:00:00+02:00", "moved"),
    ("2027-03-29T02:30:00+02:00", "none"),
];

/// The series of the play.
pub(crate) struct Series {
    pub(crate) id: String,
    account: Account,
    /// What goes out, in turn.
    texts: Vec<String>,
    starts_at: DateTime<Utc>,
    /// When the one that was put off goes out.
    moved_to: DateTime<Utc>,
    /// What a preview answered.
    previewed: Vec<Value>,
}

impl Series {
    /// Previews one, makes another, leaves one of its occurrences out and puts one off.
    pub(crate) async fn plan(stage: &Stage, teller: &Teller) -> Result<Self> {
        let previewed = preview(stage, teller).await?;
        let account = stage.bring_in("oven").await?;
        let texts: Vec<String> = (1..=TURNS)
            .map(|tray| format!("Tray {tray} leaves the oven #{}", stage.mark))
            .collect();
        let versions = write(stage, &texts).await?;
        let starts_at = next_turn(Utc::now() + RUN_UP);
        let args = json!({
            "contentVersionId": versions[0],
            "platformConnectionId": account.connection,
            "at": starts_at.with_timezone(&Berlin).format("%Y-%m-%dT%H:%M:%S").to_string(),
            "timezone": Berlin.name(),
            "recurrence": {
                "rule": { "pattern": "cron", "expression": EXPRESSION, "seconds": true },
                "count": TURNS,
                "contentVersionIds": versions,
            },
        });
        let made = stage.api.done("schedule.create", args).await?;
        let id = text(&made, "scheduleId")?;
        teller.step(&format!(
            "{EXPRESSION:?} for @{}, {TURNS} times: as many texts take turns, for X refuses one that it has \
             just seen",
            account.username
        ));
        let moved_to = starts_at + EVERY * i32::try_from(MOVED)? + PUT_OFF;
        let series = Self { id, account, texts, starts_at, moved_to, previewed };
        series.touch(stage, teller).await?;
        Ok(series)
    }

    /// A person leaves one occurrence out and puts one off.
    async fn touch(&self, stage: &Stage, teller: &Teller) -> Result<()> {
        // The operators' token has no limit of requests a minute.
        let operator = stage.operator.acting_for(&stage.organization);
        let path = format!("/v1/schedules/{}/occurrences", self.id);
        let is_made = |turns: &Vec<Value>| {
            turns.len() == TURNS && turns.iter().all(|turn| turn["scheduleId"].is_string())
        };
        let made = "the occurrences are made";
        let turns =
            wait::until_right(made, PATIENCE, async || operator.items(&path).await, is_made)
                .await?;
        let args = json!({
            "scheduleId": turns[SKIPPED]["scheduleId"], "reason": "The oven is cold.",
        });
        stage.api.done_by(PERSON, "occurrence.skip", args).await?;
        teller.step(&format!(
            "{PERSON} skips the one at {}: the oven is cold",
            wall(&turns[SKIPPED])?
        ));
        let args = json!({
            "scheduleId": turns[MOVED]["scheduleId"],
            "at": self.moved_to.format("%Y-%m-%dT%H:%M:%S").to_string(),
            "timezone": "UTC",
        });
        stage.api.done_by(PERSON, "occurrence.move", args).await?;
        let later = PUT_OFF.num_seconds();
        teller.step(&format!("and puts the one at {} off by {later} s", wall(&turns[MOVED])?));
        Ok(())
    }

    /// Follows the series to its end.
    pub(crate) async fn follow(
        &self,
        stage: &Stage,
        limit: Duration,
        teller: &Teller,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let turns = self.turns(stage).await?;
            let over =
                |turn: &&Value| matches!(turn["status"].as_str(), Some("published" | "skipped"));
            if turns.iter().filter(over).count() == TURNS {
                break;
            }
            ensure!(Instant::now() < deadline, "the series is not at its end: {turns:#?}");
        }
        loop {
            looks.tick().await;
            let parent = stage.api.schedule(&self.id).await?;
            if parent["status"] == "ended" {
                break;
            }
            ensure!(Instant::now() < deadline, "the series has not ended: {parent}");
        }
        teller.step("the series has gone out, and has ended");
        Ok(())
    }

    /// Its occurrences, as the API tells them.
    pub(crate) async fn turns(&self, stage: &Stage) -> Result<Vec<Value>> {
        stage.api.items(&format!("/v1/schedules/{}/occurrences", self.id)).await
    }
}

/// Writes texts, each approved by itself; answers the versions.
async fn write(stage: &Stage, texts: &[String]) -> Result<Vec<String>> {
    let contents = texts.iter().map(|text| {
        let version = json!({ "platform": "TWITTER", "text": text });
        json!({ "title": "From the oven", "versions": [version] })
    });
    let made = stage.api.all_done("content.create", contents.collect()).await?;
    let mut versions = Vec::new();
    for made in made {
        let args = json!({ "contentRequestId": made["contentRequestId"] });
        stage.api.done_by(PERSON, "content.approve", args).await?;
        versions.push(made["contentVersionIds"][0].as_str().context("a version")?.to_owned());
    }
    Ok(versions)
}

/// Shows what a change of the clocks does to a series, before there is one.
async fn preview(stage: &Stage, teller: &Teller) -> Result<Vec<Value>> {
    let body = json!({
        "recurrence": { "pattern": "cron", "expression": AT_NIGHT },
        "timezone": Berlin.name(), "after": BEFORE_SPRING, "count": AROUND_SPRING.len(),
    });
    let answer = stage.api.post("/v1/schedules/preview", &body).await?;
    let previewed = answer.body["items"].as_array().context("nothing is previewed")?.clone();
    let told: Vec<String> = previewed
        .iter()
        .map(|item| {
            let (day, time) =
                item["at"].as_str().and_then(|at| at.split_once('T')).unwrap_or_default();
            let why = if item["shift"] == "moved" { " (there is no 02:30)" } else { "" };
            format!("{day} {time}{why}")
        })
        .collect();
    teller.step(&format!(
        "a preview of {AT_NIGHT:?} in {}, around a change of the clocks: {}",
        Berlin.name(),
        told.join(", ")
    ));
    Ok(previewed)
}

/// The first whole multiple of the rhythm from here on: every minute begins with one.
fn next_turn(from: DateTime<Utc>) -> DateTime<Utc> {
    let every = EVERY.num_seconds();
    let secs = from.timestamp() + 1;
    DateTime::from_timestamp(secs + (every - secs % every) % every, 0).unwrap_or(from)
}

/// When the series plans an occurrence, on the clocks of its zone.
fn wall(turn: &Value) -> Result<String> {
    let local = turn["plannedAtLocal"].as_str().context("no local time")?;
    local.split('T').nth(1).map(str::to_owned).context("no time of day")
}
