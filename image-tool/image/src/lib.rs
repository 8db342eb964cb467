//! OCI images, registries, the content store, UKIs.
//!
//! A pull goes: [`resolve`] a reference to a manifest digest; fetch each layer (`download`), read its
//! tar with bounded memory (`blob_reader`, `tar_reader`, `layer`), files into the content store
//! (`content_store`, `composefs_store`), the rest into a tree (`tree`); make an EROFS metadata image
//! of the tree (`erofs`), whose digest is the image's identity; check what the image says of itself
//! and make it durable (`install`). [`Store`] mounts, lists, scrubs and collects garbage.

mod atomic_write;
mod blob_reader;
mod cancel_flag;
mod composefs_store;
mod content_store;
mod download;
mod erofs;
mod fetched;
mod files;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gc;
mod import;
mod install;
mod kind;
mod known_layer;
mod layer;
mod layer_error;
mod layer_root;
mod layout;
mod layout_images;
mod layout_verify;
mod limits;
mod manifest;
mod mount;
mod options;
mod packages;
mod places;
mod progress;
mod pull;
mod pull_error;
mod push;
mod read_ahead;
mod record;
mod registry;
mod scrub;
mod serve;
mod source;
mod store;
mod store_error;
mod tar_header;
mod tar_reader;
mod tree;
pub mod uki;

pub use content_store::{ContentStore, ObjectDigest};
pub use erofs::{FileContent, FileState, objects_in};
pub use gc::GcReport;
pub use kind::ErrorKind;
pub use layer_error::LayerError;
pub use layer_root::root_digest_of_layer;
pub use layout_images::{LayoutImage, LayoutLayer, images_of_layout};
pub use layout_verify::{LayoutReport, verify_layout};
pub use options::{Expect, Login, Mirror, Proxy, PullOptions};
pub use packages::{PACKAGES_FILE, Package, encode_packages};
pub use progress::{Progress, Step};
pub use pull::{Resolved, pull, resolve};
pub use pull_error::PullError;
pub use push::{Pushed, push};
pub use record::{ImageKind, ImageRecord, LayerRecord, RECORD_FORMAT, RuntimeConfig};
pub use scrub::ScrubReport;
pub use serve::{Repositories, serve};
pub use store::{Store, Verity};
pub use store_error::StoreError;
