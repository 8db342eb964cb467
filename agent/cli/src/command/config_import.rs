//! `orlop config import`: a Compose file or Quadlet units as a TOML, without a node.

use super::{Ending, Outcome};
use crate::screen::{Screen, plain};
use orlop_api::{Fault, FaultKind};
use orlop_import::limits::MAX_FILE_BYTES;
use orlop_import::{Files, Found, ImportError, NoteKind, Settings, Source, parse_env_file};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A Compose file, or Quadlet units (.container, with .network and .volume).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Set a variable of the Compose file. They come from here and from .env beside it alone.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Enable the services of this profile.
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// End with exit code 10 where something was left out.
    #[arg(long)]
    strict: bool,
}

/// Where Compose looks for variables.
const ENV_FILE: &str = ".env";

pub(crate) fn run(options: &Options, screen: &Screen) -> Outcome {
    let sources = options
        .files
        .iter()
        .map(|path| source(path))
        .collect::<Result<Vec<_>, _>>()?;
    let settings = settings(options)?;
    let imported =
        orlop_import::import(&sources, &settings, &Beside).map_err(|error| fault(&error))?;
    for note in &imported.notes {
        screen.talk(&plain(&note.to_string()));
    }
    screen.data(&imported.toml)?;
    let left_out = imported
        .notes
        .iter()
        .any(|note| note.kind == NoteKind::LeftOut);
    Ok(match options.strict && left_out {
        true => Ending::LeftOut,
        false => Ending::Done,
    })
}

fn fault(error: &ImportError) -> Fault {
    let kind = match error {
        ImportError::UnknownKind { .. } | ImportError::ComposeBeside { .. } => FaultKind::Usage,
        _ => FaultKind::Config,
    };
    let fault = Fault::new(kind, error.to_string());
    match error {
        ImportError::Variable { variable, .. } if !variable.is_empty() => {
            fault.hint(format!("set it by `--env {variable}=VALUE`, or in .env"))
        }
        _ => fault,
    }
}

fn source(path: &Path) -> Result<Source, Fault> {
    let fail = |why: String| {
        let message = format!("cannot read {}: {why}", path.display());
        Fault::new(FaultKind::Usage, message)
    };
    let text = match read(path).map_err(|error| fail(error.to_string()))? {
        Some(text) => text,
        None => {
            return Err(fail(format!(
                "it is no text of at most {MAX_FILE_BYTES} bytes"
            )));
        }
    };
    Ok(Source {
        name: path.display().to_string(),
        text,
    })
}

/// The text of a file; none where it is none, or too long.
fn read(path: &Path) -> io::Result<Option<String>> {
    // Before it is opened, which waits where it is a pipe.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

fn settings(options: &Options) -> Result<Settings, Fault> {
    let first = options.files.first();
    let folder = first
        .and_then(|file| file.parent())
        .unwrap_or(Path::new(""));
    let folder = match folder == Path::new("") {
        true => Path::new("."),
        false => folder,
    };
    let whole = folder.canonicalize().ok();
    let project = whole.as_deref().and_then(Path::file_name);
    let mut variables = BTreeMap::new();
    for option in &options.env {
        let (name, value) = option.split_once('=').ok_or_else(|| {
            let message = format!("cannot read --env {option}: write NAME=VALUE");
            Fault::new(FaultKind::Usage, message)
        })?;
        variables.insert(name.to_owned(), value.to_owned());
    }
    if let Ok(Some(text)) = read(&folder.join(ENV_FILE)) {
        let (pairs, _) = parse_env_file(&text, &variables);
        let mut all: BTreeMap<String, String> = pairs.into_iter().collect();
        // What is given by hand wins.
        all.append(&mut variables);
        variables = all;
    }
    Ok(Settings {
        project: project.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        variables,
        profiles: options.profiles.iter().cloned().collect(),
    })
}

/// The files beside the imported ones, and below their folders.
struct Beside;

impl Files for Beside {
    fn find(&self, file: &str, path: &str) -> Found {
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let folder = match folder == Path::new("") {
            true => Path::new("."),
            false => folder,
        };
        let Ok(folder) = folder.canonicalize() else {
            return Found::Missing;
        };
        let joined = folder.join(path);
        // Also where a link leads.
        let Ok(whole) = joined.canonicalize() else {
            return Found::Missing;
        };
        if !whole.starts_with(&folder) {
            return Found::Outside;
        }
        if whole.is_dir() {
            return Found::Directory;
        }
        match read(&whole) {
            Ok(Some(text)) => Found::Text(text),
            Ok(None) => Found::NotText,
            Err(_) => Found::Missing,
        }
    }
}
