//! The namespace machine itself, booted on a plain Debian tree.

#[cfg(test)]
mod rig;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use orlop_machines::{
    BootEnd, Lan, Machine, MachineKind, MachineStatus, Power, ProcessId, RootSource, SPEC_FILE,
    Scratch, error_text, wait_until,
};
use rig::tree::{BOOT, kill, program, run, spec, start, wait_for_systemd};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::Command;

#[test]
fn systemd_boots_as_pid_1_with_its_own_namespaces_and_network() {
    let scratch = Scratch::new().unwrap();
    let lan = Lan::new().unwrap();
    let machine = start(&scratch, "alone", Some(&lan));
    assert_eq!(run(&machine, &["cat", "/proc/1/comm"]), "systemd");
    assert_eq!(run(&machine, &["systemd-detect-virt"]), "container-other");
    assert!(run(&machine, &["cat", "/proc/net/fib_trie"]).contains("10.0.2.15"));
}

#[test]
fn a_reboot_boots_again_and_keeps_what_was_written() {
    let scratch = Scratch::new().unwrap();
    let machine = start(&scratch, "again", None);
    run(&machine, &["touch", "/var/lib/kept"]);
    run(&machine, &["touch", "/run/lost"]);
    // The reboot may cut the connection before the answer.
    drop(machine.exec(&["systemctl", "reboot"]));
    let second = |status: &MachineStatus| status.boots == 2 && status.init.is_some();
    let status = machine
        .wait_for_status("a second boot", BOOT, second)
        .unwrap();
    assert_eq!(status.last_end, Some(BootEnd::Reboot));
    wait_for_systemd(&machine);
    run(&machine, &["test", "-e", "/var/lib/kept"]);
    run(&machine, &["test", "!", "-e", "/run/lost"]);
}

#[test]
fn power_off_ends_the_boot_and_power_on_begins_another() {
    let scratch = Scratch::new().unwrap();
    let machine = start(&scratch, "button", None);
    let status = machine
        .power_off(BOOT)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.last_end, Some(BootEnd::PowerOff));
    assert_eq!(machine.power_on().unwrap().boots, 2);
    wait_for_systemd(&machine);
}

#[test]
fn a_power_cut_leaves_no_process_of_the_machine() {
    let scratch = Scratch::new().unwrap();
    let machine = start(&scratch, "cut", None);
    run(
        &machine,
        &["systemd-run", "--unit=busy", "sleep", "infinity"],
    );
    let status = machine.cut_power().unwrap();
    assert_eq!(
        (status.power, status.last_end),
        (Power::Off, Some(BootEnd::Killed))
    );
    let events = status.cgroup.unwrap().join("cgroup.events");
    assert!(fs::read_to_string(events).unwrap().contains("populated 0"));
    machine.power_on().unwrap();
    wait_for_systemd(&machine);
}

