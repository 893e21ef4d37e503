//! What the routes of analytics share: what may be asked for, how figures are shown, and CSV.
//!
//! **Invariant:** a figure that is not known is null, or an empty cell, and never zero.

mod ask;
mod csv;
mod figures;

pub(crate) use ask::{Form, Wanted, edge, form, longest, word};
pub(crate) use csv::{Cell, csv};
pub(crate) use figures::{Changes, Figures};
