//! What end-to-end tests share; the tests themselves are in the folder `tests` beside this one.
//!
//! **Invariant:** nothing here is part of the product.

pub mod contract;
