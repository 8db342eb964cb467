//! Namespace machines on a plain Debian tree, for tests of the machines themselves.

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use orlop_machines::{
    Lan, Life, Machine, MachineKind, MachineSpec, NamespaceSpec, ProcessId, RootSource, Scratch,
    error_text,
};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// For one boot, on a host with all its processors busy.
pub(crate) const BOOT: Duration = Duration::from_secs(90);

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_orlop-machine"))
}

/// A Debian root file system: the packages of the OS image before anything is left out, as the
/// build keeps them. Unpacked once, for all tests.
pub(crate) fn tree() -> PathBuf {
    if let Some(tree) = std::env::var_os("ORLOP_TEST_TREE") {
        return tree.into();
    }
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/cache");
    let packed = newest_base(&cache).unwrap_or_else(|| {
        panic!(
            "no base system in {}; `make images` builds it",
            cache.display()
        )
    });
    let tree = packed.with_extension("tree");
    let lock = File::create(cache.join("tree.lock")).unwrap();
    // Goes with the file; another test waits here until the tree is whole.
    lock.lock().unwrap();
    if !tree.exists() {
        let half = packed.with_extension("half-unpacked");
        drop(fs::remove_dir_all(&half));
        fs::create_dir_all(&half).unwrap();
        let tar = ["--extract", "--file"].map(OsStr::new);
        let tar = [
            &tar[..],
            &[packed.as_os_str(), "--directory".as_ref(), half.as_os_str()],
        ];
        assert!(
            Command::new("tar")
                .args(tar.concat())
                .status()
                .unwrap()
                .success()
        );
        fs::rename(&half, &tree).unwrap();
    }
    tree
}

fn newest_base(cache: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(cache).ok()?.flatten();
    let bases = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("base-") && name.ends_with(".tar")
    });
    let newest = bases.max_by_key(|base| base.metadata().and_then(|data| data.modified()).ok())?;
    newest.path().canonicalize().ok()
}

pub(crate) fn spec(scratch: &Scratch, name: &str, lan: Option<&Lan>) -> MachineSpec {
    let lan = lan.map(|lan| lan.port().unwrap());
    let namespace = NamespaceSpec {
        root: RootSource::Tree(tree()),
        lan,
        publish: Vec::new(),
        reach: Vec::new(),
    };
    MachineSpec {
        name: name.to_owned(),
        dir: scratch.path().join(name),
        life: Life::Tethered,
        kind: MachineKind::Namespace(namespace),
    }
}

pub(crate) fn start(scratch: &Scratch, name: &str, lan: Option<&Lan>) -> Machine {
    let machine = Machine::start(program(), &spec(scratch, name, lan)).unwrap();
    wait_for_systemd(&machine);
    machine
}

pub(crate) fn wait_for_systemd(machine: &Machine) {
    let booted = machine.wait("systemd has booted", BOOT, || {
        let output = machine.exec(&["systemctl", "is-system-running"]);
        let output = output.map_err(|error| error_text(&error))?;
        match output.stdout.as_slice() {
            b"running\n" | b"degraded\n" => Ok(()),
            _ => Err(format!("{output:?}")),
        }
    });
    booted.unwrap_or_else(|error| panic!("{error}"));
}

pub(crate) fn run(machine: &Machine, command: &[&str]) -> String {
    let output = machine.exec(command).unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn kill(process: ProcessId) {
    nix::sys::signal::kill(Pid::from_raw(process.pid), Signal::SIGKILL).unwrap();
}
