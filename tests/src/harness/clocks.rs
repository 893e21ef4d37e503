//! Machines whose clocks are wrong.
//!
//! **Invariant:** only the time of day is shifted; lengths of time are as they are.

use std::path::Path;

/// Names the library that shifts the clock of a process (libfaketime), where there is one.
const LIBRARY: &str = "EZRE_FAKETIME";

/// Removes what the library leaves of a process that was killed.
pub(super) fn sweep(pid: u32) {
    for file in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        // Most processes have none.
        let _ = std::fs::remove_file(Path::new("/dev/shm").join(file));
    }
}

/// The settings of a process whose machine's clock is so many seconds ahead; `None` where there is nothing to shift
/// clocks with, and the reason told.
pub fn ahead(secs: i64) -> Option<Vec<(&'static str, String)>> {
    let Some(library) = std::env::var(LIBRARY).ok().filter(|path| !path.is_empty()) else {
        #[expect(clippy::print_stderr, reason = "for the person who reads what was checked")]
        {
            eprintln!(
                "WARNING: {LIBRARY} names no libfaketime: wrong clocks were NOT checked (bin/test gets it)"
            );
        }
        return None;
    };
    Some(vec![
        ("LD_PRELOAD", library),
        ("FAKETIME", format!("{secs:+}s")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}
