//! What a tester may change about the simulated X, and what the control tells of it.
//!
//! **Invariant:** an endpoint's limit is named as in the settings' own listing; anything else is
//! refused with the field's name.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, WINDOW};
use crate::journal::Who;

/// A rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitSetting {
    /// Calls per user and window.
    pub limit: u64,
    /// The window's length in milliseconds; its end is rounded up to a whole second.
    pub window_ms: u64,
}

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// How long after its making a post is missing from its author's timeline, in milliseconds.
    pub lookup_lag_ms: u64,
    /// How long the same text is refused while the earlier post exists, in milliseconds.
    pub duplicate_window_ms: u64,
    /// How long an upload may be used, in milliseconds.
    pub media_lifetime_ms: u64,
    /// How long animations and videos are processed after their upload, in milliseconds.
    pub media_processing_ms: u64,
    /// How long a code may be exchanged, in milliseconds.
    pub code_lifetime_ms: u64,
    /// How long an access token of the token endpoint lasts, in milliseconds.
    pub access_token_lifetime_ms: u64,
    /// How long a refresh token lasts, in milliseconds.
    pub refresh_token_lifetime_ms: u64,
    /// Whether a refresh token that is used again ends its grant. X may do so.
    pub replay_ends_grant: bool,
    /// Rate limits by endpoint, such as `POST /2/tweets` or `GET /2/users/{id}/tweets`.
    pub limits: BTreeMap<String, LimitSetting>,
}

impl Default for Settings {
    fn default() -> Self {
        let day_ms = 24 * 60 * 60 * 1000;
        let limits = Endpoint::ALL.map(|endpoint| {
            let window_ms = WINDOW.as_millis() as u64;
            let limit = LimitSetting { limit: endpoint.default_limit(), window_ms };
            (endpoint.name().to_owned(), limit)
        });
        Self {
            lookup_lag_ms: 0,
            // How long X remembers is not in the contracts: a guess.
            duplicate_window_ms: day_ms,
            media_lifetime_ms: day_ms,
            media_processing_ms: 0,
            code_lifetime_ms: 30_000,
            access_token_lifetime_ms: 7_200_000,
            refresh_token_lifetime_ms: 180 * day_ms,
            replay_ends_grant: true,
            limits: limits.into(),
        }
    }
}

/// Changes to the settings; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingsPatch {
    /// See [`Settings::lookup_lag_ms`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup_lag_ms: Option<u64>,
    /// See [`Settings::duplicate_window_ms`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_window_ms: Option<u64>,
    /// See [`Settings::media_lifetime_ms`]; of uploads made from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_lifetime_ms: Option<u64>,
    /// See [`Settings::media_processing_ms`]; of uploads made from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_processing_ms: Option<u64>,
    /// See [`Settings::code_lifetime_ms`]; of codes made from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_lifetime_ms: Option<u64>,
    /// See [`Settings::access_token_lifetime_ms`]; of tokens made from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime_ms: Option<u64>,
    /// See [`Settings::refresh_token_lifetime_ms`]; of tokens made from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_lifetime_ms: Option<u64>,
    /// See [`Settings::replay_ends_grant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_ends_grant: Option<bool>,
    /// Limits to change; their windows begin afresh.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, LimitSetting>,
}

impl SettingsPatch {
    /// The endpoints whose limits change; the field's name when one is unknown.
    pub(super) fn endpoints(&self) -> Result<Vec<Endpoint>, String> {
        let find = |name: &String| {
            let mut all = Endpoint::ALL.into_iter();
            all.find(|endpoint| endpoint.name() == name).ok_or_else(|| format!("limits.{name}"))
        };
        self.limits.keys().map(find).collect()
    }
}

impl Settings {
    /// Takes over what the patch has.
    pub(super) fn change(&mut self, patch: SettingsPatch) {
        let SettingsPatch {
            lookup_lag_ms,
            duplicate_window_ms,
            media_lifetime_ms,
            media_processing_ms,
            code_lifetime_ms,
            access_token_lifetime_ms,
            refresh_token_lifetime_ms,
            replay_ends_grant,
            limits,
        } = patch;
        let take = |to: &mut u64, from: Option<u64>| *to = from.unwrap_or(*to);
        take(&mut self.lookup_lag_ms, lookup_lag_ms);
        take(&mut self.duplicate_window_ms, duplicate_window_ms);
        take(&mut self.media_lifetime_ms, media_lifetime_ms);
        take(&mut self.media_processing_ms, media_processing_ms);
        take(&mut self.code_lifetime_ms, code_lifetime_ms);
        take(&mut self.access_token_lifetime_ms, access_token_lifetime_ms);
        take(&mut self.refresh_token_lifetime_ms, refresh_token_lifetime_ms);
        self.replay_ends_grant = replay_ends_grant.unwrap_or(self.replay_ends_grant);
        self.limits.extend(limits);
    }
}

/// A post's numbers. Absent from the wire means zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metrics {
    /// Likes.
    pub likes: u64,
    /// Replies.
    pub replies: u64,
    /// Reposts.
    pub reposts: u64,
    /// Quotes.
    pub quotes: u64,
    /// Bookmarks.
    pub bookmarks: u64,
    /// Views.
    pub impressions: u64,
    /// Clicks on links; told to the author alone.
    pub url_clicks: u64,
    /// Clicks on the author's profile; told to the author alone.
    pub profile_clicks: u64,
}

/// An attachment, as the control tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlMedia {
    /// The network's own id.
    pub id: String,
    /// Found by looking at the bytes.
    pub mime: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// The description that was set.
    pub alt_text: Option<String>,
}

/// A post, as the control tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlPost {
    /// The network's own id.
    pub id: String,
    /// The author.
    pub user: Who,
    /// As the author wrote it.
    pub text: String,
    /// As the network serves it.
    pub shown_text: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
    /// The post it answers.
    pub reply_to: Option<String>,
    /// Its attachments, in order.
    pub media: Vec<ControlMedia>,
}
