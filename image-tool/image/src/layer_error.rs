//! Why a layer cannot be unpacked.

use crate::kind::ErrorKind;

/// Why a layer cannot be unpacked. Paths are as the layer has them.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Reading or decompressing it.
    #[error("cannot read the layer")]
    Read(#[source] std::io::Error),
    /// It is no tar.
    #[error("cannot read the tar at byte {offset}: {why}")]
    Tar {
        /// Offset in the uncompressed tar.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// A path that leaves the root, or is no path.
    #[error("cannot place {path:?}: {why}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A hard link to nothing.
    #[error("cannot link {path:?} to {target:?}: {why}")]
    Link {
        /// The link.
        path: String,
        /// What it should link to.
        target: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Something that this importer does not do.
    #[error("cannot unpack {path:?}: {why}")]
    Unsupported {
        /// The path.
        path: String,
        /// What it is.
        why: String,
    },
    /// A named limit.
    #[error("cannot unpack the layer: {what} is over the limit of {limit} at {path:?}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// Where it was reached.
        path: String,
    },
    /// The tar file system tree is refused by the store.
    #[error("cannot make an image of the layers: {0}")]
    Tree(String),
    /// The caller cancelled.
    #[error("cannot finish the layer: cancelled")]
    Cancelled,
}

impl LayerError {
    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Cancelled => ErrorKind::Transient,
            Self::Read(_)
            | Self::Tar { .. }
            | Self::Path { .. }
            | Self::Link { .. }
            | Self::Unsupported { .. }
            | Self::Limit { .. }
            | Self::Tree(_) => ErrorKind::Integrity,
        }
    }
}
