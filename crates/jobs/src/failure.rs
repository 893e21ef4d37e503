//! What a handler may answer when it is not done, and how a failure looks to a caller.
//!
//! **Invariant:** both lists are closed and matched without a wildcard.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The stable word for what went wrong, and with it the HTTP status for a caller who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// An argument is not what it should be.
    InvalidArgument,
    /// There is no such row in this organization.
    NotFound,
    /// The row is in a state that does not allow this.
    Conflict,
    /// The caller may not do this.
    Forbidden,
    /// The account is not connected, or its token no longer works.
    AccountDisconnected,
    /// The content breaks a rule of the network.
    ContentRejected,
    /// The content was rejected, or is not approved where the organization requires that.
    NotApproved,
    /// The network refused for good.
    PlatformRefused,
    /// A model declined, or what it wrote cannot be kept.
    GenerationFailed,
    /// The plan allows no more in this period.
    UsageExhausted,
    /// The subscription is not paid.
    PaymentRequired,
    /// The network wants us to wait.
    RateLimited,
    /// What we may spend at a provider is used up: an operator must act.
    SpendLimit,
    /// What this needs is not set up, or not rightly: an operator must act.
    NotConfigured,
    /// Something we need does not answer right now.
    Unavailable,
    /// The attempt took longer than its kind allows.
    Timeout,
    /// The worker died several times while it ran this job.
    Crashed,
    /// Somebody cancelled the job.
    Cancelled,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 19] = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::Conflict,
        Code::Forbidden,
        Code::AccountDisconnected,
        Code::ContentRejected,
        Code::NotApproved,
        Code::PlatformRefused,
        Code::GenerationFailed,
        Code::UsageExhausted,
        Code::PaymentRequired,
        Code::RateLimited,
        Code::SpendLimit,
        Code::NotConfigured,
        Code::Unavailable,
        Code::Timeout,
        Code::Crashed,
        Code::Cancelled,
        Code::Internal,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::InvalidArgument => "invalid_argument",
            Code::NotFound => "not_found",
            Code::Conflict => "conflict",
            Code::Forbidden => "forbidden",
            Code::AccountDisconnected => "account_disconnected",
            Code::ContentRejected => "content_rejected",
            Code::NotApproved => "not_approved",
            Code::PlatformRefused => "platform_refused",
            Code::GenerationFailed => "generation_failed",
            Code::UsageExhausted => "usage_exhausted",
            Code::PaymentRequired => "payment_required",
            Code::RateLimited => "rate_limited",
            Code::SpendLimit => "spend_limit",
            Code::NotConfigured => "not_configured",
            Code::Unavailable => "unavailable",
            Code::Timeout => "timeout",
            Code::Crashed => "crashed",
            Code::Cancelled => "cancelled",
            Code::Internal => "internal",
        }
    }

    /// The HTTP status with which a caller who waited is told.
    pub const fn http_status(self) -> u16 {
        match self {
            Code::InvalidArgument
            | Code::ContentRejected
            | Code::PlatformRefused
            | Code::GenerationFailed => 422,
            // To ask again in a moment, as 429 says, does not help: another plan does, or time.
            Code::UsageExhausted | Code::PaymentRequired => 402,
            Code::NotFound => 404,
            Code::Conflict | Code::AccountDisconnected | Code::NotApproved | Code::Cancelled => 409,
            Code::Forbidden => 403,
            Code::RateLimited => 429,
            Code::Unavailable | Code::SpendLimit => 503,
            Code::NotConfigured => 501,
            Code::Timeout => 504,
            Code::Crashed | Code::Internal => 500,
        }
    }

    /// A short title for people.
    pub const fn title(self) -> &'static str {
        match self {
            Code::InvalidArgument => "Invalid argument",
            Code::NotFound => "Not found",
            Code::Conflict => "Not possible in this state",
            Code::Forbidden => "Forbidden",
            Code::AccountDisconnected => "Account not connected",
            Code::ContentRejected => "Content breaks a rule of the network",
            Code::NotApproved => "Content not approved",
            Code::PlatformRefused => "Refused by the network",
            Code::GenerationFailed => "The model's answer cannot be used",
            Code::UsageExhausted => "Used up for this period",
            Code::PaymentRequired => "The subscription is not paid",
            Code::RateLimited => "Too many requests",
            Code::SpendLimit => "Spend limit reached",
            Code::NotConfigured => "Not set up",
            Code::Unavailable => "Temporarily unavailable",
            Code::Timeout => "Timed out",
            Code::Crashed => "Crashed repeatedly",
            Code::Cancelled => "Cancelled",
            Code::Internal => "Internal error",
        }
    }
}

/// What went wrong, for rows, feeds and callers. Never holds a secret.
#[derive(
    Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, utoipa::ToSchema,
)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The stable word.
    pub code: Code,
    /// What is wrong and what would be right.
    pub message: String,
    /// The argument that is wrong, as a path such as `args.versions[0].text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// A problem with no field of its own.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None }
    }

    /// An argument is wrong; `field` is its path below `args`.
    pub fn argument(field: &str, message: impl Into<String>) -> Self {
        Self {
            code: Code::InvalidArgument,
            message: message.into(),
            field: Some(format!("args.{field}")),
        }
    }

    /// There is no such row in this organization.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("no {what} {id} in this organization"))
    }

    /// The same problem, at a field (a path below `args`).
    pub fn at(mut self, field: &str) -> Self {
        self.field = Some(format!("args.{field}"));
        self
    }
}

/// Why a job waits, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// A stable word: `due`, `retry`, `rate_limited`, `quota`, `paused`, `processing`, `look_up`,
    /// `refreshing` (the account's token), `reconnect` (a person must connect the account again),
    /// `rebuilding` (sums are being made anew), `unknown_kind`, `unreadable_arguments`.
    pub code: String,
    /// What it waits for, for people.
    pub message: String,
    /// The key that is closed, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What a handler answers when the job is not done.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// This attempt failed; another may succeed. Costs an attempt.
    Retry(Problem),
    /// Not now. Costs no attempt.
    Snooze {
        /// When to come back, by the database's clock.
        until: DateTime<Utc>,
        /// Why.
        why: Wait,
        /// Whether `why.key` is to be closed for the whole fleet until then.
        close: bool,
    },
    /// No attempt can succeed.
    Dead(Problem),
    /// The job is no longer wanted.
    Cancel {
        /// Why.
        reason: String,
    },
    /// We cut it short ourselves: a deploy, or the database went away. Costs nothing.
    Interrupted,
    /// The job's claim is no longer ours: somebody else has it, and nothing may be written.
    ClaimLost,
}
