//! The text of a container's systemd unit and of the slice (systemd.service(5)).

use super::desired::{DesiredContainer, SpecHash};
use super::far_end;
use super::places::{Places, SLICE};
use orlop_config::{IoLimits, Kind, Restart};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// How long a container has to start: mounts, namespaces and seccomp, on a loaded machine.
const START_LIMIT_SECS: u32 = 60;
/// How long a container has between the stop signal and SIGKILL, if it does not say.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// The wait before the first restart, and the longest, which is reached in `BACK_OFF_STEPS`.
const BACK_OFF_FIRST: Duration = Duration::from_millis(500);
const BACK_OFF_LONGEST: Duration = Duration::from_secs(30);
const BACK_OFF_STEPS: u32 = 6;
/// The time that a limit of log lines is for (journald.conf(5), `RateLimitIntervalSec=`).
const LOG_INTERVAL: &str = "30s";
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

/// The unit of `container`. `program` is its OCI runtime.
///
/// A task is a child of the OCI runtime, which waits for it and ends as it ends. It may end at once, and
/// systemd would not take a process for the main one that is gone when the start is done.
///
/// A service leaves no other process behind: it is created and then started, not run in one step: so systemd has read the PID
/// file before the container's program can end, and its exit status is never lost. Each command
/// costs a start some 20 ms; so nothing is cleaned up before it: `ExecStopPost=` has run after every
/// end, that of a failed start too, and the agent removes what even that left.
pub(super) fn container_unit(
    container: &DesiredContainer,
    hash: &SpecHash,
    places: &Places,
    program: &Path,
) -> String {
    let (name, instance) = (&container.name, &container.instance());
    let crun = format!(
        "{} --root={}",
        program.display(),
        places.runtime_state(container.config.runtime).display()
    );
    let start = match container.config.lifecycle.kind {
        Kind::Service => start_of_service(container, places, &crun),
        Kind::Task => {
            let run = far_end::command(container, places, &crun, "run");
            format!(
                "Type=exec\nExecStart={run} --pid-file={} --bundle={} {instance}\n",
                places.pid_file(instance).display(),
                places.bundle(instance).display()
            )
        }
    };
    let mut text = format!(
        "# Written by orlopd, and again whenever the container changes.\n\
         [Unit]\n\
         Description=Orlop container {name}\n\
         {SPEC_KEY}{spec}\n\
         {SURVIVE}\
         {start_limit}\
         \n\
         [Service]\n\
         Slice={SLICE}\n\
         {start}\
         Delegate=yes\n\
         DelegateSubgroup={SUBGROUP}\n\
         {last_words}\
         ExecStopPost=-{crun} delete --force {instance}\n\
         StandardInput=file:{input}\n\
         TimeoutStartSec={START_LIMIT_SECS}\n\
         TimeoutStopSec={stop_limit}\n\
         KillMode=mixed\n\
         SyslogIdentifier={name}\n\
         OOMPolicy=continue\n",
        spec = hash.as_str(),
        last_words = far_end::last_words(container, places),
        // Its user becomes the owner of what it is started with, which must not be the host's /dev/null.
        input = places.input(instance).display(),
        start_limit = start_limit(container.config.lifecycle.restart_limit),
        stop_limit = millis(container.config.process.stop_timeout.unwrap_or(STOP_LIMIT)),
    );
    if let Some(signal) = stop_signal(container) {
        push(&mut text, "KillSignal", signal);
    }
    push_restart(&mut text, container);
    push_limits(&mut text, container);
    text
}

fn push(text: &mut String, key: &str, value: impl std::fmt::Display) {
    writeln!(text, "{key}={value}").expect("a String takes every write");
}

fn start_of_service(container: &DesiredContainer, places: &Places, crun: &str) -> String {
    let instance = &container.instance();
    let create = far_end::command(container, places, crun, "create");
    let pid_file = places.pid_file(instance);
    let pid_file = pid_file.display();
    let bundle = places.bundle(instance);
    let bundle = bundle.display();
    format!(
        "Type=forking\n\
         PIDFile={pid_file}\n\
         ExecStart={create} --pid-file={pid_file} --bundle={bundle} {instance}\n\
         ExecStartPost={crun} start {instance}\n"
    )
}

/// As systemd reads it (systemd.time(7)).
fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// So many starts within an hour, the first one too, are let through.
fn start_limit(restarts: Option<u32>) -> String {
    match restarts {
        None => "StartLimitIntervalSec=0\n".to_owned(),
        Some(restarts) => format!(
            "StartLimitIntervalSec=1h\nStartLimitBurst={}\n",
            restarts.saturating_add(1)
        ),
    }
}

fn push_restart(text: &mut String, container: &DesiredContainer) {
    let (restart, lifecycle) = (container.config.restart, &container.config.lifecycle);
    let policy = match restart {
        Restart::Always => "always",
        Restart::OnFailure => "on-failure",
        Restart::Never => "no",
    };
    push(text, "Restart", policy);
    match restart {
        // One that ended well stays known as such, instead of looking as if it never ran.
        // One with a schedule must be gone to be started by its timer again.
        Restart::Never | Restart::OnFailure if lifecycle.schedule.is_none() => {
            push(text, "RemainAfterExit", "yes");
        }
        _ => {}
    }
    if restart != Restart::Never {
        let first = lifecycle.restart_delay.unwrap_or(BACK_OFF_FIRST);
        let longest = lifecycle.restart_delay_max.unwrap_or(BACK_OFF_LONGEST);
        push(text, "RestartSec", millis(first));
        // systemd wants the longest wait to be the longer one.
        if longest > first {
            push(text, "RestartSteps", BACK_OFF_STEPS);
            push(text, "RestartMaxDelaySec", millis(longest));
        }
    }
}

