//! What people do with a post, and how much of it: the product's six types.
//!
//! **Invariant:** what a network does not tell is unknown, and never zero.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Index, IndexMut};
use std::str::FromStr;
use std::time::Duration;

/// Something that people do with a post.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EngagementType {
    /// It is liked.
    Like,
    /// It is answered.
    Comment,
    /// It is seen.
    Impression,
    /// A link in it is followed.
    Click,
    /// It is reposted or quoted.
    Share,
    /// It is bookmarked.
    Save,
}

impl EngagementType {
    /// Every type, in the order of the product's columns.
    pub const ALL: [EngagementType; 6] = [
        EngagementType::Like,
        EngagementType::Comment,
        EngagementType::Impression,
        EngagementType::Click,
        EngagementType::Share,
        EngagementType::Save,
    ];

    /// The word in rows and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            EngagementType::Like => "like",
            EngagementType::Comment => "comment",
            EngagementType::Impression => "impression",
            EngagementType::Click => "click",
            EngagementType::Share => "share",
            EngagementType::Save => "save",
        }
    }

    /// The name of its total: of columns, and of metrics on the wire.
    pub const fn total(self) -> &'static str {
        match self {
            EngagementType::Like => "likes",
            EngagementType::Comment => "comments",
            EngagementType::Impression => "impressions",
            EngagementType::Click => "clicks",
            EngagementType::Share => "shares",
            EngagementType::Save => "saves",
        }
    }
}

impl fmt::Display for EngagementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is not that of a type.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown type of engagement {0:?}: expected one of like, comment, impression, click, share, save"
)]
pub struct UnknownEngagementType(pub String);

impl FromStr for EngagementType {
    type Err = UnknownEngagementType;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        EngagementType::ALL
            .into_iter()
            .find(|of| of.as_str() == word)
            .ok_or_else(|| UnknownEngagementType(word.to_owned()))
    }
}

/// Whether a network tells how much of something there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Of every post.
    Always,
    /// Of the account's own posts, while they are not older than this.
    Own {
        /// How long after it was made.
        within: Duration,
    },
    /// Not at all: there is nothing to wait for.
    Never,
}

/// How much of each there is; `None` where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals([Option<i64>; EngagementType::ALL.len()]);

impl Totals {
    /// Each type with its total.
    pub fn iter(&self) -> impl Iterator<Item = (EngagementType, Option<i64>)> {
        EngagementType::ALL.into_iter().zip(self.0)
    }

    /// What people did, all but seeing it: likes, comments, clicks, shares and saves, those that are
    /// unknown left out. `None` when all of them are.
    pub fn engagement(&self) -> Option<i64> {
        let done = self.iter().filter(|(of, _)| *of != EngagementType::Impression);
        done.filter_map(|(_, count)| count).reduce(|a, b| a + b)
    }

    /// The engagement of each impression. `None` when either is unknown, or there is no impression.
    pub fn engagement_rate(&self) -> Option<f64> {
        let impressions = self[EngagementType::Impression].filter(|count| *count > 0)?;
        Some(self.engagement()? as f64 / impressions as f64)
    }
}

impl Index<EngagementType> for Totals {
    type Output = Option<i64>;

    fn index(&self, of: EngagementType) -> &Option<i64> {
        &self.0[of as usize]
    }
}

impl IndexMut<EngagementType> for Totals {
    fn index_mut(&mut self, of: EngagementType) -> &mut Option<i64> {
        &mut self.0[of as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_place_of_its_own_and_comes_back_from_its_word() {
        let mut totals = Totals::default();
        for (nth, of) in EngagementType::ALL.into_iter().enumerate() {
            totals[of] = Some(nth as i64);
            assert_eq!(of.as_str().parse::<EngagementType>().ok(), Some(of));
        }
        let back: Vec<_> = totals.iter().collect();
        let there: Vec<_> = EngagementType::ALL.into_iter().zip((0..6).map(Some)).collect();
        assert_eq!(back, there);
    }

    #[test]
    fn engagement_leaves_out_what_is_unknown_and_a_rate_needs_impressions() {
        let mut totals = Totals::default();
        assert_eq!((totals.engagement(), totals.engagement_rate()), (None, None));
        totals[EngagementType::Impression] = Some(0);
        assert_eq!(totals.engagement(), None);
        totals[EngagementType::Like] = Some(3);
        totals[EngagementType::Save] = Some(2);
        assert_eq!((totals.engagement(), totals.engagement_rate()), (Some(5), None));
        totals[EngagementType::Impression] = Some(20);
        assert_eq!(totals.engagement_rate(), Some(0.25));
    }
}
