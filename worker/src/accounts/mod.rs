//! Accounts of networks: connected and disconnected.
//!
//! **Invariant:** tokens are in the clear only while the network is asked whose they are.

mod disconnect_connection;
mod import_connection;

pub(crate) use disconnect_connection::disconnect_connection;
pub(crate) use import_connection::import_connection;