fn push_limits(text: &mut String, container: &DesiredContainer) {
    let config = &container.config;
    if let Some(memory) = config.memory {
        push(text, "MemoryMax", memory.0);
    }
    let more = &config.resources;
    // Without it the kernel swaps instead of keeping to the limit.
    if let Some(swap) = more.swap.map(|swap| swap.0).or(config.memory.map(|_| 0)) {
        push(text, "MemorySwapMax", swap);
    }
    if let Some(high) = more.memory_high {
        push(text, "MemoryHigh", high.0);
    }
    if let Some(weight) = more.cpu_weight {
        push(text, "CPUWeight", weight);
    }
    if let Some(cpus) = &more.cpuset {
        push(text, "AllowedCPUs", cpus);
    }
    if let Some(weight) = more.io_weight {
        push(text, "IOWeight", weight);
    }
    push_io(text, &more.io);
    if let Some(adjust) = more.oom_score_adj {
        push(text, "OOMScoreAdjust", adjust);
    }
    if let Some(lines) = more.log_limit {
        push(text, "LogRateLimitIntervalSec", LOG_INTERVAL);
        push(text, "LogRateLimitBurst", lines);
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
        push(text, "TasksMax", pids + far_end::processes(container));
    }
}

/// Limits of disks. Their paths have no character that means more in a unit.
fn push_io(text: &mut String, io: &BTreeMap<String, IoLimits>) {
    for (disk, limits) in io {
        let all = [
            ("IOReadBandwidthMax", limits.read.map(|rate| rate.0)),
            ("IOWriteBandwidthMax", limits.write.map(|rate| rate.0)),
            ("IOReadIOPSMax", limits.read_ops.map(u64::from)),
            ("IOWriteIOPSMax", limits.write_ops.map(u64::from)),
        ];
        for (key, limit) in all {
            if let Some(limit) = limit {
                push(text, key, format_args!("{disk} {limit}"));
            }
        }
    }
}

/// The config's stop signal, or the image's, where it is one that systemd can read.
fn stop_signal(container: &DesiredContainer) -> Option<&str> {
    let of_config = container.config.process.stop_signal.as_deref();
    let signal = of_config.or(container.image.run.stop_signal.as_deref())?;
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
    fn one_with_a_terminal_or_an_open_input_is_started_by_their_holder_as_recorded() {
        insta::assert_snapshot!(text(|c| {
            c.config.process.tty = true;
            c.config.pids = Some(20);
        }));
        let input = text(|c| {
            c.config.process.stdin = true;
            c.config.lifecycle.kind = Kind::Task;
        });
        let start = "\nExecStart=/run/orlop/orlop-terminal start input /run/orlop/containers/web \
                     /run/orlop/containers/web/pid /usr/bin/crun --root=/run/orlop/crun run --pid-file=";
        assert!(input.contains(start), "{input}");
        assert!(!input.contains("--console-socket"), "{input}");
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
    fn a_task_is_waited_for_and_its_end_is_the_units() {
        let text = text(|c| c.config.lifecycle.kind = Kind::Task);
        assert!(
            text.contains("\nType=exec\nExecStart=/usr/bin/crun "),
            "{text}"
        );
        assert!(text.contains(" run --pid-file=/run/orlop/containers/web/pid "));
        assert!(
            !text.contains("PIDFile") && !text.contains("ExecStartPost"),
            "{text}"
        );
    }

    #[test]
    fn a_task_with_a_schedule_is_gone_when_it_has_ended() {
        let text = text(|c| {
            c.config.restart = Restart::Never;
            c.config.lifecycle.schedule = Some("daily".parse().unwrap());
        });
        assert!(!text.contains("RemainAfterExit"), "{text}");
    }

    #[test]
    fn every_limit_and_wait_is_in_the_unit() {
        let text = text(|c| {
            c.config.lifecycle.restart_limit = Some(3);
            c.config.lifecycle.restart_delay = Some(Duration::from_secs(2));
            c.config.lifecycle.restart_delay_max = Some(Duration::from_secs(60));
            c.config.process.stop_timeout = Some(Duration::from_secs(90));
            c.config.process.stop_signal = Some("SIGINT".into());
            let more = &mut c.config.resources;
            more.memory_high = Some(orlop_config::ByteSize(1 << 20));
            more.swap = Some(orlop_config::ByteSize(2 << 20));
            more.cpu_weight = Some(200);
            more.cpuset = Some("0-1".into());
            more.io_weight = Some(50);
            more.log_limit = Some(7);
            more.oom_score_adj = Some(-250);
            let limits = IoLimits {
                read: Some(orlop_config::ByteSize(10 << 20)),
                write: None,
                read_ops: None,
                write_ops: Some(500),
            };
            more.io = BTreeMap::from([("/dev/vda".to_owned(), limits)]);
        });
        for line in [
            "StartLimitIntervalSec=1h",
            "StartLimitBurst=4",
            "RestartSec=2000ms",
            "RestartMaxDelaySec=60000ms",
            "TimeoutStopSec=90000ms",
            "KillSignal=SIGINT",
            "MemoryHigh=1048576",
            "MemorySwapMax=2097152",
            "CPUWeight=200",
            "AllowedCPUs=0-1",
            "IOWeight=50",
            "IOReadBandwidthMax=/dev/vda 10485760",
            "IOWriteIOPSMax=/dev/vda 500",
            "OOMScoreAdjust=-250",
            "LogRateLimitIntervalSec=30s",
            "LogRateLimitBurst=7",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} in {text}");
        }
    }

    #[test]
    fn another_runtime_has_a_state_of_its_own() {
        let text = text(|c| c.config.runtime = orlop_config::OciRuntime::Runc);
        assert!(text.contains(" --root=/run/orlop/runc create "), "{text}");
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
