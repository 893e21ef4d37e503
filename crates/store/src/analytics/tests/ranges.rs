//! What is read: every period of a range, days of any length, what is known and what is not.

use chrono::{DateTime, NaiveDate, Utc};

use super::world::{Event, World};
use crate::analytics::read::{self, Edge, Grain, Range};
use crate::{Login, Store};
use platforms::EngagementType::{Impression, Like};

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn range(world: &World, api: &Store, from: Edge, to: Edge) -> Range {
    let mut tx = api.acting_for(world.organization).await.unwrap();
    read::range(&mut tx, world.organization, from, to).await.unwrap().unwrap()
}

async fn days(world: &World, api: &Store, from: &str, to: &str) -> Range {
    range(world, api, Edge::Date(date(from)), Edge::Date(date(to))).await
}

#[tokio::test]
async fn ranges_are_of_the_organizations_days_and_hours() {
    let world = World::new("Europe/Berlin", 1, 1).await;
    let api = world.scratch.log_in(Login::Api).await;
    let autumn = days(&world, &api, "2026-10-24", "2026-10-26").await;
    assert_eq!((autumn.from, autumn.to), (at("2026-10-23T22:00:00Z"), at("2026-10-25T23:00:00Z")));
    assert_eq!((autumn.grain(), autumn.before), (Grain::Day, at("2026-10-21T22:00:00Z")));
    assert_eq!((autumn.first, autumn.end), (date("2026-10-24"), date("2026-10-26")));
    // Moments stand for their hours, and for days where they are midnights.
    let (from, to) = (at("2026-10-25T00:17:00Z"), at("2026-10-25T03:00:00Z"));
    let night = range(&world, &api, Edge::Moment(from), Edge::Moment(to)).await;
    assert_eq!((night.from, night.to), (at("2026-10-25T00:00:00Z"), to));
    assert_eq!((night.grain(), night.before), (Grain::Hour, at("2026-10-24T21:00:00Z")));
    let same = range(&world, &api, Edge::Moment(autumn.from), Edge::Moment(autumn.to)).await;
    assert_eq!(same, autumn);
    // Another organization sees nothing of it.
    let mut other = api.acting_for(jobs::OrganizationId::new()).await.unwrap();
    let edge = Edge::Date(date("2026-10-24"));
    assert_eq!(read::range(&mut other, world.organization, edge, edge).await.unwrap(), None);
    drop(other);
    world.drop().await;
}

#[tokio::test]
async fn every_day_and_every_hour_of_a_range_is_told_once() {
    for (zone, from, to, hours) in [
        ("Europe/Berlin", "2026-10-24", "2026-10-26", 49),
        ("Europe/Berlin", "2026-03-28", "2026-03-30", 47),
        ("America/Havana", "2026-10-31", "2026-11-02", 49),
        ("Africa/Cairo", "2026-04-23", "2026-04-25", 47),
        // 48 hours and a half one.
        ("Australia/Lord_Howe", "2026-04-04", "2026-04-06", 49),
        ("Asia/Kathmandu", "2026-04-04", "2026-04-06", 48),
    ] {
        let world = World::new(zone, 1, 1).await;
        let api = world.scratch.log_in(Login::Api).await;
        let whole = days(&world, &api, from, to).await;
        let mut tx = api.acting_for(world.organization).await.unwrap();
        let subjects = [world.organization.0];
        let told = read::series(&mut tx, &subjects, Grain::Hour, &whole).await.unwrap();
        assert_eq!(told.len(), hours, "{zone}");
        assert_eq!(told[0].start, whole.from, "{zone}");
        let told = read::series(&mut tx, &subjects, Grain::Day, &whole).await.unwrap();
        let dates: Vec<NaiveDate> = told.iter().map(|day| day.date).collect();
        assert_eq!(dates, [date(from), date(from).succ_opt().unwrap()], "{zone}");
        drop(tx);
        world.drop().await;
    }
}

#[tokio::test]
async fn what_is_not_known_yet_is_no_zero() {
    let world = World::new("Europe/Berlin", 2, 2).await;
    let api = world.scratch.log_in(Login::Api).await;
    let event = |post, of, count, moment| Event { post, of, count, at: at(moment) };
    world
        .record(&[
            event(0, Like, 3, "2026-11-02T10:10:00Z"),
            event(1, Like, 4, "2026-11-04T10:20:00Z"),
            event(0, Impression, 100, "2026-11-04T23:30:00Z"),
        ])
        .await;
    world.add(10).await;
    let mut tx = api.acting_for(world.organization).await.unwrap();
    let organization = [world.organization.0];
    let likes_and_impressions = |totals: platforms::Totals| (totals[Like], totals[Impression]);
    let whole = days(&world, &api, "2026-11-01", "2026-11-06").await;
    let told = read::series(&mut tx, &organization, Grain::Day, &whole).await.unwrap();
    let sums =
        read::sums(&mut tx, &organization, Grain::Day, &whole.timezone, whole.from, whole.to)
            .await
            .unwrap();
    assert_eq!(sums[0].known, [false; 6]);
    assert_eq!(likes_and_impressions(sums[0].shown()), (Some(7), Some(100)));
    let shown = read::filled(told, sums[0].known);
    let shown: Vec<_> = shown.iter().map(|day| likes_and_impressions(day.totals)).collect();
    let none = (None, None);
    assert_eq!(
        shown,
        [none, (Some(3), None), (Some(0), None), (Some(4), None), (Some(0), Some(100))]
    );
    // From within a day on, what the hours before it told is known.
    let moment = |text| Edge::Moment(at(text));
    let part = range(&world, &api, moment("2026-11-02T11:00:00Z"), moment("2026-11-02T13:00:00Z"));
    let part = part.await;
    let zone = part.timezone.clone();
    let both =
        read::sums(&mut tx, &world.accounts, Grain::Hour, &zone, part.from, part.to).await.unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(likes_and_impressions(both[0].shown()), (Some(0), None));
    assert_eq!(likes_and_impressions(both[1].shown()), (None, None), "nobody has told of it yet");
    assert_eq!(likes_and_impressions(read::together(&both).shown()), (Some(0), None));
    let earlier =
        range(&world, &api, moment("2026-11-02T09:00:00Z"), moment("2026-11-02T10:00:00Z"));
    let earlier = earlier.await;
    let before = read::sums(&mut tx, &organization, Grain::Hour, &zone, earlier.from, earlier.to)
        .await
        .unwrap();
    assert_eq!(likes_and_impressions(before[0].shown()), (None, None));
    // By the clock: Monday at 11, Wednesday at 11; impressions alone are no engagement.
    let best = read::best_hours(&mut tx, &organization, &whole, 10).await.unwrap();
    let best: Vec<_> =
        best.iter().map(|hour| (hour.weekday, hour.hour, hour.totals[Like])).collect();
    assert_eq!(best, [(3, 11, Some(4)), (1, 11, Some(3))]);
    drop(tx);
    world.drop().await;
}
