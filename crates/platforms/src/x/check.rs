//! Content against X's limits.
//!
//! **Invariant:** every violation names one field, and says what would be right.

use super::text::{cashtags, measure};
use super::{
    CASHTAGS_MAX, GIF_MAX_BYTES, GIF_MAX_HEIGHT, GIF_MAX_WIDTH, GIF_TYPE, IMAGE_MAX_BYTES,
    IMAGE_TYPES, IMAGES_MAX, TEXT_MAX, VIDEO_MAX_BYTES, VIDEO_TYPES,
};
use crate::{Content, MediaFacts, Violation};

/// Everything that is wrong with the content for X.
///
/// Not looked at, because nothing here knows them: an animation's frames (350) and a video's
/// length, frame rate and shape.
pub fn check(content: &Content<'_>) -> Vec<Violation> {
    let mut found = text(content);
    for (index, media) in content.media.iter().enumerate() {
        file(index, media, &mut found);
    }
    found.extend(together(content.media));
    found
}

fn text(content: &Content<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut add = |code, message| {
        found.push(Violation { field: "text".to_owned(), code, message });
    };
    let measure = measure(content.text);
    if content.text.trim().is_empty() && content.media.is_empty() {
        add("text_empty", "A post needs a text or an attachment.".to_owned());
    }
    if measure.weighted_length > TEXT_MAX {
        add(
            "text_too_long",
            format!(
                "The text counts {} of at most {TEXT_MAX} characters (a link counts 23; an emoji \
                 and most Asian characters count 2).",
                measure.weighted_length
            ),
        );
    }
    if let Some(c) = measure.invalid_character {
        add(
            "text_invalid",
            format!("The text contains U+{:04X}, which X does not take: remove it.", u32::from(c)),
        );
    }
    let tags = cashtags(content.text);
    if tags.len() > CASHTAGS_MAX {
        add(
            "cashtags_too_many",
            format!("The text has {} cashtags (${}); X takes one.", tags.len(), tags.join(", $")),
        );
    }
    found
}

/// What an attachment is to X.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Gif,
    Video,
}

fn kind(media: &MediaFacts) -> Option<Kind> {
    match media.mime.as_str() {
        GIF_TYPE => Some(Kind::Gif),
        mime if IMAGE_TYPES.contains(&mime) => Some(Kind::Image),
        mime if VIDEO_TYPES.contains(&mime) => Some(Kind::Video),
        _ => None,
    }
}

fn file(index: usize, media: &MediaFacts, found: &mut Vec<Violation>) {
    let mut add = |code, message| {
        found.push(Violation { field: format!("media[{index}]"), code, message });
    };
    let Some(kind) = kind(media) else {
        add(
            "media_type",
            format!("X does not take {}: use JPEG, PNG, WebP, GIF, MP4 or MOV.", media.mime),
        );
        return;
    };
    let (name, limit) = match kind {
        Kind::Image => ("an image", IMAGE_MAX_BYTES),
        Kind::Gif => ("a GIF", GIF_MAX_BYTES),
        Kind::Video => ("a video", VIDEO_MAX_BYTES),
    };
    if media.size_bytes == 0 {
        add("media_empty", "The file is empty.".to_owned());
    }
    if media.size_bytes > limit {
        let mib = limit / (1024 * 1024);
        add(
            "media_too_large",
            format!("The file has {} bytes; X takes {mib} MiB for {name}.", media.size_bytes),
        );
    }
    let wide = media.width.is_some_and(|width| width > GIF_MAX_WIDTH);
    let high = media.height.is_some_and(|height| height > GIF_MAX_HEIGHT);
    if kind == Kind::Gif && (wide || high) {
        add(
            "media_dimensions",
            format!("A GIF may be {GIF_MAX_WIDTH} pixels wide and {GIF_MAX_HEIGHT} high."),
        );
    }
}

