//! Placeholder until the narrator is written.
fn main() {}
