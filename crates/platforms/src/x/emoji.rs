//! Where an emoji sequence begins and how long it is.
//!
//! **Invariant:** only sequences recommended for general interchange count as one; any other run
//! of characters keeps its own, larger weight, so that no text is counted too short.

/// Longest recommended sequence, in characters: a couple with two skin tones.
const LONGEST: usize = 10;

/// The length in bytes of the emoji that `text` starts with.
pub(super) fn leading_emoji(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    let single = &text[..first.len_utf8()];
    if !may_begin(first, single) {
        return None;
    }
    let mut ends: Vec<usize> =
        text.char_indices().map(|(at, c)| at + c.len_utf8()).take(LONGEST).collect();
    while let Some(end) = ends.pop() {
        let candidate = &text[..end];
        if !is_plain(first, candidate) && emojis::get(candidate).is_some() {
            return Some(end);
        }
    }
    None
}

/// Whether a sequence can start with this character: an emoji by itself, half a flag, a keycap.
fn may_begin(first: char, single: &str) -> bool {
    match first {
        '#' | '*' | '0'..='9' => true,
        '\u{1F1E6}'..='\u{1F1FF}' => true,
        c if (c as u32) < 0xA9 => false,
        _ => emojis::get(single).is_some(),
    }
}

/// Signs that are text unless a variation selector, or a keycap, makes them an emoji.
fn is_plain(first: char, candidate: &str) -> bool {
    match first {
        '#' | '*' | '0'..='9' => !candidate.ends_with('\u{20E3}'),
        '©' | '®' => candidate.len() == first.len_utf8(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_taken_whole() {
        for emoji in ["🐱", "👨‍👩‍👧‍👦", "🇯🇵", "👍🏽", "1️⃣", "❤️", "❤", "©️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩🏻‍❤️‍💋‍👩🏼"]
        {
            let text = format!("{emoji} and more");
            assert_eq!(leading_emoji(&text), Some(emoji.len()), "{emoji}");
        }
    }

    #[test]
    fn signs_digits_and_made_up_sequences_are_not_one_emoji() {
        for text in ["©", "1", "#tag", "#\u{FE0F}tag", "*", "a", "の"] {
            assert_eq!(leading_emoji(text), None, "{text}");
        }
        // A cat joined to a rocket is no emoji: the cat counts by itself.
        assert_eq!(leading_emoji("🐱\u{200D}🚀"), Some("🐱".len()));
    }
}
