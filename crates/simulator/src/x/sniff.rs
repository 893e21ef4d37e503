//! What kind of file some bytes are.
//!
//! **Invariant:** the type is found in the bytes; what the caller says of them counts for nothing.

use imagesize::ImageType;

/// What the bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) mime: &'static str,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
}

/// Looks into a file; `None` when it is of no type that X takes, or broken.
pub(super) fn look(file: &[u8], category: &str) -> Option<Looked> {
    if category == "subtitles" {
        let readable = std::str::from_utf8(file).is_ok_and(|text| !text.is_empty());
        return readable.then_some(Looked { mime: "text/srt", width: None, height: None });
    }
    if file.get(4..8) == Some(b"ftyp") {
        let mime = match file.get(8..12)? {
            b"qt  " => "video/quicktime",
            brand if is_image_brand(brand) => return None,
            _ => "video/mp4",
        };
        return Some(Looked { mime, width: None, height: None });
    }
    let mime = match imagesize::image_type(file).ok()? {
        ImageType::Jpeg => "image/jpeg",
        ImageType::Png => "image/png",
        ImageType::Gif => "image/gif",
        ImageType::Webp => "image/webp",
        _ => return None,
    };
    let size = imagesize::blob_size(file).ok()?;
    let (width, height) = (u32::try_from(size.width).ok(), u32::try_from(size.height).ok());
    Some(Looked { mime, width, height })
}

/// Still images live in the same container as videos, under these brands.
fn is_image_brand(brand: &[u8]) -> bool {
    [&b"heic"[..], b"heix", b"mif1", b"avif"].contains(&brand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_in_the_bytes() {
        let gif = b"GIF89a\x02\x00\x03\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff;";
        let looked = look(gif, "tweet_image").expect("a GIF");
        assert_eq!((looked.mime, looked.width, looked.height), ("image/gif", Some(2), Some(3)));
        let mp4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00";
        assert_eq!(look(mp4, "tweet_video").map(|l| l.mime), Some("video/mp4"));
        assert_eq!(look(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "tweet_image"), None);
        assert_eq!(look(b"\x89PNG\r\n\x1a\n", "tweet_image"), None);
        assert_eq!(look(b"hello", "tweet_image"), None);
        assert_eq!(look(b"hello", "subtitles").map(|l| l.mime), Some("text/srt"));
    }
}
