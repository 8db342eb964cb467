//! The blob of a layer: gzip, zstd or plain, with a tar in it, of which nothing is mended.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    orlop_image::fuzzing::read_blob(data);
});
