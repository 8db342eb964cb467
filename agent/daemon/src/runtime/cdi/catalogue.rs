//! Which specs there are on this machine, and which of them describes a device.

use super::error::CdiError;
use super::spec::Spec;
use orlop_config::CdiDevice;
use rustix::process::geteuid;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest spec, in bytes: those of a machine with eight GPUs have a tenth of it.
const MAX_SPEC: u64 = 1 << 20;
/// The most files of a folder.
const MAX_FILES: usize = 256;
/// Who else than their owner may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A spec, where it came from, and what goes before it: that of a later folder before that of an earlier one.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) spec: Spec,
    rank: usize,
}

/// Every spec that can be read, and why the others cannot.
#[derive(Debug)]
pub(super) struct Catalogue {
    dirs: Vec<PathBuf>,
    found: Vec<Found>,
    unread: Vec<String>,
}

impl Catalogue {
    /// Reads the specs in `dirs`, the later of which go before the earlier ones. Folders that are not there have none.
    pub(super) fn read(dirs: &[PathBuf]) -> Self {
        let mut all = Self {
            dirs: dirs.to_vec(),
            found: Vec::new(),
            unread: Vec::new(),
        };
        for (rank, dir) in dirs.iter().enumerate() {
            let files = match files(dir) {
                Ok(files) => files,
                Err(error) => {
                    all.unread
                        .push(format!("cannot list {}: {error}", dir.display()));
                    continue;
                }
            };
            for path in files {
                match read(&path) {
                    Ok(spec) => all.found.push(Found { path, spec, rank }),
                    Err(why) => {
                        let why = format!("cannot read {}: {why}", path.display());
                        log::warn!("ignoring a CDI spec: {why}");
                        all.unread.push(why);
                    }
                }
            }
        }
        all
    }

    /// The spec that describes `device`, and which of its devices it is.
    pub(super) fn find(&self, device: &CdiDevice) -> Result<(&Found, usize), CdiError> {
        let (kind, name) = device.parts();
        let mut all: Vec<(&Found, usize)> = Vec::new();
        for found in self.found.iter().filter(|found| found.spec.kind == kind) {
            let mut devices = found.spec.devices.iter();
            all.extend(
                devices
                    .position(|one| one.name == name)
                    .map(|at| (found, at)),
            );
        }
        // Stable: files of one folder stay in the order of their names.
        all.sort_by_key(|(found, _)| std::cmp::Reverse(found.rank));
        match all[..] {
            [] => Err(self.absent(device)),
            [(first, _), (second, _), ..] if first.rank == second.rank => Err(CdiError::Twice {
                device: device.clone(),
                first: first.path.clone(),
                second: second.path.clone(),
            }),
            [first, ..] => Ok(first),
        }
    }

    fn absent(&self, device: &CdiDevice) -> CdiError {
        let mut known: Vec<String> = Vec::new();
        for Found { spec, .. } in &self.found {
            let names = spec.devices.iter();
            known.extend(names.map(|one| format!("{}={}", spec.kind, one.name)));
        }
        known.sort();
        known.dedup();
        CdiError::Absent {
            device: device.clone(),
            known,
            dirs: self.dirs.clone(),
            unread: self.unread.clone(),
        }
    }
}

/// The specs of a folder, by name.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_spec = path
            .extension()
            .is_some_and(|end| end == "json" || end == "yaml");
        if is_spec {
            all.push(path);
        }
        if all.len() > MAX_FILES {
            return Err(io::Error::other(format!(
                "it has more than {MAX_FILES} specs"
            )));
        }
    }
    all.sort();
    Ok(all)
}

/// A spec can have any program run as root: only who the agent is may have written it.
fn read(path: &Path) -> Result<Spec, String> {
    let fail = |error: io::Error| error.to_string();
    // Not a pipe, of which the opening would never end.
    if !fs::metadata(path).map_err(fail)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.uid() != geteuid().as_raw() || metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err("others than root may write it".to_owned());
    }
    let mut text = String::new();
    let read = file.take(MAX_SPEC + 1).read_to_string(&mut text);
    if read.map_err(fail)? as u64 > MAX_SPEC {
        return Err("it is larger than 1 MiB".to_owned());
    }
    Spec::read(path, &text)
}
