//! What the machine's last run left behind, as it is found: last words of kernels (pstore), the mark
//! of the hardware watchdog, the note of an agent that could not stay up.

use crate::chain::chain;
use crate::effects::{EffectError, Effects};
use crate::paths::Paths;
use crate::records::read_limited;
use orlop_core::boot::{AgentFailure, PstoreFile, Remains, crash_logs};
use orlop_core::paths as core_paths;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Where the kernel shows what its pstore has.
const PSTORE: &str = "/sys/fs/pstore";
/// Where pstore keeps it: `efi_pstore`, `ramoops`; `(null)` where it has no place.
const PSTORE_BACKEND: &str = "/sys/module/pstore/parameters/backend";
/// The watchdogs (the kernel's Documentation/ABI/testing/sysfs-class-watchdog).
const WATCHDOGS: &str = "/sys/class/watchdog";
/// systemd makes it in a container, whose `/sys` tells of another machine.
const IN_CONTAINER: &str = "/run/systemd/container";
/// `WDIOF_CARDRESET` of linux/watchdog.h: the watchdog has reset the machine.
const CARD_RESET: u32 = 0x0020;
/// Files of pstore that are read at the most. A dump in EFI variables is some ten.
const MAX_FILES: usize = 128;
/// The largest file of pstore that is read, and the largest note.
const MAX_BYTES: u64 = 256 << 10;

/// Looks for what the last run left behind. What cannot be read is logged and counts as not there:
/// the boot counter is what decides then.
pub fn gather(paths: &Paths) -> Remains {
    let agent = note(paths);
    if paths.place(IN_CONTAINER).exists() {
        return Remains {
            agent,
            ..Remains::default()
        };
    }
    let files = or_log(pstore_files(&paths.place(PSTORE)));
    let watchdogs = or_log(watchdogs(&paths.place(WATCHDOGS)));
    let backend = word(&paths.place(PSTORE_BACKEND));
    let keeps_words = !backend.is_empty() && backend != "(null)";
    Remains {
        crashes: crash_logs(&files),
        watchdog: watchdogs.iter().any(|watchdog| watchdog.has_reset),
        agent,
        telling: keeps_words && watchdogs.iter().any(|watchdog| watchdog.active),
    }
}

/// Removes what has been taken into account: what `seen` names.
///
/// # Errors
/// [`EffectError`]. What is not removed is not taken into account again all the same.
pub fn forget(
    paths: &Paths,
    effects: &dyn Effects,
    remains: &Remains,
    seen: &[String],
) -> Result<(), EffectError> {
    let left = remains.unseen(seen);
    if remains.agent.is_some() && left.agent.is_none() {
        effects.remove(&paths.place(core_paths::AGENT_FAILURE))?;
    }
    let dir = paths.place(PSTORE);
    let done = |id: &String| left.crashes.iter().all(|crash| crash.id != *id);
    for crash in remains.crashes.iter().filter(|crash| done(&crash.id)) {
        for file in &crash.files {
            remove(&dir.join(file))?;
        }
    }
    Ok(())
}

/// Not an effect on a disk: the kernel removes its own record.
fn remove(path: &Path) -> Result<(), EffectError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(EffectError::Remove {
            path: path.to_owned(),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn note(paths: &Paths) -> Option<AgentFailure> {
    let path = paths.place(core_paths::AGENT_FAILURE);
    match read_limited(&path, MAX_BYTES) {
        Ok(None) => None,
        Ok(Some(bytes)) => match AgentFailure::decode(&bytes) {
            Ok(note) => Some(note),
            Err(error) => {
                log::warn!("ignoring {}: {}", path.display(), chain(&error));
                None
            }
        },
        Err(error) => {
            log::warn!("ignoring: {}", chain(&error));
            None
        }
    }
}

/// A directory that is not there is empty.
fn or_log<T>(listed: Result<Vec<T>, (PathBuf, io::Error)>) -> Vec<T> {
    match listed {
        Ok(list) => list,
        Err((_, error)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err((path, error)) => {
            log::warn!("ignoring: cannot read {}: {error}", path.display());
            Vec::new()
        }
    }
}

fn pstore_files(dir: &Path) -> Result<Vec<PstoreFile>, (PathBuf, io::Error)> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail(dir))?.take(MAX_FILES) {
        let path = entry.map_err(fail(dir))?.path();
        let written = path.metadata().and_then(|meta| meta.modified());
        let at = written
            .map_err(fail(&path))?
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        match read_limited(&path, MAX_BYTES) {
            Ok(bytes) => files.push(PstoreFile {
                name: path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                at,
                text: String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned(),
            }),
            Err(error) => log::warn!("ignoring: {}", chain(&error)),
        }
    }
    Ok(files)
}

/// A watchdog of the machine.
struct Watchdog {
    has_reset: bool,
    active: bool,
}

fn watchdogs(dir: &Path) -> Result<Vec<Watchdog>, (PathBuf, io::Error)> {
    let entries = fs::read_dir(dir).map_err(|error| (dir.to_owned(), error))?;
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .map(|path| {
            let status: u32 = word(&path.join("bootstatus")).parse().unwrap_or_default();
            Watchdog {
                has_reset: status & CARD_RESET != 0,
                active: word(&path.join("state")) == "active",
            }
        })
        .collect())
}

