//! What a file is, by its bytes.
//!
//! Called on every upload before it is stored; a name or a header of the client counts for
//! nothing.
//!
//! **Invariant:** no bytes, however made, make it panic or read beyond them.

use crate::{Error, mp4};

/// A file's type and its dimensions: of a video as it is shown, of an image as it is stored, before
/// any turn that its EXIF data ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspected {
    /// The MIME type.
    pub mime: &'static str,
    /// Pixels across; unknown for a video that does not tell.
    pub width: Option<u32>,
    /// Pixels down; unknown for a video that does not tell.
    pub height: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    Gif,
    WebP,
    Mp4,
}

impl Kind {
    pub(crate) fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Mp4 => "video/mp4",
        }
    }
}

/// The type that the first bytes show.
pub(crate) fn sniff(bytes: &[u8]) -> Option<Kind> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some(Kind::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Kind::Png),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Kind::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Kind::WebP),
        _ => mp4::is_mp4(bytes).then_some(Kind::Mp4),
    }
}

/// The MIME type that the first 64 bytes of a file show, if it is one that networks take. Whether the
/// rest of the file is right, [`inspect`] tells.
pub fn sniffed_mime(first: &[u8]) -> Option<&'static str> {
    sniff(first).map(Kind::mime)
}

/// Tells type and dimensions of a whole file.
///
/// # Errors
///
/// [`Error::UnknownType`] when it is none of JPEG, PNG, GIF, WebP and MP4, or an image whose
/// dimensions cannot be read.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, Error> {
    let unknown = |reason| Error::UnknownType { reason };
    let kind = sniff(bytes).ok_or_else(|| {
        unknown(if bytes.is_empty() { "the file is empty" } else { "the file's type is unknown" })
    })?;
    let dimensions = match kind {
        Kind::Mp4 => mp4::dimensions(bytes),
        Kind::Jpeg | Kind::Png | Kind::Gif | Kind::WebP => Some(
            image_dimensions(bytes).ok_or_else(|| unknown("the image is damaged or cut short"))?,
        ),
    };
    let (width, height) = dimensions.unzip();
    Ok(Inspected { mime: kind.mime(), width, height })
}

fn image_dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    let size = imagesize::blob_size(bytes).ok()?;
    let (width, height) = (u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?);
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A PNG of 3 by 2 pixels, as far as its header goes.
    pub(crate) fn png() -> Vec<u8> {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend([0, 0, 0, 3, 0, 0, 0, 2, 8, 6, 0, 0, 0, 0x72, 0xB6, 0x0D, 0x24]);
        png
    }

    fn gif() -> Vec<u8> {
        b"GIF89a\x03\0\x02\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x03\0\x02\0\0\x02\x02L\x01\0;"
            .to_vec()
    }

    fn jpeg() -> Vec<u8> {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 16];
        jpeg.extend(b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        jpeg.extend([0xFF, 0xC0, 0, 11, 8, 0, 2, 0, 3, 1, 1, 0x11, 0, 0xFF, 0xD9]);
        jpeg
    }

    fn webp() -> Vec<u8> {
        let mut webp = b"RIFF\x1e\0\0\0WEBPVP8 \x12\0\0\0\x30\x01\0\x9d\x01\x2a".to_vec();
        webp.extend([3, 0, 2, 0, 0x3B, 0, 0, 0, 0, 0, 0, 0]);
        webp
    }

    #[test]
    fn images_are_known_by_their_bytes() {
        for (bytes, mime) in [
            (png(), "image/png"),
            (gif(), "image/gif"),
            (jpeg(), "image/jpeg"),
            (webp(), "image/webp"),
        ] {
            let seen = inspect(&bytes).expect(mime);
            assert_eq!(seen, Inspected { mime, width: Some(3), height: Some(2) });
        }
    }

    #[test]
    fn what_networks_do_not_take_is_unknown() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unknown"),
            (b"%PDF-1.7", "unknown"),
            (b"BM\0\0\0\0", "unknown"),
            (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "unknown"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "unknown"),
        ] {
            let error = inspect(bytes).expect_err(part).to_string();
            assert!(
                error.contains(part) && error.contains("JPEG, PNG, GIF, WebP or MP4"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused_or_read_and_never_a_panic() {
        for whole in [png(), gif(), jpeg(), webp(), mp4::tests::mp4()] {
            for length in 0..whole.len() {
                _ = inspect(&whole[..length]);
            }
        }
        let cut = inspect(&png()[..18]).expect_err("cut in its header").to_string();
        assert!(cut.contains("cut short"), "{cut}");
    }
}
