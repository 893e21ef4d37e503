//! What is read for an answer, and how it is put together.
//!
//! **Invariant:** totals, rows and comparison are of the same accounts and metrics; what was not asked
//! for is not read.

use uuid::Uuid;

use super::rows::{Row, by_account, by_time};
use super::{AnalyticsView, Asked, Comparison, Group, WeekHourView};
use crate::analytics::{Changes, Figures};
use crate::problem::{Problem, Result};
use jobs::OrganizationId;
use store::Acting;
use store::analytics::read::{self, Account, Grain, Posts, Range};

/// Whose sums answer: those of the organization, or of the accounts that are meant.
struct Subjects {
    /// All accounts that are meant, where they had to be looked up.
    accounts: Vec<Account>,
    /// Their ids, where not all are meant.
    only: Option<Vec<Uuid>>,
    /// Whose rows to add.
    ids: Vec<Uuid>,
}

async fn subjects(
    tx: &mut Acting,
    organization: OrganizationId,
    asked: &Asked,
) -> Result<Subjects> {
    let query = &asked.query;
    let is_filtered = query.platform.is_some() || query.platform_connection_id.is_some();
    if !is_filtered && !matches!(asked.group, Some(Group::Platform | Group::Account)) {
        return Ok(Subjects { accounts: Vec::new(), only: None, ids: vec![organization.0] });
    }
    let mut accounts = read::accounts(tx, organization).await?;
    let all = accounts.len();
    if let Some(id) = query.platform_connection_id {
        accounts.retain(|account| account.id == id);
        if accounts.is_empty() {
            return Err(Problem::no_such("connection").at("platformConnectionId"));
        }
    }
    accounts.retain(|account| query.platform.as_ref().is_none_or(|name| *name == account.platform));
    // The organization's own sums are those of all accounts, and fewer.
    let only = (accounts.len() < all).then(|| accounts.iter().map(|account| account.id).collect());
    let ids = only.clone().unwrap_or_else(|| vec![organization.0]);
    Ok(Subjects { accounts, only, ids })
}

/// Answers what was asked.
///
/// # Errors
/// 404 when the account is not the organization's.
pub(super) async fn look(
    tx: &mut Acting,
    organization: OrganizationId,
    asked: &Asked,
    range: Range,
) -> Result<AnalyticsView> {
    let wanted = asked.wanted;
    let grain = range.grain();
    let whose = subjects(tx, organization, asked).await?;
    let zone = &range.timezone;
    let sums = read::sums(tx, &whose.ids, grain, zone, range.from, range.to).await?;
    let sums = read::together(&sums);
    let totals = Figures::of(&sums.shown(), wanted);
    let posts = Posts {
        organization,
        accounts: whose.only.as_deref(),
        from: range.from,
        to: range.to,
        limit: asked.top,
    };
    let (mut rows, mut next_cursor) = (Vec::new(), None);
    match asked.group {
        None => {}
        Some(Group::Hour) => {
            rows = by_time(tx, &whose.ids, Grain::Hour, &range, sums.known, wanted).await?;
        }
        Some(Group::Day) => {
            rows = by_time(tx, &whose.ids, Grain::Day, &range, sums.known, wanted).await?;
        }
        Some(Group::Platform | Group::Account) => {
            let ids: Vec<Uuid> = whose.accounts.iter().map(|account| account.id).collect();
            let each = read::sums(tx, &ids, grain, zone, range.from, range.to).await?;
            let by_platform = asked.group == Some(Group::Platform);
            rows = by_account(&whose.accounts, &each, by_platform, wanted);
        }
        Some(Group::Post) => {
            // One more tells whether another page follows.
            let which = Posts { limit: asked.limit + 1, ..posts };
            let mut found = read::posts(tx, &which, asked.query.cursor).await?;
            let page = usize::try_from(asked.limit).unwrap_or_default();
            if found.len() > page {
                found.truncate(page);
                next_cursor = found.last().map(|post| post.id.0);
            }
            rows = found.into_iter().map(|post| Row::of_post(post, wanted)).collect();
        }
    }
    let mut comparison = None;
    if asked.query.compare == Some(true) {
        let before = read::sums(tx, &whose.ids, grain, zone, range.before, range.from).await?;
        let before = Figures::of(&read::together(&before).shown(), wanted);
        let change = Changes::between(&before, &totals);
        comparison =
            Some(Comparison { from: range.before, to: range.from, totals: before, change });
    }
    let mut top_posts = Vec::new();
    if asked.top > 0 {
        let top = read::top(tx, &posts).await?;
        top_posts = top.into_iter().map(|post| Row::of_post(post, wanted)).collect();
    }
    let mut best_hours = Vec::new();
    if asked.best_hours > 0 {
        let best = read::best_hours(tx, &whose.ids, &range, asked.best_hours).await?;
        best_hours = best
            .iter()
            .map(|best| WeekHourView {
                weekday: best.weekday,
                hour: best.hour,
                figures: Figures::of(&best.totals, wanted),
            })
            .collect();
    }
    let Range { timezone, from, to, .. } = range;
    let group_by = asked.group;
    Ok(AnalyticsView {
        from,
        to,
        timezone,
        totals,
        group_by,
        rows,
        next_cursor,
        comparison,
        top_posts,
        best_hours,
    })
}
