//! Power that goes away during updates, on QEMU machines with the real disk.
//!
//! What a cut can leave on a disk is tried at every write, without a machine, by the crash matrix and by
//! `make power-cuts`. Here firmware, boot loader, kernel and agent come back together after a few cuts.

#[cfg(test)]
mod rig;

use orlop_api::Phase;
use rig::qemu::{QemuRig, Random, SEED_VAR, expect_either, seed};
use std::error::Error;
use std::time::Duration;

/// Staging an OS image takes about so long.
const STAGE: Duration = Duration::from_secs(20);
/// The way from `orlop update apply` to the new version's trial takes about so long: the boot entry, the
/// shutdown, firmware, boot loader, kernel, agent.
const APPLY: Duration = Duration::from_secs(40);
/// The way to the trial by a live swap.
const SWAP: Duration = Duration::from_secs(8);

#[test]
fn a_node_that_loses_its_power_during_updates_comes_back_good() {
    lose_power(4).unwrap();
}

/// `make test-long` runs it.
#[test]
fn a_node_that_loses_its_power_twenty_times_during_updates_always_comes_back_good() {
    lose_power(20).unwrap();
}

/// Cuts the power so many times: one half while an image is staged, the other while it is applied, by turns
/// with a restart and live.
fn lose_power(cuts: u64) -> Result<(), Box<dyn Error>> {
    let seed = seed();
    println!("{SEED_VAR}={seed}");
    let mut random = Random(seed);
    let rig = QemuRig::new();
    let node = rig.boot(&rig.disk());
    let mut version = "1".to_owned();
    for cut in 0..cuts {
        let other = if version == "1" { "2" } else { "1" };
        let stage = ["update", "stage", &rig.os(other)];
        let (step, span): (&[&str], _) = if cut < cuts / 2 {
            (&stage, STAGE)
        } else {
            node.orlop(&stage);
            match cut % 2 {
                0 => (&["update", "apply", "--mode", "reboot"], APPLY),
                _ => (&["update", "apply", "--mode", "live"], SWAP),
            }
        };
        // Spread over all of the step, at random within each part of it.
        let slice = span.as_secs() * 1000 / (cuts / 2);
        let after = cut % (cuts / 2) * slice + random.below(slice);
        let over = node.orlop_until(step, Duration::from_millis(after));
        node.0.machine().cut_power()?;
        println!("cut {cut}: {version} to {other}, {step:?} for {after} ms, over: {over}");

        node.power_on();
        let status = node.wait_status("an idle node", |status| {
            status.phase == Phase::Idle && status.trial.is_none()
        });
        version = expect_either(&status);
        println!(
            "cut {cut}: runs version {version}, staged: {}",
            status.staged.is_some()
        );
        assert_eq!(node.wait_web("/").body, "hello from 1\n");
    }
    Ok(())
}
