//! What end-to-end tests share; the tests themselves are in the folder `tests` beside this one.
//!
//! | file | what |
//! | --- | --- |
//! | `contract.rs` | requests and answers against a network's own description |
//! | `api.rs` | a frontend: a client of the API |
//! | `wait.rs` | waiting for a named condition, up to a deadline |
//! | `person.rs` | a person who connects an account |
//! | `picture.rs` | images that nobody has posted before |
//! | `harness/` | the real processes, started for one test |
//! | `chaos/` | the same, with everything going wrong on purpose, and a verdict |
//!
//! **Invariant:** nothing here is part of the product.

pub mod contract;

#[cfg(feature = "fleet")]
pub mod api;
#[cfg(feature = "fleet")]
pub mod chaos;
#[cfg(feature = "fleet")]
pub mod harness;
#[cfg(feature = "fleet")]
pub mod person;
#[cfg(feature = "fleet")]
pub mod picture;
#[cfg(feature = "fleet")]
pub mod wait;
