//! Two texts, word by word.
//!
//! **Invariant:** all segments but the inserted ones make up the first text exactly, all but the
//! deleted ones the second.

use serde::Serialize;
use similar::{ChangeTag, TextDiffConfig};
use std::time::Duration;

/// After so long, what is left is told in larger pieces.
const PATIENCE: Duration = Duration::from_millis(200);

/// A piece of two texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Segment {
    /// In which of both it is.
    op: Op,
    /// The piece.
    text: String,
}

/// In which of two texts a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Op {
    /// In both.
    Equal,
    /// In the first alone.
    Delete,
    /// In the second alone.
    Insert,
}

/// What leads from one text to the other. Words as Unicode has them: a script without spaces is told
/// apart too.
pub(crate) fn words(from: &str, to: &str) -> Vec<Segment> {
    let diff = TextDiffConfig::default().timeout(PATIENCE).diff_unicode_words(from, to);
    let mut segments: Vec<Segment> = Vec::new();
    for change in diff.iter_all_changes() {
        let op = match change.tag() {
            ChangeTag::Equal => Op::Equal,
            ChangeTag::Delete => Op::Delete,
            ChangeTag::Insert => Op::Insert,
        };
        match segments.last_mut() {
            Some(last) if last.op == op => last.text.push_str(change.value()),
            _ => segments.push(Segment { op, text: change.value().to_owned() }),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(from: &str, to: &str) -> String {
        let mark = |segment: &Segment| match segment.op {
            Op::Equal => segment.text.clone(),
            Op::Delete => format!("[-{}-]", segment.text),
            Op::Insert => format!("[+{}+]", segment.text),
        };
        words(from, to).iter().map(mark).collect()
    }

    #[test]
    fn words_are_told_and_not_letters() {
        assert_eq!(
            told("fresh bread daily", "fresh rolls daily"),
            "fresh [-bread-][+rolls+] daily"
        );
        assert_eq!(told("", "new"), "[+new+]");
        assert_eq!(told("same", "same"), "same");
        assert_eq!(told("a b", "a b c"), "a b[+ c+]");
    }

    #[test]
    fn both_texts_can_be_put_together_again() {
        let texts = [
            "",
            "Brot & Rosen 🌹\n\nheute",
            "Brot, Rosen — heute!  ",
            "今日はパンが焼けました",
            "a\r\nb",
        ];
        for from in texts {
            for to in texts {
                let without = |op: Op| -> String {
                    let segments = words(from, to);
                    let kept = segments.iter().filter(|segment| segment.op != op);
                    kept.map(|segment| segment.text.as_str()).collect()
                };
                assert_eq!(without(Op::Insert), from);
                assert_eq!(without(Op::Delete), to);
            }
        }
    }

    #[test]
    fn long_texts_that_have_nothing_in_common_take_no_longer_than_that() {
        let text = |seed: u32| -> String {
            (0..20_000u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761) ^ seed)).collect()
        };
        let begun = std::time::Instant::now();
        assert!(!words(&text(1), &text(0x5555_5555)).is_empty());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
