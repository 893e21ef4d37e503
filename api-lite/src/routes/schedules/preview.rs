//! `POST /v1/schedules/preview`: when something would go out, before anything is scheduled.
//!
//! **Invariant:** nothing is written.

use axum::extract::State;
use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;
use crate::body::{Json, decode};
use crate::page::Items;
use crate::principal::Principal;
use crate::problem::{Problem, Result};
use jobs::recurrence::{self, Occurrence, Pattern, Shift};
use jobs::{Code, ConnectionId, ContentVersionId, ScheduleId, Scope, wall_time};
use store::schedules::{self, Near};
use store::{Conn, connections};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// How far around an occurrence other posts are looked for.
const NEAR: Duration = Duration::from_secs(3600);
/// Most other posts that are shown with an occurrence, the earliest.
const NEAR_SHOWN: i64 = 20;
/// Most occurrences.
const MOST: u32 = 100;
/// For what times answers can be given: offsets are whole minutes, and the calendar does not end meanwhile.
const YEARS: std::ops::RangeInclusive<i32> = 1972..=3900;

/// What would be scheduled: once, `at` a time, or by a recurring pattern.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SchedulePreview {
    /// The recurring pattern; either this or `at`.
    recurrence: Option<Pattern>,
    /// The wall time in `timezone`, such as `2026-12-24T18:00:00`; either this or `recurrence`.
    #[schema(value_type = Option<String>, example = "2026-12-24T18:00:00")]
    at: Option<NaiveDateTime>,
    /// IANA zone.
    #[schema(example = "Europe/Berlin")]
    timezone: String,
    /// How many occurrences, 1 to 100.
    #[serde(default = "ten")]
    #[schema(default = 10, minimum = 1, maximum = 100)]
    count: u32,
    /// Only occurrences later than this; now when absent.
    after: Option<DateTime<Utc>>,
    /// No occurrence later than this; with `recurrence` alone.
    end_date: Option<DateTime<Utc>>,
    /// Where it would go out: other posts of that account are shown beside each occurrence.
    platform_connection_id: Option<ConnectionId>,
}

fn ten() -> u32 {
    10
}

/// An occurrence.
#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct PreviewedOccurrence {
    /// The moment, with the zone's offset at it.
    #[schema(value_type = String, format = DateTime, example = "2026-03-29T03:00:00+02:00")]
    at: DateTime<FixedOffset>,
    /// The wall time that was asked for.
    #[schema(value_type = String, example = "2026-03-29T02:30:00")]
    wall_time: NaiveDateTime,
    /// What daylight saving does to it: nothing (`none`); the wall time does not exist that day, and it goes
    /// out at the first moment after the gap (`moved`); it exists twice (`repeated`): it goes out the first
    /// time, unless the pattern follows real time and goes out both times.
    shift: Shift,
    /// Which of two it is: 0 for the first, and where there is one alone.
    fold: u8,
    /// Other posts of the account within an hour of it, at most 20, the earliest; empty where no account is
    /// given. Those of series are known as far ahead as they are planned.
    near: Vec<NearPost>,
}

/// Another post of the account.
#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct NearPost {
    /// Its schedule.
    schedule_id: ScheduleId,
    /// What it is about.
    content_version_id: ContentVersionId,
    /// When it goes out, or went out.
    scheduled_at: DateTime<Utc>,
    /// Where it stands.
    status: String,
}

/// Previews a schedule
///
/// When it would go out, what changes of the clocks do to that, and what else goes out from the account about
/// then. Nothing is written. Fewer occurrences than asked for are all there are.
#[utoipa::path(
    post, path = "/v1/schedules/preview", tag = "schedules", operation_id = "previewSchedule",
    request_body = SchedulePreview,
    responses((status = 200, description = "The occurrences", body = Items<PreviewedOccurrence>))
)]
async fn preview(
    State(app): State<App>,
    principal: Principal,
    body: Json,
) -> Result<axum::Json<Items<PreviewedOccurrence>>> {
    principal.require(Scope::Read)?;
    let asked: SchedulePreview = decode(body.value)?;
    let asked = Asked::understand(asked)?;
    let mut tx = app.database.reading(&principal).await?;
    let now = store::now(&mut tx).await?;
    let occurrences = asked.occurrences(now)?;
    let near = match asked.account {
        Some(account) => near(&mut tx, account, &occurrences).await?,
        None => Vec::new(),
    };
    tx.commit().await?;
    let mut items: Vec<PreviewedOccurrence> = occurrences.into_iter().map(shown).collect();
    for other in near {
        if let Some(item) = items.get_mut(other.nth) {
            item.near.push(NearPost {
                schedule_id: other.schedule_id,
                content_version_id: other.content_version_id,
                scheduled_at: other.scheduled_at,
                status: other.status,
            });
        }
    }
    Ok(axum::Json(Items { items, next_cursor: None }))
}

