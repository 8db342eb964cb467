//! UKIs, as an OS image or an ESP has them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use orlop_image::uki;

fuzz_target!(|data: &[u8]| {
    let line = uki::cmdline(data).is_ok();
    let root = uki::root_digest(data).is_ok();
    assert!(line || !root, "a root digest without a command line");
    if uki::boot_digest_of(data).is_ok() {
        assert!(line, "a boot digest without a command line");
    }
});
