//! The totals that X gives of a post.
//!
//! Source: `tables/metrics.json`, section 3 of `PLATFORMS.md` and `x/openapi.trimmed.json` of the
//! contracts, read 2026-11-23.

use std::time::Duration;

use crate::{EngagementType, Gives};

/// Most ids in one look.
pub const LOOKUP_MAX: usize = 100;

/// How long after it was made X tells a post's author what it tells nobody else.
pub const NON_PUBLIC_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whether X tells how much of something there is.
pub const fn gives(of: EngagementType) -> Gives {
    match of {
        EngagementType::Like
        | EngagementType::Comment
        | EngagementType::Impression
        | EngagementType::Share
        | EngagementType::Save => Gives::Always,
        EngagementType::Click => Gives::Own { within: NON_PUBLIC_FOR },
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::print_stdout, reason = "a skipped test says so")]

    use super::*;
    use crate::{Platform, contracts};

    #[test]
    fn each_total_comes_from_where_the_table_says() {
        let table = match contracts::json("tables/metrics.json") {
            Ok(table) => table,
            Err(absent) => return println!("skipped: {absent}"),
        };
        for platform in Platform::ALL {
            let row = &table["platforms"][platform.as_str()];
            for of in EngagementType::ALL {
                let fits = match (platform.gives(of), row[of.total()].as_str()) {
                    (Gives::Always, Some(field)) => field.starts_with("public_metrics."),
                    (Gives::Own { .. }, Some(field)) => field.starts_with("non_public_metrics."),
                    (Gives::Never, None) => row.get(of.total()).is_some(),
                    _ => false,
                };
                assert!(fits, "{platform} {of}: {row}");
            }
        }
        assert!(
            table["platforms"]["TWITTER"]["note"].as_str().unwrap_or_default().contains("30 days")
        );
    }
}
