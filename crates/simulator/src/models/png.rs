//! Small real images: one color, which the prompt decides.
//!
//! **Invariant:** every image can be read by any reader of PNG.

use sha2::{Digest, Sha256};

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
        crc
    })
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    let start = png.len();
    png.extend(kind);
    png.extend(data);
    let sum = crc(&png[start..]);
    png.extend(sum.to_be_bytes());
}

/// An image of this size in one color: a palette of one entry, one bit for a pixel.
pub(super) fn plain(prompt: &str, (width, height): (u32, u32)) -> Vec<u8> {
    let color = Sha256::digest(prompt);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::from(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([1, 3, 0, 0, 0]);
    chunk(&mut png, b"IHDR", &head);
    chunk(&mut png, b"PLTE", &color[..3]);
    // Every row is a filter byte and the pixels, all zero; deflate without compression.
    let length = height as usize * (1 + width.div_ceil(8) as usize);
    let mut data = vec![0x78, 0x01];
    let mut left = length;
    while left > 0 {
        let part = left.min(usize::from(u16::MAX));
        left -= part;
        data.push(u8::from(left == 0));
        data.extend((part as u16).to_le_bytes());
        data.extend((!(part as u16)).to_le_bytes());
        data.resize(data.len() + part, 0);
    }
    // Adler-32 of zeros: the first sum stays 1, the second counts the bytes.
    let sum = ((length % 65_521) as u32) << 16 | 1;
    data.extend(sum.to_be_bytes());
    chunk(&mut png, b"IDAT", &data);
    chunk(&mut png, b"IEND", &[]);
    png
}