/// A small file's only word; empty where it cannot be read.
fn word(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Real;
    use orlop_core::{BootId, GenerationId, Timestamp, Trigger};

    struct Machine {
        _dir: tempfile::TempDir,
        paths: Paths,
    }

    impl Machine {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let paths = Paths::under(dir.path());
            Self { _dir: dir, paths }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.paths.place(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn gather(&self) -> Remains {
            gather(&self.paths)
        }
    }

    #[test]
    fn a_machine_without_pstore_and_watchdog_tells_nothing() {
        assert_eq!(Machine::new().gather(), Remains::default());
    }

    #[test]
    fn a_watchdog_that_is_at_work_and_a_place_for_last_words_make_a_machine_that_tells() {
        let machine = Machine::new();
        machine.write("/sys/class/watchdog/watchdog0/bootstatus", "0\n");
        machine.write("/sys/class/watchdog/watchdog0/state", "active\n");
        machine.write(PSTORE_BACKEND, "(null)\n");
        assert!(!machine.gather().telling);
        machine.write(PSTORE_BACKEND, "efi_pstore\n");
        assert!(machine.gather().tell_of_no_failure());
        machine.write("/sys/class/watchdog/watchdog0/bootstatus", "32\n");
        assert!(machine.gather().watchdog);
        machine.write("/sys/class/watchdog/watchdog0/state", "inactive\n");
        assert!(!machine.gather().telling);
        // A container sees the files of the machine that it is on.
        machine.write(IN_CONTAINER, "orlop\n");
        assert_eq!(machine.gather(), Remains::default());
    }

    #[test]
    fn last_words_are_found_until_they_have_been_taken_into_account() {
        let machine = Machine::new();
        let file = |part: u32| format!("{PSTORE}/dmesg-efi_pstore-1700000000{part:02}001");
        machine.write(&file(2), "Panic#1 Part2\n<6>[ 1.0] before\n");
        machine.write(
            &file(1),
            "Panic#1 Part1\n<0>[ 2.0] Kernel panic - not syncing: late\n",
        );
        machine.write(&format!("{PSTORE}/console-ramoops-0"), "all is well\n");
        let remains = machine.gather();
        let (trigger, log) = remains.end_of_run().unwrap();
        let text = "late".to_owned();
        assert_eq!(trigger, Trigger::Panic { text });
        assert_eq!(log, ["before", "Kernel panic - not syncing: late"]);

        forget(&machine.paths, &Real, &remains, &[]).unwrap();
        assert_eq!(machine.gather(), remains);
        for _ in 0..2 {
            forget(&machine.paths, &Real, &remains, &remains.ids()).unwrap();
            assert_eq!(machine.gather().crashes, []);
        }
        assert!(
            machine
                .paths
                .place(PSTORE)
                .join("console-ramoops-0")
                .exists()
        );
    }

    #[test]
    fn a_note_is_found_until_it_has_been_taken_into_account_and_a_damaged_one_is_none() {
        let machine = Machine::new();
        let (boot, generation) = (BootId("b".to_owned()), Some(GenerationId(2)));
        let note = AgentFailure::new(None, boot, generation, "again".to_owned(), Timestamp(1));
        let text = String::from_utf8(note.encode()).unwrap();
        machine.write(core_paths::AGENT_FAILURE, &text);
        let remains = machine.gather();
        assert_eq!(remains.agent, Some(note));
        forget(&machine.paths, &Real, &remains, &remains.ids()).unwrap();
        assert_eq!(machine.gather().agent, None);
        machine.write(core_paths::AGENT_FAILURE, &text[..9]);
        assert_eq!(machine.gather().agent, None);
    }
}
