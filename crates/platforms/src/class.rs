//! The closed classes into which every network's errors are sorted.
//!
//! Source: `tables/errors.json` of the contracts, read 2026-11-22.
//!
//! **Invariant:** what is done about an error depends on its class alone.

use serde::{Deserialize, Serialize};

/// What kind of trouble an answer of a network means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The access token was not accepted: refresh once, then retry once.
    AuthRefresh,
    /// The grant is gone: the person must connect the account again.
    AuthReconnect,
    /// A scope or a role is missing: no retry.
    Permission,
    /// The request itself is wrong: no retry.
    Permanent,
    /// Refused by spam, abuse or account rules: no automatic retry.
    Policy,
    /// Too many calls: wait until the reset, which costs no attempt.
    RateLimited,
    /// A daily or billing cap is used up: wait for the reset.
    Quota,
    /// Try again with backoff; on the publishing call see [`ErrorClass::Ambiguous`].
    Transient,
    /// The post may exist: look before sending again.
    Ambiguous,
    /// The network says the same content is already there: look, else give up.
    Duplicate,
    /// Not ready yet: ask again.
    Pending,
    /// Start again from the upload.
    Recreate,
    /// Our app is set up wrongly: an operator must act.
    Config,
    /// Not an error for us.
    Ignore,
}

impl ErrorClass {
    /// The word used in rows, logs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorClass::AuthRefresh => "auth_refresh",
            ErrorClass::AuthReconnect => "auth_reconnect",
            ErrorClass::Permission => "permission",
            ErrorClass::Permanent => "permanent",
            ErrorClass::Policy => "policy",
            ErrorClass::RateLimited => "rate_limited",
            ErrorClass::Quota => "quota",
            ErrorClass::Transient => "transient",
            ErrorClass::Ambiguous => "ambiguous",
            ErrorClass::Duplicate => "duplicate",
            ErrorClass::Pending => "pending",
            ErrorClass::Recreate => "recreate",
            ErrorClass::Config => "config",
            ErrorClass::Ignore => "ignore",
        }
    }
}
