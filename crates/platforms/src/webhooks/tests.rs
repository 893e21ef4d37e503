//! Every vector of every sender, and what must hold for bytes that nobody chose.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod strangers;
mod vectors;
