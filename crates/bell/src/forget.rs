//! Forgetting: deletes the keys of one prefix, for tests and the demo.
//!
//! **Invariant:** never a key of anybody else, and never all keys of a server.

use crate::Error;
use crate::wire::Wire;

/// Deletes every key that begins with `prefix` and a colon; returns how many.
pub(crate) async fn all(wire: &Wire, prefix: &str) -> Result<usize, Error> {
    let pattern = format!("{}:*", literal(prefix));
    let mut cursor = 0_u64;
    let mut forgotten = 0;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(500);
        let (next, keys): (u64, Vec<Vec<u8>>) =
            wire.call("forget_all", async |redis| scan.query_async(redis).await).await?;
        if !keys.is_empty() {
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(keys);
            forgotten += wire
                .call("forget_all", async |redis| unlink.query_async::<usize>(redis).await)
                .await?;
        }
        if next == 0 {
            return Ok(forgotten);
        }
        cursor = next;
    }
}

/// `text` as a pattern that matches only itself.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_pattern_in_a_prefix_matches_only_itself() {
        assert_eq!(super::literal("a*[b]?"), r"a\*\[b\]\?");
    }
}
