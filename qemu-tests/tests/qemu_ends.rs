//! How trials end on QEMU machines: a kernel that panics, one that hangs, an initrd that finds no root.
//! Each ends on the old generation by itself, and the verdict names the true cause. Power that goes away
//! ends none.

#[cfg(test)]
mod rig;

use orlop_api::Trigger;
use rig::esp::Esp;
use rig::hardware::{self, Monitor};
use rig::qemu::SWITCH;
use trial::Trial;

/// Power cuts on one trial: as many as would use up its tries but for one.
const CUTS: u32 = 2;

#[cfg(test)]
mod trial {
    //! A trial that goes on until something ends it.

    use crate::rig::qemu::{Node, QemuRig, expect_good};
    use orlop_api::{Phase, VerdictView, Why};
    use std::net::TcpListener;
    use std::path::{Path, PathBuf};

    /// A watchdog card that resets the machine, and the debugger's socket.
    fn arguments(gdb: &Path) -> Vec<String> {
        let gdb = format!("unix:{},server=on,wait=off", gdb.display());
        [
            "-device",
            "i6300esb",
            "-action",
            "watchdog=reset",
            "-gdb",
            &gdb,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// A node whose gate asks for a door of the host, so that a trial goes on for as long as that is shut.
    pub(crate) struct Trial {
        pub(crate) node: Node,
        pub(crate) gdb: PathBuf,
        // Last: the machine is gone before its folder.
        _rig: QemuRig,
    }

    impl Trial {
        /// Boots it, with OS 2 staged.
        pub(crate) fn staged() -> Self {
            let door = TcpListener::bind("127.0.0.1:0").unwrap();
            let rig = QemuRig::new();
            let port = door.local_addr().unwrap().port();
            let more = format!(
                "[[gate.check]]\ntcp = \"10.0.2.2:{port}\"\n\n\
                 [kernel]\nsysctl = {{ \"kernel.unknown_nmi_panic\" = \"1\" }}\n"
            );
            let gdb = rig.path("gdb.sock");
            let node = rig.boot_with(&rig.disk_with(&more), arguments(&gdb));
            node.orlop(&["update", "stage", &rig.os("2")]);
            Self {
                node,
                gdb,
                _rig: rig,
            }
        }

        /// Applies it, and waits until the gate judges.
        pub(crate) fn begin(&self) {
            self.node.orlop(&["update", "apply"]);
            self.goes_on();
        }

        /// Waits until the gate judges.
        pub(crate) fn goes_on(&self) {
            self.node.wait_status("a trial that goes on", |status| {
                status.phase == Phase::Trial && status.trial.is_some()
            });
        }

        /// The verdict, once generation 1 is back.
        pub(crate) fn verdict(&self) -> VerdictView {
            let back = self.node.wait_status("generation 1 again", |status| {
                status.phase == Phase::Idle && status.trial.is_none()
            });
            expect_good(&back, 1, "1");
            let why: Why = self.node.0.read(&["why"]).unwrap();
            println!("{}", self.node.orlop(&["why"]));
            let verdict = why.verdict.unwrap();
            assert_eq!(
                (verdict.generation, verdict.good, verdict.running),
                (2, false, 1)
            );
            verdict
        }
    }
}

#[test]
fn a_kernel_that_panics_on_trial_leads_back_and_the_verdict_has_its_last_words() {
    let trial = Trial::staged();
    trial.begin();
    Monitor::of(trial.node.0.machine()).inject_nmi();
    let verdict = trial.verdict();
    let text = "NMI: Not continuing".to_owned();
    assert_eq!(verdict.trigger, Trigger::Panic { text });
    let last = verdict
        .log
        .iter()
        .find(|line| line.contains("Kernel panic"));
    assert!(last.is_some(), "{:?}", verdict.log);
}

#[test]
fn a_kernel_that_hangs_on_trial_is_reset_by_the_watchdog_and_the_verdict_says_so() {
    let trial = Trial::staged();
    trial.begin();
    hardware::hang(&trial.gdb);
    assert_eq!(trial.verdict().trigger, Trigger::Watchdog);
}

#[test]
fn power_that_goes_away_on_trial_burns_no_try_and_is_not_to_blame() {
    let trial = Trial::staged();
    trial.begin();
    let machine = trial.node.0.machine();
    for _ in 0..CUTS {
        machine.cut_power().unwrap();
        trial.node.power_on();
        trial.goes_on();
    }
    // The boot loader counts each start; the agent leaves this one's alone.
    let esp = Esp::of(trial.node.0.disk());
    let given_back = machine.wait("the count of a first start on the ESP", SWITCH, || {
        let names = esp.entry_names();
        let first = names.contains("orlop-2+2-1.conf");
        first.then_some(()).ok_or_else(|| format!("{names:?}"))
    });
    given_back.unwrap_or_else(|error| panic!("{error}"));
    let Trigger::Check { check, .. } = trial.verdict().trigger else {
        panic!("the gate was to decide")
    };
    assert!(check.starts_with("tcp "), "{check}");
}

#[test]
fn an_initrd_that_finds_no_root_leads_back_and_the_verdict_has_its_reason() {
    let trial = Trial::staged();
    let machine = trial.node.0.machine();
    let mut monitor = Monitor::of(machine);
    monitor.hold_restarts();
    let before = Esp::of(trial.node.0.disk()).names("EFI/orlop");
    trial.node.orlop(&["update", "apply", "--mode", "reboot"]);
    monitor.wait_held(machine);
    let esp = Esp::of(trial.node.0.disk());
    let ukis = esp.names("EFI/orlop");
    let uki = ukis.difference(&before).next().unwrap();
    let root = uki.strip_suffix(".efi").unwrap();
    // Another root: one that the store does not have.
    let word = format!("orlop.root={root}");
    let other = format!("orlop.root={}", "0".repeat(root.len()));
    esp.change_text(&format!("EFI/orlop/{uki}"), &word, &other);
    monitor.restart(machine);

    let verdict = trial.verdict();
    let Trigger::Initrd { detail } = &verdict.trigger else {
        panic!("{verdict:?}")
    };
    assert!(detail.starts_with("cannot open the OS image"), "{detail}");
}
