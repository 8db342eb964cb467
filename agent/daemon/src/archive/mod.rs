//! Folders as tar streams, out of and into the node, with names, numbers of owners, modes, times, links and
//! extended attributes kept.
//!
//! Every path is resolved by the kernel below an open folder (openat2(2)), so that no link of what is
//! packed, nor of where it is unpacked, leads out of it.

mod beneath;
mod error;
mod measure;
mod pack;
mod pipe;
mod unpack;
mod visit;

pub(crate) use beneath::{open_dir, parted};
pub(crate) use error::ArchiveError;
pub(crate) use measure::{Measure, measure};
pub(crate) use pack::pack;
pub(crate) use pipe::{ByteReader, ByteStream, outgoing};
pub(crate) use unpack::{Owner, Unpack};
pub(crate) use visit::{Visit, each_below};

/// Extended attributes that are carried: what programs and administrators set. Others are the kernel's
/// own, or of the machine's file systems.
fn is_carried(attribute: &str) -> bool {
    attribute.starts_with("user.")
        || matches!(
            attribute,
            "security.capability" | "system.posix_acl_access" | "system.posix_acl_default"
        )
}
