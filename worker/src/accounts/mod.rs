//! Connected accounts and their tokens.
//!
//! **Invariant:** a token is in the clear only while a call with it lasts; at rest it is sealed and
//! bound to its row.

mod disconnect_connection;
mod import_connection;

pub(crate) use disconnect_connection::disconnect_connection;
pub(crate) use import_connection::import_connection;
