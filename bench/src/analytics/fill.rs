//! Organizations of uneven size, with posts of a year and what was told of them.
//!
//! **Invariant:** events and what waits of them are the same, in the order in which they happened; events
//! lie in monthly partitions, as those that the scheduler makes.

use anyhow::Result;
use uuid::Uuid;

use super::Options;
use crate::servers::Database;
use jobs::OrganizationId;

/// An organization and its share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Organization {
    pub(super) id: OrganizationId,
    pub(super) posts: usize,
    pub(super) events: usize,
}

/// How many accounts the largest organization has, and the others.
const ACCOUNTS: (usize, usize) = (8, 3);

/// Fills a database; answers the organizations, the largest one first.
pub(super) async fn fill(database: &Database, options: &Options) -> Result<Vec<Organization>> {
    database.run(PARTITIONS).await?;
    let mut organizations = Vec::new();
    for (nth, part) in shares(options.organizations).into_iter().enumerate() {
        let posts = ((options.posts as f64 * part) as usize).max(1);
        let per_post = options.events.div_ceil(options.posts.max(1)).max(1);
        let organization =
            Organization { id: OrganizationId::new(), posts, events: posts * per_post };
        let accounts = if nth == 0 { ACCOUNTS.0 } else { ACCOUNTS.1 };
        let accounts: Vec<Uuid> = (0..accounts).map(|_| Uuid::now_v7()).collect();
        let mut tx = database.owner.begin().await?;
        for statement in include_str!("fill.sql").split("\n\n") {
            sqlx::query(statement)
                .bind(organization.id.0)
                .bind(&accounts)
                .bind(i64::try_from(posts)?)
                .bind(i64::try_from(per_post)?)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        organizations.push(organization);
    }
    database.run("vacuum analyze").await?;
    Ok(organizations)
}

/// The part that each has: the first one a fifth, the others of the rest in proportion to one divided by
/// their rank.
fn shares(organizations: usize) -> Vec<f64> {
    let weights: Vec<f64> = (2..=organizations).map(|rank| 1.0 / rank as f64).collect();
    let all: f64 = weights.iter().sum();
    std::iter::once(0.2).chain(weights.into_iter().map(|weight| 0.8 * weight / all)).collect()
}

/// The months of the last year that have no partition yet.
const PARTITIONS: &str = "do $$
declare
    month date;
    label text;
begin
    for month in select generate_series(date_trunc('month', now() - interval '13 months'), now(), '1 month')::date loop
        label := 'engagement_events_' || to_char(month, 'YYYYMM');
        if to_regclass('public.' || label) is null then
            execute format('create table public.%I partition of public.engagement_events for values from (%L) to (%L)',
                           label, month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
        end if;
    end loop;
end $$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_has_a_fifth_and_all_have_all() {
        let shares = shares(50);
        assert_eq!((shares.len(), shares[0]), (50, 0.2));
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(shares.windows(2).all(|pair| pair[0] >= pair[1]), "{shares:?}");
    }
}
