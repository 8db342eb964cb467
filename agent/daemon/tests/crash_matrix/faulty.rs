//! Real effects on real files, until the power fails at the k-th.

use orlopd::effects::{EffectError, Effects, Real, temp_path};
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;

/// How the k-th effect is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The power fails just before it.
    Before,
    /// Half of the content is under the temporary name; the new name is not there. Of several
    /// containers, the first is replaced.
    TornContent,
    /// The whole content is under the temporary name; the new name is not there.
    TornRename,
    /// The power fails just after it: it is on disk, and nothing later is.
    After,
    /// No power cut: this one effect fails (the disk is full, systemd refuses), and the agent goes
    /// on.
    Fails,
}

impl Cut {
    pub(crate) const ALL: [Cut; 5] = [
        Cut::Before,
        Cut::TornContent,
        Cut::TornRename,
        Cut::After,
        Cut::Fails,
    ];
}

#[derive(Debug, Default)]
struct Progress {
    done: usize,
    dead: bool,
    log: Vec<String>,
}

/// Effects that end at a given one. Once dead, nothing changes any more, as for a machine without
/// power; every call fails, so that the code under test unwinds.
#[derive(Debug)]
pub(crate) struct Faulty {
    at: Option<(usize, Cut)>,
    progress: Mutex<Progress>,
}

/// What an effect is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out.
    Whole,
    /// It is cut like this; whoever asked must report a failure.
    Cut(Cut),
    /// The machine has no power.
    Dead,
}

fn fault(path: &Path, kind: io::ErrorKind) -> EffectError {
    EffectError::Write {
        path: path.to_owned(),
        source: io::Error::from(kind),
    }
}

impl Faulty {
    /// Effects that never fail, and are counted.
    pub(crate) fn counting() -> Self {
        Self {
            at: None,
            progress: Mutex::default(),
        }
    }

    /// Effects that are cut at the `k`-th, from 0.
    pub(crate) fn cut(k: usize, cut: Cut) -> Self {
        Self {
            at: Some((k, cut)),
            progress: Mutex::default(),
        }
    }

    /// What was done, an effect a line.
    pub(crate) fn log(&self) -> Vec<String> {
        self.progress.lock().unwrap().log.clone()
    }

    /// Whether the power has failed.
    pub(crate) fn is_dead(&self) -> bool {
        self.progress.lock().unwrap().dead
    }

    /// Counts an effect and says what becomes of it.
    pub(crate) fn fate(&self, name: &str) -> Fate {
        let mut progress = self.progress.lock().unwrap();
        if progress.dead {
            return Fate::Dead;
        }
        let k = progress.done;
        progress.done += 1;
        progress.log.push(name.to_owned());
        match self.at {
            Some((at, cut)) if at == k => {
                progress.dead = cut != Cut::Fails;
                Fate::Cut(cut)
            }
            _ => Fate::Whole,
        }
    }

    fn effect(
        &self,
        name: &str,
        path: &Path,
        tear: impl FnOnce(Cut),
        act: impl FnOnce() -> Result<(), EffectError>,
    ) -> Result<(), EffectError> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        match self.fate(&format!("{name} {file}")) {
            Fate::Whole => act(),
            Fate::Dead => Err(fault(path, io::ErrorKind::BrokenPipe)),
            Fate::Cut(Cut::Fails) => Err(fault(path, io::ErrorKind::StorageFull)),
            Fate::Cut(Cut::After) => {
                act()?;
                Err(fault(path, io::ErrorKind::BrokenPipe))
            }
            Fate::Cut(cut @ (Cut::Before | Cut::TornContent | Cut::TornRename)) => {
                tear(cut);
                Err(fault(path, io::ErrorKind::BrokenPipe))
            }
        }
    }
}

impl Effects for Faulty {
    fn write(&self, path: &Path, content: &mut dyn Read) -> Result<(), EffectError> {
        let mut bytes = Vec::new();
        content
            .read_to_end(&mut bytes)
            .map_err(|source| EffectError::Write {
                path: path.to_owned(),
                source,
            })?;
        let tear = |cut| {
            let kept = match cut {
                Cut::TornContent => &bytes[..bytes.len() / 2],
                Cut::TornRename => &bytes[..],
                Cut::Before | Cut::After | Cut::Fails => return,
            };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(temp_path(path), kept).unwrap();
        };
        self.effect("write", path, tear, || Real.write(path, &mut &bytes[..]))
    }

    fn remove(&self, path: &Path) -> Result<(), EffectError> {
        self.effect("remove", path, |_| (), || Real.remove(path))
    }

    fn sweep(&self, dir: &Path) -> Result<(), EffectError> {
        self.effect("sweep", dir, |_| (), || Real.sweep(dir))
    }
}
