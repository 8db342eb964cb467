//! The text of a container's systemd unit and of the slice (systemd.service(5)).

use super::desired::{DesiredContainer, SpecHash};
use super::places::{Places, SLICE};
use orlop_config::Restart;
use std::fmt::Write as _;
use std::path::Path;

/// How long a container has to start: mounts, namespaces and seccomp, on a loaded machine.
const START_LIMIT_SECS: u32 = 60;
/// How long a container has between the stop signal and SIGKILL.
const STOP_LIMIT_SECS: u32 = 10;
/// The wait before the first restart, and the longest, which is reached in `BACK_OFF_STEPS`.
const BACK_OFF_FIRST_MILLIS: u32 = 500;
const BACK_OFF_LONGEST_SECS: u32 = 30;
const BACK_OFF_STEPS: u32 = 6;
/// The key that carries the spec's hash. systemd ignores sections and keys with `X-`.
const SPEC_KEY: &str = "X-Orlop-Spec=";
/// The unit's processes live in this cgroup below the unit's: a cgroup with controllers for its
/// children must not hold processes itself, and the runtime makes children.
pub(super) const SUBGROUP: &str = "runtime";
/// The container's own cgroup, below the unit's.
pub(super) const PAYLOAD_GROUP: &str = "payload";
/// Conflicts and orderings of a unit that goes on over a soft reboot and ends at a real shutdown
/// (systemd-soft-reboot.service(8), "Resource pass-through").
pub(super) const SURVIVE: &str = "\
SurviveFinalKillSignal=yes
IgnoreOnIsolate=yes
DefaultDependencies=no
After=basic.target
Conflicts=reboot.target kexec.target poweroff.target halt.target rescue.target emergency.target
Before=shutdown.target reboot.target kexec.target poweroff.target halt.target rescue.target emergency.target
";

/// The unit of `container`. `crun` is the OCI runtime.
///
/// The container is created and then started, not run in one step: so systemd has read the PID
/// file before the container's program can end, and its exit status is never lost. Each command
/// costs a start some 20 ms; so nothing is cleaned up before it: `ExecStopPost=` has run after every
/// end, that of a failed start too, and the agent removes what even that left.
pub(super) fn container_unit(
    container: &DesiredContainer,
    hash: &SpecHash,
    places: &Places,
    crun: &Path,
) -> String {
    let name = &container.name;
    let crun = format!(
        "{} --root={}",
        crun.display(),
        places.crun_state().display()
    );
    let pid_file = places.pid_file(name);
    let pid_file = pid_file.display();
    let bundle = places.bundle(name);
    let bundle = bundle.display();
    let mut text = format!(
        "# Written by orlopd, and again whenever the container changes.\n\
         [Unit]\n\
         Description=Orlop container {name}\n\
         {SPEC_KEY}{spec}\n\
         {SURVIVE}\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Slice={SLICE}\n\
         Type=forking\n\
         PIDFile={pid_file}\n\
         Delegate=yes\n\
         DelegateSubgroup={SUBGROUP}\n\
         ExecStart={crun} create --pid-file={pid_file} --bundle={bundle} {name}\n\
         ExecStartPost={crun} start {name}\n\
         ExecStopPost=-{crun} delete --force {name}\n\
         TimeoutStartSec={START_LIMIT_SECS}\n\
         TimeoutStopSec={STOP_LIMIT_SECS}\n\
         KillMode=mixed\n\
         SyslogIdentifier={name}\n\
         OOMPolicy=continue\n",
        spec = hash.as_str(),
    );
    if let Some(signal) = stop_signal(container) {
        push(&mut text, "KillSignal", signal);
    }
    push_restart(&mut text, container.config.restart);
    push_limits(&mut text, container);
    text
}

fn push(text: &mut String, key: &str, value: impl std::fmt::Display) {
    writeln!(text, "{key}={value}").expect("a String takes every write");
}

