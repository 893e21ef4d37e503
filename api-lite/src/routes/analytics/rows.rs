//! Rows, by whatever they are grouped, as JSON and as CSV.
//!
//! **Invariant:** a row says what it is of; its figures are those that were asked for.

use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::{AnalyticsView, Group};
use crate::analytics::{Cell, Figures, Wanted, csv};
use crate::problem::Result;
use store::Conn;
use store::analytics::read::{self, Account, Grain, PostRow, Range, Sums};

/// A row. What it is of depends on the grouping: `start` and `date`, `platform`, an account, or a post.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// When the hour or the day began.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<DateTime<Utc>>,
    /// Its date on the organization's clocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<NaiveDate>,
    /// The network.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_connection_id: Option<Uuid>,
    /// What the network calls the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<String>,
    /// The post.
    #[serde(skip_serializing_if = "Option::is_none")]
    published_post_id: Option<Uuid>,
    /// Where people see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_post_url: Option<String>,
    /// When it went out.
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<DateTime<Utc>>,
    /// When it was deleted at the network; absent where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<DateTime<Utc>>,
    /// The moment of which the network last told its totals.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<DateTime<Utc>>,
    #[serde(flatten)]
    figures: Figures,
}

impl Row {
    pub(super) fn of_post(post: PostRow, wanted: Wanted) -> Self {
        Self {
            platform: Some(post.platform),
            platform_connection_id: Some(post.platform_connection_id.0),
            published_post_id: Some(post.id.0),
            platform_post_url: Some(post.platform_post_url),
            published_at: Some(post.published_at),
            deleted_at: post.deleted_at,
            as_of: post.as_of,
            figures: Figures::of(&post.totals, wanted),
            ..Self::default()
        }
    }

    /// The cells of its line, in the order of [`names`].
    pub(crate) fn cells(self, group: Group) -> Vec<Cell> {
        let id = |id: Option<Uuid>| Cell::Plain(id.map(|id| id.to_string()));
        let moment = |at: Option<DateTime<Utc>>| at.map_or(Cell::Plain(None), Cell::moment);
        let text = |text: Option<String>| text.map_or(Cell::Plain(None), Cell::Text);
        let date = |date: Option<NaiveDate>| date.map_or(Cell::Plain(None), Cell::date);
        let figures = self.figures;
        let mut cells = match group {
            Group::Hour => vec![moment(self.start), date(self.date)],
            Group::Day => vec![date(self.date)],
            Group::Platform => vec![text(self.platform)],
            Group::Account => {
                vec![id(self.platform_connection_id), text(self.platform), text(self.account_name)]
            }
            Group::Post => vec![
                id(self.published_post_id),
                text(self.platform),
                id(self.platform_connection_id),
                text(self.platform_post_url),
                moment(self.published_at),
                moment(self.deleted_at),
                moment(self.as_of),
            ],
        };
        cells.extend(figures.cells());
        cells
    }
}

/// The names of the columns of rows like this.
pub(crate) fn names(group: Group, wanted: Wanted) -> Vec<&'static str> {
    let own: &[&'static str] = match group {
        Group::Hour => &["start", "date"],
        Group::Day => &["date"],
        Group::Platform => &["platform"],
        Group::Account => &["platformConnectionId", "platform", "accountName"],
        Group::Post => &[
            "publishedPostId",
            "platform",
            "platformConnectionId",
            "platformPostUrl",
            "publishedAt",
            "deletedAt",
            "asOf",
        ],
    };
    own.iter().copied().chain(Figures::names(wanted)).collect()
}

/// A row for each hour or day.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn by_time(
    conn: &mut Conn,
    subjects: &[Uuid],
    by: Grain,
    range: &Range,
    known: [bool; 6],
    wanted: Wanted,
) -> Result<Vec<Row>> {
    let told = read::series(conn, subjects, by, range).await?;
    let rows = read::filled(told, known).into_iter().map(|period| Row {
        start: Some(period.start),
        date: Some(period.date),
        figures: Figures::of(&period.totals, wanted),
        ..Row::default()
    });
    Ok(rows.collect())
}

/// A row for each account, or for each of their networks.
pub(super) fn by_account(
    accounts: &[Account],
    sums: &[Sums],
    by_platform: bool,
    wanted: Wanted,
) -> Vec<Row> {
    let each = accounts.iter().zip(sums);
    if by_platform {
        let mut platforms: BTreeMap<&str, Vec<Sums>> = BTreeMap::new();
        for (account, sums) in each {
            platforms.entry(&account.platform).or_default().push(*sums);
        }
        let row = |(platform, sums): (&str, Vec<Sums>)| Row {
            platform: Some(platform.to_owned()),
            figures: Figures::of(&read::together(&sums).shown(), wanted),
            ..Row::default()
        };
        return platforms.into_iter().map(row).collect();
    }
    each.map(|(account, sums)| Row {
        platform: Some(account.platform.clone()),
        platform_connection_id: Some(account.id),
        account_name: Some(account.name.clone()),
        figures: Figures::of(&sums.shown(), wanted),
        ..Row::default()
    })
    .collect()
}

/// The rows as CSV; the totals where there are none to be.
pub(super) fn sheet(view: AnalyticsView, wanted: Wanted) -> Response {
    match view.group_by {
        Some(group) => {
            csv(&names(group, wanted), view.rows.into_iter().map(|row| row.cells(group)))
        }
        None => {
            let names: Vec<&str> =
                ["from", "to"].into_iter().chain(Figures::names(wanted)).collect();
            let cells = [Cell::moment(view.from), Cell::moment(view.to)];
            csv(&names, [cells.into_iter().chain(view.totals.cells()).collect()])
        }
    }
}
