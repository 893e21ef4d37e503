//! Organizations, what they may use, and their API keys.
//!
//! **Invariant:** a key is stored as its hash; nothing here ever sees the key.

mod create_key;
mod create_organization;
mod limit_usage;
mod revoke_key;
mod set_plan;
mod update_organization;

pub(crate) use create_key::create_key;
pub(crate) use create_organization::create_organization;
pub(crate) use limit_usage::limit_usage;
pub(crate) use revoke_key::revoke_key;
pub(crate) use set_plan::set_plan;
pub(crate) use update_organization::update_organization;
