//! When hours and days begin, in every zone there is, around every change of its clocks: what Postgres says
//! against a walk back in time, minute by minute.

use chrono::{DateTime, Datelike, Duration, Offset, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::testing::Scratch;

fn local(at: DateTime<Utc>, zone: Tz) -> DateTime<Tz> {
    at.with_timezone(&zone)
}

fn offset(at: DateTime<Utc>, zone: Tz) -> i32 {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
}

/// Walks back as long as the clocks show the same hour by the same offset. An hour that the clocks entered
/// in its middle counts as if it had begun before.
fn hour(at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let minute = Duration::minutes(1);
    let same = |moment: DateTime<Utc>| {
        let (a, b) = (local(at, zone), local(moment, zone));
        (a.date_naive(), a.hour(), offset(at, zone))
            == (b.date_naive(), b.hour(), offset(moment, zone))
    };
    let mut first = at.with_second(0).unwrap().with_nanosecond(0).unwrap();
    while same(first - minute) {
        first -= minute;
    }
    first - Duration::minutes(i64::from(local(first, zone).minute()))
}

/// Walks back as long as the clocks show the same date: first by quarters of an hour, then by minutes.
fn day(at: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let date = local(at, zone).date_naive();
    let mut first = at.with_second(0).unwrap().with_nanosecond(0).unwrap();
    for step in [Duration::minutes(15), Duration::minutes(1)] {
        while local(first - step, zone).date_naive() == date {
            first -= step;
        }
    }
    first
}

/// Moments around every change of the clocks of a zone from 2020 to 2030, and on days without any.
fn moments(zone: Tz) -> Vec<DateTime<Utc>> {
    let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
    let mut moments = Vec::new();
    let step = Duration::hours(12);
    let mut at = start;
    while at.year() < 2031 {
        let next = at + step;
        if offset(at, zone) != offset(next, zone) {
            let (mut before, mut after) = (at, next);
            while after - before > Duration::minutes(1) {
                let middle = before + (after - before) / 2;
                let middle = middle.with_second(0).unwrap();
                if offset(middle, zone) == offset(before, zone) {
                    before = middle;
                } else {
                    after = middle;
                }
            }
            moments.extend(
                [-1441, -721, -61, -31, -1, 0, 1, 29, 31, 59, 61, 91, 121, 721, 1441].map(
                    |minutes| after + Duration::minutes(minutes) + Duration::milliseconds(1_234),
                ),
            );
        }
        at = next;
    }
    moments.extend((0..44).map(|nth| start + Duration::minutes(nth * 131_071)));
    moments
}

/// A moment, its hour, its day, and the seconds by which the zone's clocks are ahead.
type Told = (DateTime<Utc>, DateTime<Utc>, DateTime<Utc>, i32);

#[tokio::test]
async fn hours_and_days_begin_when_the_clocks_of_any_zone_say_so() {
    let scratch = Scratch::new().await;
    let known: Vec<String> = sqlx::query_scalar("select name from pg_timezone_names")
        .fetch_all(&scratch.pool)
        .await
        .unwrap();
    let (mut zones, mut looked) = (0, 0);
    let mut wrong = Vec::new();
    for zone in TZ_VARIANTS.into_iter().filter(|zone| known.iter().any(|name| name == zone.name()))
    {
        let moments = moments(zone);
        let told: Vec<Told> = sqlx::query_as(
            "select at, analytics_hour(at, $2), analytics_day(at, $2),
                    extract(epoch from (at at time zone $2) - (at at time zone 'UTC'))::int
             from unnest($1::timestamptz[]) at",
        )
        .bind(&moments)
        .bind(zone.name())
        .fetch_all(&scratch.pool)
        .await
        .unwrap();
        // Zones whose clocks were changed by law lately are not the same in every list of zones.
        if told.iter().any(|(at, _, _, seconds)| offset(*at, zone) != *seconds) {
            wrong.push(format!("{zone}: not the same zone"));
            continue;
        }
        zones += 1;
        for (at, its_hour, its_day, _) in told {
            looked += 1;
            if (its_hour, its_day) != (hour(at, zone), day(at, zone)) {
                wrong.push(format!(
                    "{zone} at {at}: {its_hour} and {its_day}, not {} and {}",
                    hour(at, zone),
                    day(at, zone)
                ));
            }
        }
    }
    scratch.drop().await;
    let other = wrong.iter().filter(|wrong| wrong.ends_with("not the same zone")).count();
    assert!(
        wrong.len() == other && other <= 12,
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(40)]
    );
    assert!(zones > 400 && looked > 50_000, "{looked} moments in {zones} zones");
}
