//! What a container uses and which processes it has, from its control group and `/proc`. All blocking.

use super::error::StepError;
use super::group::MAX_DEPTH;
use super::unit::PAYLOAD_GROUP;
use orlop_api::{ContainerStats, ProcessView};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// More processes than this are not listed.
const MOST_PROCESSES: usize = 10_000;
/// The kernel counts processor time in `/proc` in these, whatever its own clock (time(7), `USER_HZ`).
const MILLIS_PER_TICK: u64 = 10;

/// The text of a group's file; none where there is no such file, because the group has gone or the kernel
/// has no such controller.
fn text(group: &Path, file: &str) -> Result<Option<String>, StepError> {
    let path = group.join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(StepError::file("read", &path)(error)),
    }
}

/// A group that is removed while its file is open says ENODEV.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// The number in a file of one number; none for `max`.
fn number(group: &Path, file: &str) -> Result<Option<u64>, StepError> {
    Ok(text(group, file)?.and_then(|text| text.trim().parse().ok()))
}

/// The number behind `key` in a line of its own.
fn keyed(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(name, _)| *name == key)?;
    value.trim().parse().ok()
}

/// The sum of `key=` over all lines, each of which is a device.
fn summed(text: &str, key: &str) -> u64 {
    let words = text.split_ascii_whitespace();
    let values = words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    values.filter_map(|value| value.parse::<u64>().ok()).sum()
}

/// What the processes of `group` use, at the moment `at_micros`.
pub(super) fn stats(name: &str, group: &Path, at_micros: u64) -> Result<ContainerStats, StepError> {
    let cpu = text(group, "cpu.stat")?;
    let io = text(group, "io.stat")?;
    let events = text(group, "memory.events")?;
    Ok(ContainerStats {
        name: name.to_owned(),
        at_micros,
        cpu_usec: cpu.as_deref().and_then(|text| keyed(text, "usage_usec")),
        cpu_percent: None,
        memory: number(group, "memory.current")?,
        memory_max: number(group, "memory.max")?,
        swap: number(group, "memory.swap.current")?,
        pids: number(group, "pids.current")?,
        pids_max: number(group, "pids.max")?,
        io_read: io.as_deref().map(|text| summed(text, "rbytes")),
        io_write: io.as_deref().map(|text| summed(text, "wbytes")),
        oom_kills: events.as_deref().and_then(|text| keyed(text, "oom_kill")),
    })
}

/// The container's processes: those of its own group in its unit's, and below.
pub(super) fn processes(unit_group: &Path) -> Result<Vec<ProcessView>, StepError> {
    let mut pids = Vec::new();
    pids_below(&unit_group.join(PAYLOAD_GROUP), MAX_DEPTH, &mut pids)?;
    pids.sort_unstable();
    pids.truncate(MOST_PROCESSES);
    Ok(pids.into_iter().filter_map(process).collect())
}

fn pids_below(group: &Path, depth: usize, pids: &mut Vec<u32>) -> Result<(), StepError> {
    let here = text(group, "cgroup.procs")?.unwrap_or_default();
    pids.extend(here.lines().filter_map(|line| line.parse::<u32>().ok()));
    let entries = match fs::read_dir(group) {
        Err(error) if is_gone(&error) => return Ok(()),
        entries => entries.map_err(StepError::file("list", group))?,
    };
    for entry in entries {
        let entry = entry.map_err(StepError::file("list", group))?;
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            pids_below(&entry.path(), depth - 1, pids)?;
        }
    }
    Ok(())
}

/// None where it has ended meanwhile.
fn process(pid: u32) -> Option<ProcessView> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let stat = fs::read_to_string(proc.join("stat")).ok()?;
    let status = fs::read_to_string(proc.join("status")).ok()?;
    let arguments = fs::read(proc.join("cmdline")).ok()?;
    Some(ProcessView {
        pid,
        uid: effective_uid(&status)?,
        cpu_millis: ticks(&stat)? * MILLIS_PER_TICK,
        command: command(&arguments, &stat)?,
    })
}

/// `Uid: real effective saved file-system` (proc_pid_status(5)).
fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// utime and stime, fields 14 and 15 (proc_pid_stat(5)).
fn ticks(stat: &str) -> Option<u64> {
    // The name stands in parentheses and may have some itself.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn command(arguments: &[u8], stat: &str) -> Option<String> {
    let words = arguments.split(|byte| *byte == 0);
    let words = words.filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
    if !words.is_empty() {
        return Some(words.join(" "));
    }
    let (_, name) = stat.split_once('(')?;
    let (name, _) = name.rsplit_once(')')?;
    Some(format!("[{name}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_read_from_the_groups_files() {
        let group = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("cpu.stat", "usage_usec 1234567\nuser_usec 1\n"),
            ("memory.current", "4096\n"),
            ("memory.max", "67108864\n"),
            ("memory.events", "oom 3\noom_kill 2\noom_group_kill 0\n"),
            ("pids.current", "3\n"),
            ("pids.max", "max\n"),
            (
                "io.stat",
                "8:0 rbytes=100 wbytes=7 rios=1\n8:16 rbytes=20 wbytes=1\n",
            ),
        ] {
            fs::write(group.path().join(file), text).unwrap();
        }
        let expected = ContainerStats {
            name: "web".into(),
            at_micros: 5,
            cpu_usec: Some(1_234_567),
            memory: Some(4096),
            memory_max: Some(64 << 20),
            pids: Some(3),
            io_read: Some(120),
            io_write: Some(8),
            oom_kills: Some(2),
            ..ContainerStats::default()
        };
        assert_eq!(stats("web", group.path(), 5).unwrap(), expected);
    }

    #[test]
    fn a_group_that_is_not_there_uses_nothing() {
        let group = tempfile::tempdir().unwrap();
        let gone = group.path().join("gone");
        let expected = ContainerStats {
            name: "web".into(),
            ..ContainerStats::default()
        };
        assert_eq!(stats("web", &gone, 0).unwrap(), expected);
        assert_eq!(processes(&gone).unwrap(), []);
    }

    #[test]
    fn processes_of_the_container_and_of_groups_in_it_are_listed_and_not_its_runtimes() {
        let group = tempfile::tempdir().unwrap();
        let own = std::process::id();
        let inner = group.path().join("payload/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(group.path().join("runtime")).unwrap();
        fs::write(group.path().join("runtime/cgroup.procs"), "1\n").unwrap();
        fs::write(group.path().join("payload/cgroup.procs"), "4194305\n").unwrap();
        fs::write(inner.join("cgroup.procs"), format!("{own}\n")).unwrap();
        let found = processes(group.path()).unwrap();
        let [process] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(process.pid, own);
        assert_eq!(process.uid, rustix::process::geteuid().as_raw());
        assert!(process.command.contains("orlopd"), "{process:?}");
    }

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 1 0 9";
        assert_eq!(ticks(stat), Some(175));
        assert_eq!(command(b"", stat).as_deref(), Some("[a) b]"));
        assert_eq!(command(b"sh\0-c\0x\0", stat).as_deref(), Some("sh -c x"));
        assert_eq!(effective_uid("Name:\tx\nUid:\t0\t1000\t0\t0\n"), Some(1000));
    }
}