/// What is wrong with the attachments as a set: the first one that does not fit in.
fn together(media: &[MediaFacts]) -> Option<Violation> {
    let kinds: Vec<(usize, Kind)> =
        media.iter().enumerate().filter_map(|(at, m)| Some((at, kind(m)?))).collect();
    let (_, first) = *kinds.first()?;
    let violation = |at: usize, code, message: &str| {
        Some(Violation { field: format!("media[{at}]"), code, message: message.to_owned() })
    };
    if let Some((at, _)) = kinds.iter().find(|(_, kind)| *kind != first) {
        return violation(
            *at,
            "media_mixed",
            "A post shows up to four images, or one GIF, or one video, never a mix.",
        );
    }
    match (first, kinds.get(1), kinds.get(IMAGES_MAX)) {
        (Kind::Image, _, Some((at, _))) => {
            violation(*at, "media_too_many", "A post shows at most four images.")
        }
        (Kind::Gif, Some((at, _)), _) => {
            violation(*at, "media_too_many", "A post shows at most one GIF.")
        }
        (Kind::Video, Some((at, _)), _) => {
            violation(*at, "media_too_many", "A post shows at most one video.")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(mime: &str, size_bytes: u64) -> MediaFacts {
        MediaFacts { mime: mime.to_owned(), size_bytes, width: None, height: None }
    }

    fn codes(text: &str, media: &[MediaFacts]) -> Vec<(String, &'static str)> {
        let found = check(&Content { text, media });
        found.into_iter().map(|v| (v.field, v.code)).collect()
    }

    fn one(field: &str, code: &'static str) -> Vec<(String, &'static str)> {
        vec![(field.to_owned(), code)]
    }

    #[test]
    fn content_within_the_limits_passes() {
        let images = vec![media("image/png", IMAGE_MAX_BYTES); 4];
        assert_eq!(codes(&"a".repeat(280), &images), []);
        assert_eq!(codes("", &[media("image/gif", GIF_MAX_BYTES)]), []);
        assert_eq!(codes("buy $TSLA", &[media("video/mp4", 1)]), []);
    }

    #[test]
    fn a_long_text_says_how_long_it_is() {
        let text = "の".repeat(141);
        let found = check(&Content { text: &text, media: &[] });
        assert_eq!(found[0].code, "text_too_long");
        assert!(found[0].message.contains("282 of at most 280"), "{}", found[0].message);
    }

    #[test]
    fn texts_that_x_refuses_are_named() {
        assert_eq!(codes(" \n", &[]), one("text", "text_empty"));
        assert_eq!(codes("bad\u{FFFE}", &[]), one("text", "text_invalid"));
        assert_eq!(codes("$A and $B", &[]), one("text", "cashtags_too_many"));
    }

    #[test]
    fn files_that_x_refuses_are_named() {
        let at = "media[0]";
        assert_eq!(codes("", &[media("image/tiff", 1)]), one(at, "media_type"));
        assert_eq!(codes("", &[media("image/png", 0)]), one(at, "media_empty"));
        for (mime, limit) in [
            ("image/webp", IMAGE_MAX_BYTES),
            ("image/gif", GIF_MAX_BYTES),
            ("video/mp4", VIDEO_MAX_BYTES),
        ] {
            assert_eq!(codes("", &[media(mime, limit + 1)]), one(at, "media_too_large"));
        }
        let wide = MediaFacts { width: Some(1281), height: Some(1), ..media("image/gif", 1) };
        assert_eq!(codes("", &[wide]), one(at, "media_dimensions"));
    }

    #[test]
    fn sets_that_x_refuses_are_named_by_the_first_file_too_many() {
        let png = media("image/png", 1);
        let gif = media("image/gif", 1);
        assert_eq!(codes("", &vec![png.clone(); 5]), one("media[4]", "media_too_many"));
        assert_eq!(codes("", &[gif.clone(), gif.clone()]), one("media[1]", "media_too_many"));
        assert_eq!(codes("", &[png.clone(), png, gif]), one("media[2]", "media_mixed"));
    }
}
