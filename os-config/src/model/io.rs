//! How fast a container may read and write a disk.

use super::ByteSize;
use serde::Serialize;

/// Limits of one disk; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IoLimits {
    /// Bytes that are read a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<ByteSize>,
    /// Bytes that are written a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<ByteSize>,
    /// Reads a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_ops: Option<u32>,
    /// Writes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_ops: Option<u32>,
}
