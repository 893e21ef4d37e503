//! Organizations and their API keys.
//!
//! **Invariant:** a key is stored as its hash; nothing here ever sees the key.

mod create_key;
mod create_organization;
mod revoke_key;
mod update_organization;

pub(crate) use create_key::create_key;
pub(crate) use create_organization::create_organization;
pub(crate) use revoke_key::revoke_key;
pub(crate) use update_organization::update_organization;
