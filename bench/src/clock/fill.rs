//! A million schedules, some of which recur.

use anyhow::Result;

use super::Options;
use crate::servers::Database;
use jobs::series::TZDB;

/// Fills a database.
pub(super) async fn fill(database: &Database, options: &Options) -> Result<()> {
    let sql = include_str!("fill.sql")
        .replace(":schedules", &options.schedules.to_string())
        .replace(":series", &options.series.to_string())
        .replace(":organizations", &options.organizations.to_string())
        .replace(":tzdb", &format!("'{TZDB}'"));
    database.run(&sql).await
}