fn push_restart(text: &mut String, restart: Restart) {
    let policy = match restart {
        Restart::Always => "always",
        Restart::OnFailure => "on-failure",
        Restart::Never => "no",
    };
    push(text, "Restart", policy);
    match restart {
        // One that ended well stays known as such, instead of looking as if it never ran.
        Restart::Never | Restart::OnFailure => push(text, "RemainAfterExit", "yes"),
        Restart::Always => {}
    }
    if restart != Restart::Never {
        push(
            text,
            "RestartSec",
            format_args!("{BACK_OFF_FIRST_MILLIS}ms"),
        );
        push(text, "RestartSteps", BACK_OFF_STEPS);
        push(text, "RestartMaxDelaySec", BACK_OFF_LONGEST_SECS);
    }
}

fn push_limits(text: &mut String, container: &DesiredContainer) {
    let config = &container.config;
    if let Some(memory) = config.memory {
        push(text, "MemoryMax", memory.0);
        // Without it the kernel swaps instead of keeping to the limit.
        push(text, "MemorySwapMax", 0);
    }
    if let Some(cpus) = config.cpus {
        // Thousandths of a processor; systemd takes hundredths of a processor with one decimal.
        push(
            text,
            "CPUQuota",
            format_args!("{}.{}%", cpus.0 / 10, cpus.0 % 10),
        );
    }
    if let Some(pids) = config.pids {
        push(text, "TasksMax", pids);
    }
}

/// The image's stop signal, where it is one that systemd can read.
fn stop_signal(container: &DesiredContainer) -> Option<&str> {
    let signal = container.image.run.stop_signal.as_deref()?;
    let sane = !signal.is_empty()
        && signal.len() <= "SIGRTMIN+30".len()
        && signal
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'+' || b == b'-');
    sane.then_some(signal)
}

/// The unit of the slice of all containers.
pub(super) fn slice_unit() -> String {
    format!("# Written by orlopd.\n[Unit]\nDescription=Orlop containers\n{SURVIVE}\n[Slice]\n")
}

/// The hash in a unit's text.
pub(super) fn spec_of(text: &str) -> Option<&str> {
    text.lines()
        .find_map(|line| line.strip_prefix(SPEC_KEY))
        .map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::desired_web;
    use super::*;
    use orlop_config::Cpus;

    fn text(change: impl FnOnce(&mut DesiredContainer)) -> String {
        let mut container = desired_web().containers.remove(0);
        change(&mut container);
        let places = Places::node();
        container_unit(
            &container,
            &SpecHash::found("0123"),
            &places,
            Path::new("/usr/bin/crun"),
        )
    }

    #[test]
    fn the_unit_is_as_recorded() {
        insta::assert_snapshot!(text(|_| ()));
        insta::assert_snapshot!("slice", slice_unit());
    }

    #[test]
    fn the_hash_is_read_back() {
        assert_eq!(spec_of(&text(|_| ())), Some("0123"));
        assert_eq!(spec_of("[Unit]\n"), None);
    }

    #[test]
    fn one_that_may_end_keeps_its_end_and_is_not_restarted() {
        let text = text(|c| c.config.restart = Restart::Never);
        assert!(text.contains("\nRestart=no\nRemainAfterExit=yes\n"));
        assert!(!text.contains("RestartSec"));
    }

    #[test]
    fn thousandths_of_a_processor_become_a_quota() {
        for (cpus, quota) in [(1500, "150.0%"), (5, "0.5%"), (1001, "100.1%")] {
            let text = text(|c| c.config.cpus = Some(Cpus(cpus)));
            assert!(text.contains(&format!("\nCPUQuota={quota}\n")), "{text}");
        }
    }

    #[test]
    fn a_stop_signal_cannot_smuggle_lines_into_the_unit() {
        let evil = Some("SIGTERM\nExecStartPre=/bin/x".to_owned());
        assert!(!text(|c| c.image.run.stop_signal = evil).contains("/bin/x"));
    }
}
