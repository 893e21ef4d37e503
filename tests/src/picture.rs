//! Images that nobody has posted before.
//!
//! **Invariant:** every image is a valid PNG, different from all others.

/// Width and height in pixels.
const SIDE: usize = 8;

/// A small PNG of random colours.
pub fn png() -> Vec<u8> {
    let mut rows = Vec::with_capacity(SIDE * (1 + SIDE * 3));
    for _ in 0..SIDE {
        rows.push(0); // no filter
        rows.extend((0..SIDE * 3).map(|_| rand::random::<u8>()));
    }
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = u32::try_from(SIDE).expect("a small constant").to_be_bytes();
    // Eight bits, true colour, no interlacing.
    chunk(&mut file, b"IHDR", &[&side[..], &side[..], &[8, 2, 0, 0, 0]].concat());
    chunk(&mut file, b"IDAT", &stored(&rows));
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("chunks are small");
    file.extend(length.to_be_bytes());
    let start = file.len();
    file.extend(name);
    file.extend(data);
    let checksum = crc32(&file[start..]);
    file.extend(checksum.to_be_bytes());
}

/// A zlib stream of one block that is not compressed.
fn stored(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("one block holds 65535 bytes");
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(data);
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}

fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (a + b) % 65521)
    });
    (b << 16) | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
        assert_ne!(png(), png());
    }
}
