//! What became of a key that is not in the TOML as it was in the file.

use std::fmt;
use std::rc::Rc;

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    /// It is not in the TOML.
    LeftOut,
    /// It is, and differs from what it was in the file.
    Changed,
}

/// A key that was left out, or changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The file that it stands in.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The key, with those that it is below: `services.web.build`.
    pub key: String,
    /// What became of it.
    pub kind: NoteKind,
    /// Why, and what to do instead.
    pub why: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let became = match self.kind {
            NoteKind::LeftOut => "left out",
            NoteKind::Changed => "changed",
        };
        let Self {
            file,
            line,
            key,
            why,
            ..
        } = self;
        write!(f, "{file}:{line}: {key}: {became}: {why}")
    }
}

/// Where a part of the TOML came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Rc<str>,
    pub(crate) line: usize,
    pub(crate) key: String,
}

impl Place {
    pub(crate) fn new(file: &Rc<str>, line: usize, key: impl Into<String>) -> Self {
        Self {
            file: Rc::clone(file),
            line,
            key: key.into(),
        }
    }

    /// The place of a key below this one.
    pub(crate) fn below(&self, line: usize, key: &str) -> Self {
        let key = if self.key.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.key)
        };
        Self::new(&self.file, line, key)
    }

    /// The same key, on another line: an element of its list.
    pub(crate) fn at(&self, line: usize) -> Self {
        Self::new(&self.file, line, self.key.clone())
    }

    pub(crate) fn note(&self, kind: NoteKind, why: impl Into<String>) -> Note {
        Note {
            file: self.file.to_string(),
            line: self.line,
            key: self.key.clone(),
            kind,
            why: why.into(),
        }
    }
}
