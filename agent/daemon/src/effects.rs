//! Every file effect of stage, switch, commit and roll back.
//!
//! Nothing else in the agent changes the records or the ESP. So the crash matrix can cut the power
//! at each effect, and durability is decided in one place: an effect that has returned is on disk,
//! and none begins before the one before it is.

mod real;

pub use real::{Real, is_temp, temp_path};

use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The port through which files are changed. Each call is durable when it returns, and atomic: a
/// power cut leaves the old or the new file under the name, besides at most a temporary name that
/// [`Effects::sweep`] removes.
pub trait Effects: Send + Sync {
    /// Puts a file with this content under `path`, in place of what was there. Both the state
    /// partition (ext4) and the ESP (FAT, no hard links) can do it. Missing directories are made.
    ///
    /// # Errors
    /// [`EffectError`] with the step that failed; the old file is as it was.
    fn write(&self, path: &Path, content: &mut dyn Read) -> Result<(), EffectError>;

    /// Removes a file. One that is not there counts as removed.
    ///
    /// # Errors
    /// [`EffectError::Remove`] and [`EffectError::Sync`].
    fn remove(&self, path: &Path) -> Result<(), EffectError>;

    /// Removes the temporary names that a power cut left in `dir`. A missing directory is empty.
    ///
    /// # Errors
    /// [`EffectError::List`] and those of [`Effects::remove`].
    fn sweep(&self, dir: &Path) -> Result<(), EffectError>;
}

/// An effect that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// A directory could not be made.
    #[error("cannot make directory {}", .path.display())]
    MakeDir {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The temporary file could not be written whole.
    #[error("cannot write {}", .path.display())]
    Write {
        /// The name it was to get.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The complete file could not get its name.
    #[error("cannot put {} in place", .path.display())]
    Publish {
        /// The name.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file could not be removed.
    #[error("cannot remove {}", .path.display())]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory could not be read.
    #[error("cannot list {}", .path.display())]
    List {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A change of a directory could not be made durable.
    #[error("cannot sync directory {}", .path.display())]
    Sync {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl EffectError {
    /// The system's error.
    pub fn io(&self) -> &io::Error {
        match self {
            Self::MakeDir { source, .. }
            | Self::Write { source, .. }
            | Self::Publish { source, .. }
            | Self::Remove { source, .. }
            | Self::List { source, .. }
            | Self::Sync { source, .. } => source,
        }
    }

    /// Whether the file system is full.
    pub fn is_full(&self) -> bool {
        matches!(
            self.io().kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

impl<E: Effects + ?Sized> Effects for std::sync::Arc<E> {
    fn write(&self, path: &Path, content: &mut dyn Read) -> Result<(), EffectError> {
        (**self).write(path, content)
    }

    fn remove(&self, path: &Path) -> Result<(), EffectError> {
        (**self).remove(path)
    }

    fn sweep(&self, dir: &Path) -> Result<(), EffectError> {
        (**self).sweep(dir)
    }
}
