//! PID 1 of the initrd, and the mounting of a root that the agent and the test machines share.
//!
//! [`root::prepare`] makes a directory a complete root file system out of a state partition: the
//! initrd does it for the booted image, the agent for the next one before a live swap, and a
//! namespace machine for itself. The other modules are the parts of it, and what only the initrd
//! needs; [`modules::ModuleList`] is written by the image tool and read by the initrd.

#![deny(unsafe_code)]

pub mod atomic_write;
pub mod boot_record;
pub mod crc32c;
pub mod disk;
pub mod ext4;
pub mod factory;
pub mod fs_context;
pub mod machine_id;
pub mod modalias;
pub mod modules;
pub mod options;
pub mod root;
pub mod seal;
pub mod state;
pub mod torn_superblock;

pub use root::{RootError, RootSpec, Verity, prepare};
