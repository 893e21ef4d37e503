//! Figures as they are shown: those that were asked for, null where unknown.

use serde::Serialize;

use super::ask::{Metric, Wanted};
use super::csv::Cell;
use platforms::{EngagementType, Totals};

/// Figures; those that were not asked for are absent, those that nobody has told are null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// Likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    likes: Option<Option<i64>>,
    /// Comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    comments: Option<Option<i64>>,
    /// How often it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    impressions: Option<Option<i64>>,
    /// Clicks on links.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    clicks: Option<Option<i64>>,
    /// Reposts and quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    shares: Option<Option<i64>>,
    /// Bookmarks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    saves: Option<Option<i64>>,
    /// Likes, comments, shares, saves and clicks together; those that are unknown are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    engagement: Option<Option<i64>>,
    /// `engagement` / `impressions`; null when impressions are unknown, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    engagement_rate: Option<Option<f64>>,
}

impl Figures {
    pub(crate) fn of(totals: &Totals, wanted: Wanted) -> Self {
        let total = |of| wanted.has(Metric::Total(of)).then_some(totals[of]);
        Self {
            likes: total(EngagementType::Like),
            comments: total(EngagementType::Comment),
            impressions: total(EngagementType::Impression),
            clicks: total(EngagementType::Click),
            shares: total(EngagementType::Share),
            saves: total(EngagementType::Save),
            engagement: wanted.has(Metric::Engagement).then(|| totals.engagement()),
            engagement_rate: wanted.has(Metric::EngagementRate).then(|| totals.engagement_rate()),
        }
    }

    /// The names of the columns.
    pub(crate) fn names(wanted: Wanted) -> impl Iterator<Item = &'static str> {
        wanted.iter().map(Metric::as_str)
    }

    /// The cells of a line, in the order of the names.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        let counts = [
            self.likes,
            self.comments,
            self.impressions,
            self.clicks,
            self.shares,
            self.saves,
            self.engagement,
        ];
        let counts = counts.map(|cell| cell.map(|count| count.map(|count| count.to_string())));
        let rate = self.engagement_rate.map(|cell| cell.map(|rate| rate.to_string()));
        counts.into_iter().chain([rate]).flatten().map(Cell::Plain)
    }
}

/// How a count has changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CountChange {
    /// By how much; null when either is unknown.
    absolute: Option<i64>,
    /// By which part of what it was before: 0.5 is half as much again. Null when that is unknown or none.
    relative: Option<f64>,
}

/// How the rate has changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RateChange {
    /// By how much; null when either is unknown.
    absolute: Option<f64>,
    /// By which part of what it was before. Null when that is unknown or none.
    relative: Option<f64>,
}

/// How figures have changed; those that were not asked for are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changes {
    #[serde(skip_serializing_if = "Option::is_none")]
    likes: Option<CountChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comments: Option<CountChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impressions: Option<CountChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clicks: Option<CountChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shares: Option<CountChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saves: Option<CountChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engagement: Option<CountChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engagement_rate: Option<RateChange>,
}

impl Changes {
    /// From what was before to what is now.
    pub(crate) fn between(before: &Figures, now: &Figures) -> Self {
        let rate = now.engagement_rate.zip(before.engagement_rate);
        Self {
            likes: counted(before.likes, now.likes),
            comments: counted(before.comments, now.comments),
            impressions: counted(before.impressions, now.impressions),
            clicks: counted(before.clicks, now.clicks),
            shares: counted(before.shares, now.shares),
            saves: counted(before.saves, now.saves),
            engagement: counted(before.engagement, now.engagement),
            engagement_rate: rate.map(|(now, before)| {
                let absolute = now.zip(before).map(|(now, before)| now - before);
                RateChange { absolute, relative: relative(absolute, before) }
            }),
        }
    }
}

fn counted(before: Option<Option<i64>>, now: Option<Option<i64>>) -> Option<CountChange> {
    let (before, now) = before.zip(now)?;
    let absolute = now.zip(before).map(|(now, before)| now - before);
    let relative = relative(absolute.map(|by| by as f64), before.map(|before| before as f64));
    Some(CountChange { absolute, relative })
}

fn relative(by: Option<f64>, before: Option<f64>) -> Option<f64> {
    Some(by? / before.filter(|before| *before != 0.0)?.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn figures(likes: Option<i64>, impressions: Option<i64>, wanted: &str) -> Figures {
        let mut totals = Totals::default();
        (totals[EngagementType::Like], totals[EngagementType::Impression]) = (likes, impressions);
        Figures::of(&totals, Wanted::listed(Some(wanted)).expect("known"))
    }

    #[test]
    fn what_is_unknown_is_null_and_what_is_not_wanted_is_absent() {
        let shown = figures(None, Some(4), "likes,impressions,engagementRate");
        assert_eq!(
            json!(shown),
            json!({ "likes": null, "impressions": 4, "engagementRate": null })
        );
        assert_eq!(shown.cells().count(), 3);
        let shown = figures(Some(1), Some(4), "engagement,engagementRate");
        assert_eq!(json!(shown), json!({ "engagement": 1, "engagementRate": 0.25 }));
    }

    #[test]
    fn a_change_from_nothing_has_no_ratio() {
        let change = |before, now| {
            let of = |likes| figures(likes, None, "likes");
            json!(Changes::between(&of(before), &of(now)))
        };
        let of =
            |absolute, relative| json!({ "likes": { "absolute": absolute, "relative": relative } });
        assert_eq!(change(Some(4), Some(6)), of(json!(2), json!(0.5)));
        assert_eq!(change(Some(0), Some(6)), of(json!(6), json!(null)));
        assert_eq!(change(None, Some(6)), of(json!(null), json!(null)));
    }
}
