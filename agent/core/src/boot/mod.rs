//! Boot entries, the boot loader's choice, and what a boot means.

mod entry;
pub mod loader;
mod pstore;
mod remains;
mod resolve;
#[cfg(test)]
mod resolve_tests;
mod version;

pub use entry::{BootSequence, Counter, Entry, EntryFile, EntryName, ForeignEntry};
pub use pstore::{CrashLog, PstoreFile, crash_logs};
pub use remains::{AgentFailure, NoteError, Remains, service_end, used_up};
pub(crate) use resolve::generation_of_root;
pub use resolve::{BootDecision, Booted, resolve_boot};
