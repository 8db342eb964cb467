//! Real images through the whole way: layout or registry, import, store, mount.

mod fixture;
mod hostile;
mod import;
mod maintenance;
mod mounts;
mod os_image;
mod registry;
mod wire;
