//! Why a folder could not be packed, or an archive not unpacked.

use orlop_api::{Fault, FaultKind};
use std::io;
use std::path::{Path, PathBuf};

/// Packing or unpacking failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// A system call on something below the folder.
    #[error("cannot {verb} {}", path.display())]
    File {
        /// `open`, `read`, `create`, …
        verb: &'static str,
        /// Below the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive cannot be read on, or whoever sends it has gone.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// Whoever reads the archive has gone.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// An entry that would lead out of the folder.
    #[error("cannot unpack {}: it leads out of the folder", path.display())]
    Outside {
        /// As the archive names it.
        path: PathBuf,
    },
    /// An entry that is a device.
    #[error("cannot unpack {}: it is a device", path.display())]
    Device {
        /// As the archive names it.
        path: PathBuf,
    },
    /// A kind of entry that is not known.
    #[error("cannot unpack {}: entries of type {kind:?} are not known", path.display())]
    Kind {
        /// As the archive names it.
        path: PathBuf,
        /// The type's letter.
        kind: char,
    },
    /// An entry whose owner the container does not know.
    #[error("cannot unpack an entry of id {id}: the container's ids go to 65535")]
    BeyondIds {
        /// The number in the archive.
        id: u32,
    },
    /// Neither an entry nor the end of an archive.
    #[error("cannot unpack the archive: there is none: no bytes came")]
    Empty,
}

impl ArchiveError {
    /// For `map_err`: a system call on `path` failed.
    pub(super) fn file<E: Into<io::Error>>(
        verb: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            verb,
            path,
            source: source.into(),
        }
    }

    /// What front doors show.
    pub(crate) fn fault(&self) -> Fault {
        let kind = match self {
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FaultKind::Transient,
                io::ErrorKind::NotFound => FaultKind::NotFound,
                // Also a link that leads out (EXDEV), or one where a folder should be (ELOOP).
                _ => FaultKind::Refused,
            },
            Self::Write(_) => FaultKind::Transient,
            Self::Read(_)
            | Self::Outside { .. }
            | Self::Device { .. }
            | Self::Kind { .. }
            | Self::BeyondIds { .. }
            | Self::Empty => FaultKind::Usage,
        };
        Fault::new(kind, crate::chain::chain(self))
    }
}
