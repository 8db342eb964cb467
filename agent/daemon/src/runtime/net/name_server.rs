//! The name server of the containers' networks: aardvark-dns in a unit of its own, which goes on when
//! the agent ends and over a live swap, and which systemd starts again when it dies.

use super::super::command::find;
use super::super::error::StepError;
use super::super::observe::read_text;
use super::super::places::{Places, SLICE};
use super::super::systemd::{Job, Systemd};
use super::super::unit::SURVIVE;
use orlop_initrd::atomic_write::atomic_write;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const AARDVARK: [&str; 3] = [
    "/usr/lib/podman/aardvark-dns",
    "/usr/libexec/podman/aardvark-dns",
    "/usr/bin/aardvark-dns",
];
/// The unit.
pub(super) const UNIT: &str = "orlop-names.service";
/// The server writes its process id there; it is no network.
const PID_FILE: &str = "aardvark.pid";
const UNIT_MODE: u32 = 0o644;
const PORT: u16 = 53;

/// What was done about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tended {
    /// Nothing: it runs and knows all.
    Well,
    /// It was told of other names.
    Told,
    /// It was not there.
    Started,
    /// It was of another OS image or made by another agent.
    Replaced,
    /// Nobody needs it any more.
    Stopped,
}

fn unit(places: &Places, program: &Path) -> String {
    let dir = places.names();
    format!(
        "# Written by orlopd.\n\
         [Unit]\n\
         Description=Names of Orlop containers\n\
         {SURVIVE}\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Slice={SLICE}\n\
         Type=forking\n\
         PIDFile={dir}/{PID_FILE}\n\
         ExecStart={program} --config={dir} --port={PORT} run\n\
         Restart=always\n\
         RestartSec=100ms\n\
         OOMScoreAdjust=-500\n\
         CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n\
         NoNewPrivileges=yes\n\
         SyslogIdentifier=orlop-names\n",
        dir = dir.display(),
        program = program.display(),
    )
}

/// Makes the server know `files`, and run if there are any. Idempotent.
pub(super) async fn tend(
    places: &Places,
    systemd: &Systemd,
    files: &BTreeMap<String, String>,
) -> Result<Tended, StepError> {
    if files.is_empty() {
        return stop(places, systemd).await;
    }
    let told = write_files(places, files)?;
    let program = find("aardvark-dns", &AARDVARK)?;
    let other_unit = write_unit(places, &program)?;
    if other_unit {
        systemd.learn(&[UNIT.to_owned()]).await?;
    }
    match running(places, &program)? {
        Some((pid, true)) if !other_unit => {
            if told {
                // It may have ended since; then it is started again and reads them.
                let _ = kill_process(pid, Signal::HUP);
                return Ok(Tended::Told);
            }
            Ok(Tended::Well)
        }
        Some(_) => {
            systemd.run_job(UNIT, Job::Restart).await?;
            Ok(Tended::Replaced)
        }
        None => {
            systemd.run_job(UNIT, Job::Start).await?;
            Ok(Tended::Started)
        }
    }
}

async fn stop(places: &Places, systemd: &Systemd) -> Result<Tended, StepError> {
    let unit = places.units.join(UNIT);
    if !unit.exists() {
        return Ok(Tended::Well);
    }
    // Before its files: without any it would end by itself, and be started again.
    systemd.run_job(UNIT, Job::Stop).await?;
    remove_others(&places.names(), &BTreeMap::new())?;
    std::fs::remove_file(&unit).map_err(StepError::file("remove", &unit))?;
    systemd.reload().await?;
    Ok(Tended::Stopped)
}

/// The server's process, and whether it executes `program` as this agent sees it: not one of the OS
/// image before a live swap, which would keep that image's root busy.
fn running(places: &Places, program: &Path) -> Result<Option<(Pid, bool)>, StepError> {
    let text = read_text(&places.names().join(PID_FILE))?;
    let pid = text.and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
    let Some(pid) = pid else {
        return Ok(None);
    };
    let Ok(executed) = std::fs::metadata(format!("/proc/{}/exe", pid.as_raw_nonzero())) else {
        return Ok(None);
    };
    let program_meta = std::fs::metadata(program).map_err(StepError::file("look for", program))?;
    let same = (executed.dev(), executed.ino()) == (program_meta.dev(), program_meta.ino());
    Ok(Some((pid, same)))
}

/// Whether the unit's text became another.
fn write_unit(places: &Places, program: &Path) -> Result<bool, StepError> {
    let (path, text) = (places.units.join(UNIT), unit(places, program));
    if read_text(&path)?.is_some_and(|found| found == text) {
        return Ok(false);
    }
    for (path, text) in [
        (&path, &text),
        (&places.slice_file(), &super::super::unit::slice_unit()),
    ] {
        atomic_write(path, text.as_bytes(), UNIT_MODE).map_err(StepError::file("write", path))?;
    }
    Ok(true)
}

/// Whether any file became another.
fn write_files(places: &Places, files: &BTreeMap<String, String>) -> Result<bool, StepError> {
    let dir = places.names();
    std::fs::create_dir_all(&dir).map_err(StepError::file("create", &dir))?;
    let mut changed = remove_others(&dir, files)?;
    for (name, text) in files {
        let path = dir.join(name);
        if read_text(&path)?.is_some_and(|found| found == *text) {
            continue;
        }
        // Not made in that directory: the server reads every file there is. It is a tmpfs.
        let new = places.netavark_state().join("names.new");
        std::fs::write(&new, text).map_err(StepError::file("write", &new))?;
        std::fs::rename(&new, &path).map_err(StepError::file("write", &path))?;
        changed = true;
    }
    Ok(changed)
}

/// Removes every file but `files`; true where there was one.
fn remove_others(dir: &Path, files: &BTreeMap<String, String>) -> Result<bool, StepError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        entries => entries.map_err(StepError::file("list", dir))?,
    };
    let mut removed = false;
    for entry in entries {
        let entry = entry.map_err(StepError::file("list", dir))?;
        let name = entry.file_name();
        let kept = name == PID_FILE || name.to_str().is_some_and(|name| files.contains_key(name));
        if !kept {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(StepError::file("remove", &path))?;
            removed = true;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_as_recorded() {
        let program = Path::new("/usr/lib/podman/aardvark-dns");
        insta::assert_snapshot!(unit(&Places::node(), program));
    }

    #[test]
    fn files_are_written_once_and_removed_when_their_network_goes() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let files = |names: &[&str]| -> BTreeMap<String, String> {
            let entry = |name: &&str| ((*name).to_owned(), format!("{name}\n"));
            names.iter().map(entry).collect()
        };
        assert!(write_files(&places, &files(&["a", "b"])).unwrap());
        assert!(!write_files(&places, &files(&["a", "b"])).unwrap());
        std::fs::write(places.names().join(PID_FILE), "1").unwrap();
        assert!(write_files(&places, &files(&["b"])).unwrap());
        let mut left: Vec<_> = std::fs::read_dir(places.names())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, [PID_FILE, "b"]);
    }
}
