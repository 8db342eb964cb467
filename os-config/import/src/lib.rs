//! Compose files and Quadlet units to the node's TOML. Pure.
//!
//! [`import`] takes the text of one Compose file, or of any number of Quadlet units, and gives a TOML
//! that [`orlop_config::parse`] takes without a word, and a [`Note`] for each key that was left out or
//! means something else now, with its line. What the files point at (`env_file`, configs, mounted
//! files) is asked of [`Files`].
//!
//! The keys of the TOML are judged by its own parser alone: what it refuses is taken out again, and its
//! words are the note's. See `docs/reference/import.md` for what becomes of each key.

mod builder;
mod compose;
mod draft;
mod emit;
mod env_file;
mod error;
mod files;
mod import;
pub mod limits;
mod mount;
mod name;
mod note;
mod quadlet;
mod quantity;
mod subnet;
mod variables;
mod verify;
mod words;
mod yaml;

pub use env_file::parse_env_file;
pub use error::ImportError;
pub use files::{Files, Found};
pub use import::{Imported, Settings, Source, import};
pub use note::{Note, NoteKind};
