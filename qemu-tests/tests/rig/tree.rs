//! Namespace machines on a plain Debian tree, for tests of the machines themselves.

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use orlop_machines::{
    Lan, Life, Machine, MachineKind, MachineSpec, NamespaceSpec, ProcessId, RootSource, Scratch,
    error_text,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For one boot, on a host with all its processors busy.
pub(crate) const BOOT: Duration = Duration::from_secs(90);

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_orlop-machine"))
}

pub(crate) fn tree() -> PathBuf {
    std::env::var_os("ORLOP_TEST_TREE")
        .expect("ORLOP_TEST_TREE must name a folder with a Debian root file system")
        .into()
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
