//! The agent's records on disk, as they are found. Formats are orlop-core's; writing them is the
//! business of the steps of a plan (module `switch`).

mod rebuild;

use crate::paths::Paths;
use orlop_config::Digest;
use orlop_core::{
    Generation, GenerationId, NodeState, StateError, Verdict, boot::BootSequence,
    paths as core_paths,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

pub use rebuild::rebuild;

/// The largest record that is read. A generation with a hundred containers is about 40 KiB.
const MAX_RECORD_BYTES: u64 = 4 << 20;

/// The largest TOML that is read; the front doors take no larger one either.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Everything on record.
#[derive(Debug)]
pub struct Records {
    /// The node state; none on a machine that has none yet.
    pub state: Option<NodeState>,
    /// Generations whose file could be read.
    pub generations: BTreeMap<GenerationId, Generation>,
    /// Verdicts whose file could be read, oldest first.
    pub verdicts: Vec<Verdict>,
    /// What could not be read, a sentence each, for `status`.
    pub problems: Vec<String>,
}

/// A record that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file or directory cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Larger than any that an agent writes.
    #[error("cannot use {}: it is larger than {limit} bytes", .path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// What is read at the most.
        limit: u64,
    },
    /// The node state is damaged, or of a newer agent.
    #[error(transparent)]
    State(#[from] StateError),
    /// A TOML is not the one that its name says.
    #[error("cannot use {}: its digest is {found}; it is damaged", .path.display())]
    WrongDigest {
        /// Which.
        path: PathBuf,
        /// The digest that its bytes have.
        found: Digest,
    },
    /// A TOML is not text.
    #[error("cannot use {}: it is not UTF-8 text", .path.display())]
    NotText {
        /// Which.
        path: PathBuf,
    },
}

impl RecordError {
    /// Whether the file is the work of a newer agent, and so neither damaged nor to be replaced.
    pub fn is_newer(&self) -> bool {
        matches!(
            self,
            Self::State(StateError::Format { .. } | StateError::Features { .. })
        )
    }
}

/// A file of at most `limit` bytes; none where there is no such file.
///
/// # Errors
/// [`RecordError::Read`] and [`RecordError::TooLarge`].
pub fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, RecordError> {
    let fail = |source| RecordError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(fail(source)),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(RecordError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(Some(bytes))
}

/// The files of a directory that end in `.json`, with their bytes. What cannot be read becomes a
/// problem; a missing directory is empty.
fn json_files(dir: &Path, problems: &mut Vec<String>) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(format!("cannot read {}: {error}", dir.display()));
            return Vec::new();
        }
    };
    let mut files = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match read_limited(&path, MAX_RECORD_BYTES) {
            Ok(Some(bytes)) => files.push((path, bytes)),
            Ok(None) => {}
            Err(error) => problems.push(crate::chain::chain(&error)),
        }
    }
    files.sort();
    files
}

/// The node state alone; none on a machine that has none yet.
///
/// # Errors
/// [`RecordError`]: not readable, damaged, or of a newer agent.
pub fn state(paths: &Paths) -> Result<Option<NodeState>, RecordError> {
    match read_limited(&paths.place(core_paths::STATE), MAX_RECORD_BYTES)? {
        Some(bytes) => Ok(Some(NodeState::decode(&bytes)?)),
        None => Ok(None),
    }
}

/// Every generation that can be read.
pub fn generations(
    paths: &Paths,
    problems: &mut Vec<String>,
) -> BTreeMap<GenerationId, Generation> {
    let mut generations = BTreeMap::new();
    for (path, bytes) in json_files(&paths.place(core_paths::GENERATIONS), problems) {
        match Generation::decode(&bytes) {
            Ok(generation) => {
                generations.insert(generation.id, generation);
            }
            Err(error) => problems.push(format!(
                "cannot use {}: {}",
                path.display(),
                crate::chain::chain(&error)
            )),
        }
    }
    generations
}

/// Every verdict that can be read, oldest first.
pub fn verdicts(paths: &Paths, problems: &mut Vec<String>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (path, bytes) in json_files(&paths.place(core_paths::VERDICTS), problems) {
        match Verdict::decode(&bytes) {
            Ok(verdict) => verdicts.push(verdict),
            Err(error) => problems.push(format!(
                "cannot use {}: {}",
                path.display(),
                crate::chain::chain(&error)
            )),
        }
    }
    verdicts.sort_by_key(|verdict| verdict.number);
    verdicts
}

/// The TOML with this digest; none where it is not on record.
///
/// # Errors
/// [`RecordError`]: not readable, or not what its name says.
pub fn config(paths: &Paths, digest: &Digest) -> Result<Option<String>, RecordError> {
    let path = paths.place(&core_paths::config(digest));
    let Some(bytes) = read_limited(&path, MAX_CONFIG_BYTES)? else {
        return Ok(None);
    };
    let found = Digest::of(&bytes);
    if found != *digest {
        return Err(RecordError::WrongDigest { path, found });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(RecordError::NotText { path }),
    }
}

/// The digest of every TOML on record, by their names. A missing directory is empty.
pub fn config_files(paths: &Paths) -> BTreeSet<Digest> {
    let Ok(entries) = fs::read_dir(paths.place(core_paths::CONFIGS)) else {
        return BTreeSet::new();
    };
    let digest = |entry: io::Result<fs::DirEntry>| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        format!("sha256:{}", name.strip_suffix(".toml")?)
            .parse()
            .ok()
    };
    entries.filter_map(digest).collect()
}

/// A TOML that the operator left for the first boot; none where there is no such file.
///
/// # Errors
/// [`RecordError`]: not readable, too large, or not text.
pub fn operator_toml(path: &Path) -> Result<Option<String>, RecordError> {
    match read_limited(path, MAX_CONFIG_BYTES)?.map(String::from_utf8) {
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => Err(RecordError::NotText {
            path: path.to_owned(),
        }),
        None => Ok(None),
    }
}

impl Records {
    /// Of a machine that has none.
    pub fn empty() -> Self {
        Self {
            state: None,
            generations: BTreeMap::new(),
            verdicts: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Reads everything. A damaged node state is rebuilt from the other records and told as a
    /// problem; nothing is written.
    ///
    /// # Errors
    /// [`RecordError`] for a node state that a newer agent wrote or that cannot be read: to go on
    /// without it could undo what it says.
    pub fn load(paths: &Paths, next_boot: BootSequence) -> Result<Self, RecordError> {
        let mut problems = Vec::new();
        let generations = generations(paths, &mut problems);
        let verdicts = verdicts(paths, &mut problems);
        let state = match state(paths) {
            Ok(state) => state,
            Err(error @ RecordError::Read { .. }) => return Err(error),
            Err(error) if error.is_newer() => return Err(error),
            Err(error) => {
                problems.push(format!(
                    "{}; it has been rebuilt from the generations and verdicts on record",
                    crate::chain::chain(&error)
                ));
                Some(rebuild(&generations, &verdicts, next_boot))
            }
        };
        Ok(Self {
            state,
            generations,
            verdicts,
            problems,
        })
    }
}
