//! Manifests, indexes and image configs of registries.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    orlop_image::fuzzing::read_documents(data);
});