fn shown(occurrence: Occurrence) -> PreviewedOccurrence {
    let Occurrence { planned, fold, at, shift } = occurrence;
    PreviewedOccurrence { at, wall_time: planned, shift, fold, near: Vec::new() }
}

async fn near(
    conn: &mut Conn,
    account: ConnectionId,
    occurrences: &[Occurrence],
) -> Result<Vec<Near>> {
    if connections::get(&mut *conn, account).await?.is_none() {
        let detail = format!("there is no connection {account} in this organization");
        return Err(Problem::new(Code::NotFound, detail).at("platformConnectionId"));
    }
    let times: Vec<DateTime<Utc>> = occurrences.iter().map(|one| one.at.to_utc()).collect();
    Ok(schedules::near(conn, account, &times, NEAR, NEAR_SHOWN).await?)
}

/// What is asked for, understood.
#[derive(Debug)]
struct Asked {
    what: What,
    zone: Tz,
    count: u32,
    after: Option<DateTime<Utc>>,
    account: Option<ConnectionId>,
}

#[derive(Debug)]
enum What {
    Once(NaiveDateTime),
    Again { rule: recurrence::Rule, until: Option<DateTime<Utc>> },
}

impl Asked {
    fn understand(asked: SchedulePreview) -> Result<Self> {
        let zone = wall_time::zone(&asked.timezone)
            .map_err(|problem| Problem::invalid("timezone", problem.message))?;
        if !(1..=MOST).contains(&asked.count) {
            return Err(Problem::invalid("count", format!("expected 1 to {MOST}")));
        }
        for (field, moment) in [("after", asked.after), ("endDate", asked.end_date)] {
            if let Some(moment) = moment {
                within_years(field, moment.year())?;
            }
        }
        let what = match (asked.recurrence, asked.at) {
            (Some(pattern), None) => {
                let rule = pattern.rule().map_err(|invalid| {
                    Problem::invalid(&format!("recurrence.{}", invalid.field), invalid.message)
                })?;
                What::Again { rule, until: asked.end_date }
            }
            (None, Some(at)) => {
                within_years("at", at.year())?;
                if asked.end_date.is_some() {
                    let detail = "expected this with recurrence alone";
                    return Err(Problem::invalid("endDate", detail));
                }
                What::Once(at)
            }
            (Some(_), Some(_)) => {
                return Err(Problem::invalid("at", "expected either this or recurrence"));
            }
            (None, None) => return Err(Problem::invalid("recurrence", "expected this or at")),
        };
        let (count, account) = (asked.count, asked.platform_connection_id);
        Ok(Self { what, zone, count, after: asked.after, account })
    }

    fn occurrences(&self, now: DateTime<Utc>) -> Result<Vec<Occurrence>> {
        let after = self.after.unwrap_or(now);
        match &self.what {
            What::Once(wall) => {
                let one = recurrence::once(*wall, self.zone);
                // As schedule.create says it.
                if one.at.to_utc() <= after {
                    let detail = format!(
                        "expected a moment later than {}: {} in {} is at {}",
                        after.format("%FT%TZ"),
                        wall.format("%FT%T"),
                        self.zone,
                        one.at.to_utc().format("%FT%TZ")
                    );
                    return Err(Problem::invalid("at", detail));
                }
                Ok(vec![one])
            }
            What::Again { rule, until } => {
                let found = rule.occurrences(self.zone, after).until(*until);
                Ok(found.at_most(Some(self.count)).collect())
            }
        }
    }
}

