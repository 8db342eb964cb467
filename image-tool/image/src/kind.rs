//! What sort of failure an error is, so that a caller need not read its text.

/// The sort of a failure; it picks the fault that an operator sees and whether a retry makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// It may work later: the network, a registry, an I/O error, a call that was cancelled.
    Transient,
    /// Data is not what its digest, or its format, says. A retry does not help.
    Integrity,
    /// What was asked for is not there.
    NotFound,
    /// A file system is full.
    NoSpace,
    /// The caller asked for something that cannot be: the wrong kind of image, a bad option.
    Usage,
}
