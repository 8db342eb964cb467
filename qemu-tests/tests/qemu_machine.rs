//! The QEMU machine itself, with a disk that has nothing to boot.

use orlop_machines::qemu::QemuSpec;
use orlop_machines::{
    BootEnd, Life, Machine, MachineKind, MachineSpec, Power, ProcessId, Scratch, free_port,
    wait_until,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// For the firmware under TCG, on a host with all its processors busy; the probe for KVM too.
const FIRMWARE: Duration = Duration::from_secs(120);
/// Size of the empty disk in bytes.
const DISK_BYTES: u64 = 16 << 20;
/// What the firmware says when it has tried the disk.
const NOTHING_TO_BOOT: &str = "BdsDxe";

#[test]
fn a_qemu_machine_runs_its_firmware_loses_its_power_and_dies_with_its_owner() {
    let scratch = Scratch::new().unwrap();
    let disk = scratch.path().join("empty.img");
    File::create(&disk).unwrap().set_len(DISK_BYTES).unwrap();
    let publish = orlop_machines::Publish {
        host: free_port().unwrap(),
        port: 80,
    };
    let spec = MachineSpec {
        name: "empty".to_owned(),
        dir: scratch.path().join("empty"),
        life: Life::Tethered,
        kind: MachineKind::Qemu(QemuSpec {
            disk,
            memory_mib: 256,
            cpus: 1,
            publish: vec![publish],
            credentials: BTreeMap::new(),
            record_writes: false,
            arguments: Vec::new(),
        }),
    };
    let program = Path::new(env!("CARGO_BIN_EXE_orlop-machine"));
    let machine = Machine::start(program, &spec).unwrap();
    let console = machine
        .wait_for_console(NOTHING_TO_BOOT, 0, FIRMWARE)
        .unwrap_or_else(|error| panic!("{error}"));

    let status = machine.cut_power().unwrap();
    assert_eq!(
        (status.power, status.last_end),
        (Power::Off, Some(BootEnd::Killed))
    );
    assert_eq!(machine.power_on().unwrap().boots, 2);
    machine
        .wait_for_console(NOTHING_TO_BOOT, console.len(), FIRMWARE)
        .unwrap_or_else(|error| panic!("{error}"));

    let status = machine.status().unwrap();
    let emulator = ProcessId::of(status.init.unwrap()).unwrap();
    drop(machine);
    assert!(!status.supervisor.alive());
    wait_until("QEMU gone", FIRMWARE, || !emulator.alive()).unwrap();
    assert!(!spec.dir.exists());
}
