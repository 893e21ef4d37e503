//! What became of every tick.
//!
//! **Invariant:** a tick is good only when it is one row in its place, published, and one post at the network that
//! no other tick has, neither opened nor made before its time; posts that no tick has are doubled.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::stage::{Line, Stage};
use super::tally::{Fates, Tally, Tick};
use crate::wait;

/// How long what is late may take.
const SETTLE: Duration = Duration::from_secs(90);

const MOVING: &str =
    "select (select count(*) from schedules where id = any ($1::uuid[]) and status <> 'ended')
    + (select count(*) from schedules where parent_schedule_id = any ($1::uuid[])
       and status in ('scheduled', 'publishing', 'unconfirmed', 'awaiting_platform'))";
/// By the database's clock, how long after its time a call was first allowed to begin.
const TICKS: &str = "select s.occurrence_number, (1000000 * extract(epoch from s.scheduled_at))::bigint,
        (1000000 * extract(epoch from s.planned_at_local - first_value(s.planned_at_local) over w))::bigint,
        s.status, s.published_post_id, s.status_reason,
        (select (1000000 * extract(epoch from min(i.opened_at) - s.scheduled_at))::bigint
         from publish_intents i where i.schedule_id = s.id)
    from schedules s where s.parent_schedule_id = any ($1::uuid[])
    window w as (order by s.occurrence_number, s.id) order by s.occurrence_number, s.id";

impl Stage {
    /// Waits until everything has come to its end, and adds what became of it.
    pub(super) async fn ends(&mut self, tally: &mut Tally) -> Result<()> {
        let moving = async || self.eyes.number(MOVING, &self.ids()).await;
        let settled = wait::until_right("all is out", SETTLE, moving, |left| *left == 0).await;
        if let Err(error) = settled {
            tally.complain(format!("{error:#}"));
        }
        for line in &self.lines {
            let fates = self.fates(line).await?;
            tally.add(fates);
        }
        for oddity in std::mem::take(&mut self.pair.oddities) {
            tally.complain(oddity);
        }
        Ok(())
    }

    async fn fates(&self, line: &Line) -> Result<Fates> {
        let posts = self.network.posts(&line.account.id).await?;
        let mut posts: HashMap<String, DateTime<Utc>> =
            posts.into_iter().map(|post| (post.id, post.created_at)).collect();
        let mut fates = Fates::default();
        let rows = self.eyes.rows(TICKS, std::slice::from_ref(&line.id)).await?;
        for (place, row) in rows.iter().enumerate() {
            fates.add(tick(place, row, &mut posts)?);
        }
        for _ in rows.len()..self.each {
            fates.add(Tick::Missed(format!("series {} has {} ticks", line.id, rows.len())));
        }
        for post in posts.keys() {
            fates.add(Tick::Doubled(format!("the post {post} is no tick's")));
        }
        Ok(fates)
    }
}

/// One tick, by its row and the posts that no tick before it has.
fn tick(place: usize, row: &PgRow, posts: &mut HashMap<String, DateTime<Utc>>) -> Result<Tick> {
    let (number, at): (i64, i64) = (row.get(0), row.get(1));
    let at = DateTime::from_timestamp_micros(at).context("a moment")?;
    let (status, why): (&str, Option<&str>) = (row.get(3), row.get(5));
    let told =
        format!("tick {number} of {at}, the {place}th: {status}, {}", why.unwrap_or_default());
    let after_first: i64 = row.get(2);
    let in_place = i64::try_from(place)?;
    if number != in_place || after_first != 1_000_000 * in_place {
        return Ok(Tick::Doubled(format!("not in its place: {told}")));
    }
    let post: Option<&str> = row.get(4);
    let Some(made_at) = post.and_then(|post| posts.remove(post)) else {
        return Ok(Tick::Missed(format!("not at the network: {told}")));
    };
    let opened: Option<i64> = row.get(6);
    let is_early = opened.is_some_and(|after| after < 0) || made_at < at;
    Ok(match (status, opened) {
        ("published", Some(_)) if is_early => Tick::Early(told),
        ("published", Some(_)) => Tick::Out { at, late: (made_at - at).max(TimeDelta::zero()) },
        _ => Tick::Missed(told),
    })
}
