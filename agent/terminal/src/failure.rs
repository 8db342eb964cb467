//! What can go wrong before there is a far end to hold.

use crate::USAGE;
use std::io;
use std::path::PathBuf;

/// Each is told on stderr, which is the unit's journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot understand the arguments; write\n{USAGE}")]
    Usage,
    #[error("cannot listen at {path}: {source}")]
    Listen { path: PathBuf, source: io::Error },
    #[error("cannot remove {path}: {source}")]
    Remove { path: PathBuf, source: io::Error },
    #[error("cannot make a pipe for the input: {0}")]
    Pipe(io::Error),
    #[error("cannot leave a process behind: {0}")]
    Fork(io::Error),
    #[error("cannot run {path}: {source}")]
    Run { path: PathBuf, source: io::Error },
}
