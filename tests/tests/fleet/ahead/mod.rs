//! Ahead of time: what will happen is shown before it is scheduled, and what will not before its time.

mod cadences;
mod previewing;
mod warning;
