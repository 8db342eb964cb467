//! Scenarios on QEMU machines with the real disk: UEFI firmware, systemd-boot, UKI, kernel, initrd,
//! fs-verity.

#[cfg(test)]
mod rig;

use orlop_api::{GenerationView, Phase, Trigger, Why};
use orlop_core::Policy;
use orlop_machines::{count_times, longest_gap};
use rig::esp::{Esp, next_boot};
use rig::hardware::Monitor;
use rig::qemu::{QemuRig, SWITCH, expect_good, payload};
use rig::raw_disk::{BLOCK, flip_a_bit_of};
use rig::witness::StreamWitness;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::net::TcpStream;

/// Live swaps in a row.
const SWAPS: u64 = 10;

#[test]
fn a_file_of_an_image_whose_bytes_changed_on_the_disk_cannot_be_read() {
    let rig = QemuRig::new();
    let node = rig.boot(&rig.disk());
    assert_eq!(node.wait_web("/file/payload").body, payload());

    node.0
        .machine()
        .power_off(SWITCH)
        .unwrap_or_else(|e| panic!("{e}"));
    flip_a_bit_of(&payload().into_bytes()[5 * BLOCK..6 * BLOCK], node.0.disk());

    node.power_on();
    let answer = node.wait_web("/file/payload");
    let eio = format!(
        "cannot read /payload: {}\n",
        io::Error::from_raw_os_error(5)
    );
    assert_eq!((answer.status.as_u16(), answer.body), (500, eio));
    // The rest of the image is as it was.
    assert_eq!(node.wait_web("/").body, "hello from 1\n");
    expect_good(&node.wait_idle(), 1, "1");
}

#[test]
fn a_kernel_that_panics_uses_up_its_tries_as_the_model_says_and_the_old_generation_comes_back() {
    let rig = QemuRig::new();
    let node = rig.boot(&rig.disk());
    node.orlop(&["update", "stage", &rig.os("4")]);
    let esp = Esp::of(node.0.disk());
    let machine = node.0.machine();
    let console = machine.console().len();
    let mut monitor = Monitor::of(machine);
    monitor.hold_restarts();
    node.orlop(&["update", "apply"]);
    monitor.wait_held(machine);
    let mut before = esp.entries();
    assert_eq!(next_boot(&before).0, "orlop-2+3.conf");
    for _ in 0..Policy::default().tries {
        let (chosen, expected) = next_boot(&before);
        assert!(chosen.starts_with("orlop-2+"), "{chosen} of {before:?}");
        monitor.go_on(machine);
        monitor.wait_held(machine);
        before = esp.entries();
        assert_eq!(before, expected);
    }
    let text = machine.console();
    let panics = text[console..].matches("Kernel panic").count();
    assert_eq!(u32::try_from(panics).unwrap(), Policy::default().tries);
    let (chosen, _) = next_boot(&before);
    assert_eq!(chosen, "orlop-1.conf");
    monitor.restart(machine);

    let back = node.wait_status("generation 1 again", |status| {
        status.phase == Phase::Idle && status.trial.is_none()
    });
    expect_good(&back, 1, "1");
    let why: Why = node.0.read(&["why"]).unwrap();
    let verdict = why.verdict.clone().unwrap();
    assert_eq!(
        (verdict.generation, verdict.good, verdict.running),
        (2, false, 1)
    );
    assert_eq!(verdict.trigger, Trigger::BootCounter { tries: 3 });
    let words = node.orlop(&["why"]);
    assert!(
        words.contains("all of its 3 boot tries were used up"),
        "{words}"
    );
    assert_eq!(
        esp.entry_names(),
        BTreeSet::from(["orlop-1.conf".to_owned()])
    );
    assert_eq!(node.wait_web("/").body, "hello from 1\n");
}

#[test]
fn an_update_that_does_not_fit_on_the_esp_is_refused_before_anything_is_written() {
    let rig = QemuRig::new();
    let disk = rig.disk();
    let esp = Esp::of(&disk);
    // Room for half of a UKI.
    let uki_name = esp.names("EFI/orlop").pop_first().unwrap();
    let uki = esp.uki_bytes(&uki_name);
    let filler = rig.path("filler");
    let size = esp.free() - uki / 2;
    File::create(&filler).unwrap().set_len(size).unwrap();
    esp.put(&filler);

    let node = rig.boot(&disk);
    node.orlop(&["update", "stage", &rig.os("2")]);
    let esp = Esp::of(node.0.disk());
    let on_esp = || (esp.names("EFI/orlop"), esp.entries(), esp.free());
    let generations = || {
        node.0
            .read::<Vec<GenerationView>>(&["generations"])
            .unwrap()
    };
    let (files, records) = (on_esp(), generations());

    let said = node.0.orlop(&["update", "apply"]).unwrap();
    let need = uki + Policy::default().esp_reserve;
    let refusal = format!(
        "cannot write the UKI of generation 2 to the ESP: it needs {need} bytes with its reserve, \
         there is room for {}",
        files.2
    );
    assert!(
        said.talk.contains(&refusal),
        "expected {refusal:?}, got {said:?}"
    );
    assert_eq!(said.code, Some(4), "{said:?}");
    assert_eq!(on_esp(), files);
    assert_eq!(generations(), records);
    let status = node.wait_idle();
    expect_good(&status, 1, "1");
    assert_eq!(status.staged.unwrap().id, 2);
    assert_eq!(node.wait_web("/").body, "hello from 1\n");
}

#[test]
fn ten_live_swaps_on_the_real_disk_change_the_os_and_no_container_notices() {
    let rig = QemuRig::new();
    let node = rig.boot(&rig.disk_with_counter());
    let boots = node.0.machine().status().unwrap().boots;
    let started = node.wait_web("/started").body;
    let witness = StreamWitness::on(TcpStream::connect(node.0.app()).unwrap()).unwrap();
    for swap in 0..SWAPS {
        let version = if swap % 2 == 0 { "2" } else { "1" };
        node.orlop(&["update", "stage", &rig.os(version)]);
        node.orlop(&["update", "apply", "--wait"]);
        let status = node.wait_idle();
        assert_eq!(status.os_release.as_deref(), Some(version));
        expect_good(&status, swap + 2, version);
        assert_eq!(node.wait_web("/started").body, started);
        println!(
            "swap {swap}: to {version}, longest gap on the connection {:?}",
            witness.longest_gap()
        );
    }
    assert_eq!(node.0.machine().status().unwrap().boots, boots);
    let (lines, gap) = witness.end();
    println!("{lines} lines on one connection, longest gap {gap:?}");
    let counts = node.wait_web("/file/data/counts").body;
    let times = count_times(&counts).unwrap();
    println!(
        "{} counts, longest gap {:?}",
        times.len(),
        longest_gap(&times)
    );
}
