//! How the agent is linked.

fn main() {
    // Half a megabyte less of addresses to relocate, all of which would be read at each start. glibc 2.36 or later.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo:rerun-if-changed=build.rs");
}
