//! Layers of an image: tars, laid one upon the other, and the EROFS image that they make.
//!
//! The input is tars in a row, each ended by two zero blocks. Checksums of headers are mended first: the
//! fuzzer would hardly get past one.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// A block of a tar.
const BLOCK: usize = 512;

fuzz_target!(|data: &[u8]| {
    let mut data = data.to_vec();
    let layers = mended(&mut data);
    let Ok((image, root)) = orlop_image::fuzzing::image_of_layers(&layers) else {
        return;
    };
    let paths = orlop_image::fuzzing::paths_in(&image).expect("an image that was made can be read");
    for path in paths {
        let path = path.to_string_lossy();
        assert!(path.starts_with('/'), "{path}");
        let outside = path.split('/').any(|name| matches!(name, "." | ".."));
        assert!(!outside, "{path}");
    }
    let again = orlop_image::fuzzing::image_of_layers(&layers);
    let same = again.is_ok_and(|(_, other)| other == root);
    assert!(same, "the same layers make another image");
});

/// Walks over the tars as a reader does, writes the right checksum into each header, and gives the tars.
fn mended(data: &mut [u8]) -> Vec<Vec<u8>> {
    let mut layers = Vec::new();
    let (mut start, mut at, mut zeros) = (0, 0, 0);
    while at + BLOCK <= data.len() {
        let block = &mut data[at..at + BLOCK];
        at += BLOCK;
        if block.iter().all(|byte| *byte == 0) {
            zeros += 1;
            if zeros == 2 {
                layers.push(data[start..at].to_vec());
                (start, zeros) = (at, 0);
            }
            continue;
        }
        zeros = 0;
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let header = tar::Header::from_byte_slice(block);
        let size = header.entry_size().unwrap_or(0) as usize;
        at = at.saturating_add(size.min(data.len()).next_multiple_of(BLOCK));
    }
    layers.push(data[start..].to_vec());
    layers
}
