//! Real images through the whole way: layout or registry, import, store, mount.

#![expect(
    clippy::unwrap_used,
    reason = "a failed step fails the test, where it stands"
)]

mod fixture;
mod hostile;
mod import;
mod maintenance;
mod mounts;
mod os_image;
mod places;
mod registry;
mod shared_layers;
mod wire;
