//! Finds the contracts' tables for tests; they are not part of this repository.
//!
//! **Invariant:** an absent folder is said, never taken for a pass without a word.

use serde_json::Value;
use std::path::PathBuf;

/// Reads a JSON file of the contracts, or says why it cannot be read.
pub(crate) fn json(file: &str) -> Result<Value, String> {
    let folder = std::env::var_os("EZRE_CONTRACTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contracts"),
        PathBuf::from,
    );
    let path = folder.join(file);
    if !path.exists() {
        return Err(format!(
            "no contracts at {} (set EZRE_CONTRACTS to their folder)",
            path.display()
        ));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}
