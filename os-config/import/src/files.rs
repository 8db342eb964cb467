//! The files that an imported file points at.

/// What there is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file of text.
    Text(String),
    /// A file that is no text, or larger than [`crate::limits::MAX_FILE_BYTES`].
    NotText,
    /// A directory.
    Directory,
    /// Nothing, or nothing that can be read.
    Missing,
    /// It is not below the directory of the file that points at it, and so not looked at.
    Outside,
}

/// The files that an imported file points at.
pub trait Files {
    /// What is at `path`, from the directory that `file` is in. Nothing outside of that directory is to
    /// be read: what a downloaded file points at does not belong into a TOML that is shown around.
    fn find(&self, file: &str, path: &str) -> Found;
}
