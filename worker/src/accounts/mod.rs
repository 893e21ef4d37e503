//! Accounts of networks: connected and disconnected.
//!
//! **Invariant:** tokens are in the clear only while the network is asked whose they are.

mod check_connection;
mod connect_account;
mod disconnect_connection;
mod import_connection;
mod refresh_connection;
mod store_account;
pub(crate) mod tokens;

pub(crate) use check_connection::check_connection;
pub(crate) use connect_account::connect_account;
pub(crate) use disconnect_connection::disconnect_connection;
pub(crate) use import_connection::import_connection;
pub(crate) use refresh_connection::refresh_connection;