#[test]
fn a_soft_reboot_starts_userspace_again_in_the_same_boot() {
    let scratch = Scratch::new().unwrap();
    let machine = start(&scratch, "soft", None);
    let init = machine.status().unwrap().init;
    drop(machine.exec(&["systemctl", "soft-reboot"]));
    machine
        .wait("a manager that has seen one soft reboot", BOOT, || {
            let show = [
                "systemctl",
                "show",
                "--value",
                "--property=SoftRebootsCount",
            ];
            let output = machine.exec(&show).map_err(|error| error_text(&error))?;
            if output.stdout == b"1\n" {
                Ok(())
            } else {
                Err(format!("{output:?}"))
            }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    wait_for_systemd(&machine);
    let status = machine.status().unwrap();
    assert_eq!((status.init, status.boots), (init, 1));
}

#[test]
fn machines_of_one_network_reach_each_other_and_the_test_reaches_them() {
    let scratch = Scratch::new().unwrap();
    let lan = Lan::new().unwrap();
    let (one, two) = (
        start(&scratch, "one", Some(&lan)),
        start(&scratch, "two", Some(&lan)),
    );
    let listen = "--socket-property=ListenStream=22000";
    run(
        &one,
        &[
            "systemd-run",
            "--unit=listener",
            listen,
            "sleep",
            "infinity",
        ],
    );
    let open = |port: u16| {
        let connect = format!("exec 3<>/dev/tcp/10.0.2.15/{port}");
        two.exec(&["bash", "-c", &connect])
            .unwrap()
            .status
            .success()
    };
    assert!(open(22000));
    assert!(!open(22001));
    lan.connect((Ipv4Addr::new(10, 0, 2, 15), 22000).into())
        .unwrap();
    let nobody = lan
        .connect((Ipv4Addr::new(10, 0, 2, 16), 22000).into())
        .unwrap_err();
    assert_eq!(nobody.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn the_host_s_sysctls_are_out_of_reach_but_the_network_s_are_not() {
    let scratch = Scratch::new().unwrap();
    let machine = start(&scratch, "sysctl", None);
    let write = |path: &str| {
        let command = format!("echo 1 > {path}");
        machine
            .exec(&["sh", "-c", &command])
            .unwrap()
            .status
            .success()
    };
    assert!(write("/proc/sys/net/ipv4/ip_forward"));
    assert!(!write("/proc/sys/kernel/panic_on_oops"));
    assert!(!write("/sys/kernel/mm/ksm/run"));
}

#[test]
fn a_killed_supervisor_takes_its_machine_along_and_a_sweep_removes_the_rest() {
    let scratch = Scratch::new().unwrap();
    let machine = start(&scratch, "orphan", None);
    let status = machine.status().unwrap();
    let (init, cgroup) = (
        ProcessId::of(status.init.unwrap()).unwrap(),
        status.cgroup.unwrap(),
    );
    kill(status.supervisor);
    wait_until("init gone", BOOT, || !init.alive()).unwrap();
    assert!(cgroup.exists());
    assert!(orlop_machines::sweep().unwrap().contains(&cgroup));
    assert!(!cgroup.exists());
}

#[test]
fn a_killed_owner_takes_machine_cgroup_and_folder_along() {
    let scratch = Scratch::new().unwrap();
    let spec = spec(&scratch, "owned", None);
    fs::create_dir_all(&spec.dir).unwrap();
    fs::write(spec.dir.join(SPEC_FILE), serde_json::to_vec(&spec).unwrap()).unwrap();
    // A shell plays the test process: it holds the pipe, and is killed.
    let mut owner = Command::new("sh")
        .arg("-c")
        .arg("sleep infinity | \"$0\" supervise \"$1\"")
        .args([program(), &spec.dir])
        .process_group(0)
        .spawn()
        .unwrap();
    let machine = Machine::attach(program(), "owned", &spec.dir);
    wait_for_systemd(&machine);
    let status = machine.status().unwrap();
    let init = ProcessId::of(status.init.unwrap()).unwrap();
    nix::sys::signal::killpg(Pid::from_raw(owner.id().cast_signed()), Signal::SIGKILL).unwrap();
    owner.wait().unwrap();
    wait_until("everything gone", BOOT, || {
        let cgroup = status.cgroup.as_ref().unwrap().exists();
        !status.supervisor.alive() && !init.alive() && !cgroup && !spec.dir.exists()
    })
    .unwrap();
}

#[test]
fn a_root_without_systemd_breaks_the_machine_with_the_reason() {
    let scratch = Scratch::new().unwrap();
    let empty = scratch.path().join("empty");
    for dir in ["proc", "sys", "dev", "run", "tmp"] {
        fs::create_dir_all(empty.join(dir)).unwrap();
    }
    let mut spec = spec(&scratch, "hollow", None);
    let MachineKind::Namespace(namespace) = &mut spec.kind else {
        panic!("another kind")
    };
    namespace.root = RootSource::Tree(empty);
    let machine = Machine::start(program(), &spec).unwrap();
    let error = machine
        .wait_for_status("never", BOOT, |_| false)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("10 boots in a row ended in a panic"),
        "{error}"
    );
    assert!(
        error.contains("cannot start /usr/lib/systemd/systemd: No such file"),
        "{error}"
    );
}
