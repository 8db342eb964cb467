//! OCI images, registries, the content store, UKIs.

mod kind;
mod layer_error;
mod options;
mod progress;
mod pull;
mod pull_error;
mod record;
mod store;
mod store_error;
pub mod uki;

pub use kind::ErrorKind;
pub use layer_error::LayerError;
pub use options::{Expect, PullOptions};
pub use progress::{Progress, Step};
pub use pull::{Resolved, pull, resolve};
pub use pull_error::PullError;
pub use record::{ImageKind, ImageRecord, LayerRecord, RECORD_FORMAT, RuntimeConfig};
pub use store::{GcReport, ScrubReport, Store, Verity, root_digest_of_layer};
pub use store_error::StoreError;
