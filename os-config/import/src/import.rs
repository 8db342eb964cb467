//! From files to a TOML.

use crate::builder::Builder;
use crate::error::ImportError;
use crate::files::Files;
use crate::name::sanitised;
use crate::note::Note;
use crate::{compose, quadlet, verify};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A file to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, with the path under which notes are to show it. Its ending says what it is.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What the file does not say itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The project's name: where the file does not give it one. Host paths are named after it.
    pub project: String,
    /// Variables for `${NAME}` in a Compose file. The process's own are not looked at.
    pub variables: BTreeMap<String, String>,
    /// The profiles of Compose whose services are enabled.
    pub profiles: BTreeSet<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// A TOML that [`orlop_config::parse`] takes.
    pub toml: String,
    /// What was left out, and what was changed, by file and line.
    pub notes: Vec<Note>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Compose,
    Quadlet,
}

/// Makes a TOML of one Compose file, or of Quadlet units.
///
/// # Errors
/// The file cannot be read at all, or what comes of it is nothing that a node takes.
pub fn import(
    sources: &[Source],
    settings: &Settings,
    files: &dyn Files,
) -> Result<Imported, ImportError> {
    let formats = sources
        .iter()
        .map(format_of)
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = Builder::new(files, &sanitised(&settings.project));
    if let Some(at) = formats.iter().position(|one| *one == Format::Compose) {
        let source = &sources[at];
        if let Some(other) = sources.iter().enumerate().find(|(index, _)| *index != at) {
            return Err(ImportError::ComposeBeside {
                file: source.name.clone(),
                other: other.1.name.clone(),
            });
        }
        compose::read(&mut builder, source, settings)?;
    } else {
        quadlet::read(&mut builder, sources)?;
    }
    let toml = verify::verified(&mut builder)?;
    let order: Vec<Rc<str>> = sources.iter().map(|one| one.name.as_str().into()).collect();
    let mut notes = builder.notes;
    notes.sort_by_key(|note| {
        let file = order.iter().position(|name| **name == *note.file);
        (file, note.line)
    });
    notes.dedup();
    Ok(Imported { toml, notes })
}

fn format_of(source: &Source) -> Result<Format, ImportError> {
    let ending = source.name.rsplit_once('.').map(|(_, ending)| ending);
    match ending {
        Some("yaml" | "yml") => Ok(Format::Compose),
        Some("container" | "network" | "volume") => Ok(Format::Quadlet),
        _ => Err(ImportError::UnknownKind {
            file: source.name.clone(),
        }),
    }
}
