//! The little that is read of an MP4: that it is one, and its dimensions.
//!
//! Serves [`crate::inspect`], which has the whole file at hand.
//!
//! **Invariant:** sizes in the file are claims; nothing is read outside of the bytes given.
//!
//! The layout is that of ISO/IEC 14496-12:2015, sections 4.2 (boxes), 4.3 (`ftyp`) and 8.3.2
//! (`tkhd`).

/// Brands of MP4 files that networks take; QuickTime, HEIF and AVIF share the container.
const BRANDS: [&[u8; 4]; 13] = [
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ",
    b"M4VH", b"MSNV", b"dash",
];

/// Whether the file begins with a `ftyp` box of an MP4's brand.
pub(crate) fn is_mp4(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"ftyp")
        && bytes.get(8..12).is_some_and(|brand| BRANDS.iter().any(|known| brand == *known))
}

/// Width and height of the first track that has them, as they are shown.
pub(crate) fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    let movie = Boxes(bytes).find(|(kind, _)| *kind == b"moov")?.1;
    let tracks = Boxes(movie).filter(|(kind, _)| *kind == b"trak");
    tracks
        .filter_map(|(_, track)| Boxes(track).find(|(kind, _)| *kind == b"tkhd"))
        .find_map(|(_, header)| shown(header))
}

/// The last 44 bytes of a track header: a matrix of nine numbers, width and height in 16.16.
fn shown(header: &[u8]) -> Option<(u32, u32)> {
    let tail = header.last_chunk::<44>()?;
    let number = |index: usize| {
        let bytes = tail[index * 4..].first_chunk::<4>().expect("eleven numbers make 44 bytes");
        u32::from_be_bytes(*bytes)
    };
    let (width, height) = (number(9) >> 16, number(10) >> 16);
    // A phone held upright records a lying picture with a matrix that turns it.
    let turned = number(0) == 0 && number(4) == 0 && number(1) != 0;
    let (width, height) = if turned { (height, width) } else { (width, height) };
    (width > 0 && height > 0).then_some((width, height))
}

/// The boxes that follow one another in these bytes: kind and content.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (size, rest) = self.0.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let (content_bytes, rest) = match u32::from_be_bytes(*size) {
            0 => (rest.len(), rest),
            1 => {
                let (size, rest) = rest.split_first_chunk::<8>()?;
                let size = usize::try_from(u64::from_be_bytes(*size)).ok()?;
                (size.checked_sub(16)?, rest)
            }
            size => (usize::try_from(size).ok()?.checked_sub(8)?, rest),
        };
        let (content, rest) = rest.split_at_checked(content_bytes)?;
        self.0 = rest;
        Some((kind, content))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).expect("small");
        [&size.to_be_bytes(), kind.as_slice(), content].concat()
    }

    fn track(matrix: [u32; 9], width: u32, height: u32) -> Vec<u8> {
        let mut header = vec![0; 40];
        for number in matrix.into_iter().chain([width << 16, height << 16]) {
            header.extend(number.to_be_bytes());
        }
        boxed(b"trak", &boxed(b"tkhd", &header))
    }

    const UPRIGHT: [u32; 9] = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000];
    const TURNED: [u32; 9] = [0, 0x10000, 0, 0xFFFF_0000, 0, 0, 0, 0, 0x4000_0000];

    fn with_tracks(tracks: &[Vec<u8>]) -> Vec<u8> {
        let start = boxed(b"ftyp", b"isom\0\0\x02\0isomiso2mp41");
        [start, boxed(b"mdat", &[7; 50]), boxed(b"moov", &tracks.concat())].concat()
    }

    /// A video of 640 by 360 pixels after a track of sound.
    pub(crate) fn mp4() -> Vec<u8> {
        with_tracks(&[track(UPRIGHT, 0, 0), track(UPRIGHT, 640, 360)])
    }

    #[test]
    fn a_video_tells_the_size_of_its_picture() {
        let video = mp4();
        assert!(is_mp4(&video));
        assert_eq!(dimensions(&video), Some((640, 360)));
    }

    #[test]
    fn a_picture_that_is_turned_is_told_as_shown() {
        assert_eq!(dimensions(&with_tracks(&[track(TURNED, 640, 360)])), Some((360, 640)));
    }

    #[test]
    fn sizes_that_lie_end_the_reading() {
        for size in [2_u32, 7, 9, u32::MAX] {
            let mut video = mp4();
            video[..4].copy_from_slice(&size.to_be_bytes());
            assert_eq!(dimensions(&video), None, "{size}");
        }
        let mut large = b"\0\0\0\x01moov".to_vec();
        large.extend(u64::MAX.to_be_bytes());
        assert_eq!(dimensions(&large), None);
    }
}
