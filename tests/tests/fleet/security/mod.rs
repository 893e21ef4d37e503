//! The real logins attacked, and secrets looked for everywhere.

mod logins;
mod refusal_to_start;
mod secrets;
