//! Why an image could not be had.

use crate::kind::ErrorKind;
use crate::layer_error::LayerError;
use crate::store_error::StoreError;
use orlop_config::Digest;
use std::path::PathBuf;

/// Why a resolve or a pull failed.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// Neither the repository nor the tag is there.
    #[error("cannot find image {image}: {place} does not have it")]
    UnknownImage {
        /// What was asked for.
        image: String,
        /// Who was asked: `registry 127.0.0.1:5000`, `directory /media/usb`.
        place: String,
    },
    /// The manifest names a blob that is not there.
    #[error("cannot fetch {what} of {image}: {place} does not have {digest}")]
    MissingBlob {
        /// `layer 1 of 2`, `config`.
        what: String,
        /// The image.
        image: String,
        /// Who was asked.
        place: String,
        /// The blob.
        digest: Digest,
    },
    /// No connection, or no answer.
    #[error("cannot reach registry {registry} for {image} after {attempts} attempts: {why}")]
    Unreachable {
        /// The registry.
        registry: String,
        /// The image.
        image: String,
        /// How often it was tried.
        attempts: u32,
        /// What went wrong last.
        why: String,
    },
    /// The registry stopped in the middle of a blob, and did not come back.
    #[error(
        "cannot fetch {what} of {image}: registry {registry} stopped at {done_bytes} of \
         {size_bytes} bytes and did not go on in {attempts} attempts: {why}; what has come is \
         kept, and a new pull goes on there"
    )]
    Interrupted {
        /// `layer 1 of 2`.
        what: String,
        /// The image.
        image: String,
        /// The registry.
        registry: String,
        /// Bytes that have come.
        done_bytes: u64,
        /// Bytes that there should be.
        size_bytes: u64,
        /// How often it was tried without progress.
        attempts: u32,
        /// What went wrong last.
        why: String,
    },
    /// The registry wants a login, or refuses.
    #[error("cannot read {image}: registry {registry} refuses: {why}")]
    Denied {
        /// The registry.
        registry: String,
        /// The image.
        image: String,
        /// What it said.
        why: String,
    },
    /// The registry answered with something that is no answer.
    #[error("cannot read {what} of {image}: {why}")]
    BadAnswer {
        /// `manifest`, `index`, `config`.
        what: String,
        /// The image.
        image: String,
        /// What is wrong.
        why: String,
    },
    /// A blob or manifest is not what its digest says.
    #[error("cannot trust {what} of {image}: expected {expected}, got {got}")]
    DigestMismatch {
        /// `layer 1 of 2 (blob)`, `layer 1 of 2 (diff_id)`, `manifest`.
        what: String,
        /// The image.
        image: String,
        /// The digest that it should have.
        expected: String,
        /// The digest that it has.
        got: String,
    },
    /// The index has nothing for the platform.
    #[error("cannot run {image} here: its index has no image for {wanted}, only for {found}")]
    NoPlatform {
        /// The image.
        image: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// The image is for another platform.
    #[error("cannot run {image} here: it is for {found}, not for {wanted}")]
    OtherPlatform {
        /// The image.
        image: String,
        /// What was asked for.
        wanted: String,
        /// What it is for.
        found: String,
    },
    /// An OS image was asked for.
    #[error("cannot use {image} as an OS image: {why}")]
    NotOs {
        /// The image.
        image: String,
        /// What is missing.
        why: String,
    },
    /// A container image was asked for.
    #[error("cannot use {image} as a container image: it is an OS image")]
    NotContainer {
        /// The image.
        image: String,
    },
    /// The root digest that the image claims is not the one it has.
    #[error(
        "cannot trust OS image {image}: {place} says root {claimed}, its files make {computed}"
    )]
    RootMismatch {
        /// The image.
        image: String,
        /// `label io.orlop.os.root`, `the UKI's command line`.
        place: String,
        /// What it says.
        claimed: String,
        /// What was computed.
        computed: String,
    },
    /// A layer is not what a layer may be.
    #[error("cannot unpack {what} of {image}")]
    Layer {
        /// `layer 1 of 2`.
        what: String,
        /// The image.
        image: String,
        /// Why.
        #[source]
        source: LayerError,
    },
    /// The store's file system is full.
    #[error(
        "cannot keep {image}: no space left in {}{}",
        .path.display(),
        needed(.needed_bytes)
    )]
    NoSpace {
        /// The image.
        image: String,
        /// Where.
        path: PathBuf,
        /// How many bytes were still to be written, where known.
        needed_bytes: Option<u64>,
    },
    /// The caller cancelled. What has been fetched is kept for the next try.
    #[error("cannot finish pulling {image}: cancelled")]
    Cancelled {
        /// The image.
        image: String,
    },
    /// A file of a layout or of the store.
    #[error("cannot {verb} {}", .path.display())]
    Io {
        /// `read`, `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An option is wrong.
    #[error("cannot use the options for {image}: {why}")]
    Options {
        /// The image.
        image: String,
        /// Which, and what would be right.
        why: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn needed(bytes: &Option<u64>) -> String {
    match bytes {
        Some(bytes) => format!(" (about {} MiB more were needed)", bytes.div_ceil(1 << 20)),
        None => String::new(),
    }
}

impl PullError {
    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownImage { .. } | Self::MissingBlob { .. } => ErrorKind::NotFound,
            Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::Cancelled { .. }
            | Self::Io { .. } => ErrorKind::Transient,
            Self::BadAnswer { .. } | Self::DigestMismatch { .. } | Self::RootMismatch { .. } => {
                ErrorKind::Integrity
            }
            Self::Denied { .. }
            | Self::NoPlatform { .. }
            | Self::OtherPlatform { .. }
            | Self::NotOs { .. }
            | Self::NotContainer { .. }
            | Self::Options { .. } => ErrorKind::Usage,
            Self::NoSpace { .. } => ErrorKind::NoSpace,
            Self::Layer { source, .. } => source.kind(),
            Self::Store(error) => error.kind(),
        }
    }
}