fn within_years(field: &str, year: i32) -> Result<()> {
    if YEARS.contains(&year) {
        return Ok(());
    }
    let detail = format!("expected a year from {} to {}", YEARS.start(), YEARS.end());
    Err(Problem::invalid(field, detail))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::{Value, json};

    fn now() -> DateTime<Utc> {
        "2026-03-27T12:00:00Z".parse().unwrap()
    }

    fn asked(body: Value) -> Result<Vec<Occurrence>> {
        Asked::understand(decode(body)?)?.occurrences(now())
    }

    fn told(body: Value) -> Vec<(String, String, Shift)> {
        let occurrences = asked(body).unwrap().into_iter();
        occurrences.map(|one| (one.at.to_rfc3339(), one.planned.to_string(), one.shift)).collect()
    }

    #[test]
    fn a_pattern_and_a_single_time_mean_the_same_when_clocks_change() {
        let zone = "Europe/Berlin";
        let spring = json!({ "recurrence": { "pattern": "cron", "expression": "30 2 * * *" },
                             "timezone": zone, "count": 3 });
        let expected = [
            ("2026-03-28T02:30:00+01:00", "2026-03-28 02:30:00", Shift::None),
            ("2026-03-29T03:00:00+02:00", "2026-03-29 02:30:00", Shift::Moved),
            ("2026-03-30T02:30:00+02:00", "2026-03-30 02:30:00", Shift::None),
        ]
        .map(|(at, wall, shift)| (at.to_owned(), wall.to_owned(), shift));
        assert_eq!(told(spring), expected);
        let once = |at: &str| told(json!({ "at": at, "timezone": zone })).remove(0);
        assert_eq!(once("2026-03-29T02:30:00"), expected[1]);
        let autumn = once("2026-10-25T02:30:00");
        assert_eq!((autumn.0.as_str(), autumn.2), ("2026-10-25T02:30:00+02:00", Shift::Repeated));
    }

    #[test]
    fn the_end_and_the_beginning_are_kept() {
        let daily = json!({ "pattern": "daily", "at": "09:00" });
        let body = json!({ "recurrence": daily, "timezone": "UTC", "endDate": "2026-03-29T09:00:00Z",
                           "after": "2026-03-28T09:00:00Z" });
        let at: Vec<String> = told(body).into_iter().map(|(at, ..)| at).collect();
        assert_eq!(at, ["2026-03-29T09:00:00+00:00"]);
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let daily = || json!({ "pattern": "daily", "at": "09:00" });
        for (body, field) in [
            (json!({ "recurrence": daily(), "timezone": "Mars/Olympus" }), "timezone"),
            (json!({ "recurrence": daily() }), "timezone"),
            (json!({ "recurrence": daily(), "timezone": "UTC", "count": 0 }), "count"),
            (json!({ "recurrence": daily(), "timezone": "UTC", "count": 101 }), "count"),
            (json!({ "timezone": "UTC" }), "recurrence"),
            (
                json!({ "timezone": "UTC", "recurrence": daily(), "at": "2027-01-01T00:00:00" }),
                "at",
            ),
            (json!({ "timezone": "UTC", "at": "2026-03-27T12:00:00" }), "at"),
            (json!({ "timezone": "UTC", "at": "9999-03-27T12:00:00" }), "at"),
            (json!({ "timezone": "UTC", "at": "tomorrow" }), "at"),
            (
                json!({ "timezone": "UTC", "at": "2027-01-01T00:00:00",
                        "endDate": "2027-01-01T00:00:00Z" }),
                "endDate",
            ),
            (
                json!({ "timezone": "UTC", "recurrence": daily(), "after": "0001-01-01T00:00:00Z" }),
                "after",
            ),
            (
                json!({ "timezone": "UTC", "recurrence": { "pattern": "cron", "expression": "0 0 31 2 *" } }),
                "recurrence.expression",
            ),
            (
                json!({ "timezone": "UTC", "recurrence": { "pattern": "daily", "at": "26:00" } }),
                "recurrence.at",
            ),
            (
                json!({ "timezone": "UTC", "recurrence": { "pattern": "weekly", "at": "09:00" } }),
                "recurrence.days",
            ),
            (
                json!({ "timezone": "UTC", "recurrence": {
                    "pattern": "monthly", "at": "09:00", "on": { "kind": "day", "day": -1 } } }),
                "recurrence.on.day",
            ),
            (json!({ "timezone": "UTC", "recurrence": 7 }), "recurrence"),
            (json!({ "timezone": "UTC", "recurrence": daily(), "zone": "UTC" }), "zone"),
        ] {
            let problem = serde_json::to_value(asked(body.clone()).unwrap_err().details()).unwrap();
            assert_eq!(problem["field"], field, "{body}: {problem}");
            assert_eq!(problem["status"], 422, "{body}");
        }
    }
}
