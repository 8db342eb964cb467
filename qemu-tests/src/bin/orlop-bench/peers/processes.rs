//! Memory and time of processes, from /proc (proc(5)).

use crate::Outcome;
use crate::memory::{RESET_PEAK, mib};
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Ticks of a second (sysconf(3), _SC_CLK_TCK), the same on every Linux of today.
const TICKS: f64 = 100.0;
/// Time between two looks at a command's memory.
const LOOK: Duration = Duration::from_millis(5);

/// A process by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// Its name, and the groups that it is in; none where it has gone.
    fn known(self) -> Option<(String, String)> {
        let name = fs::read_to_string(self.file("comm")).ok()?;
        let groups = fs::read_to_string(self.file("cgroup")).ok()?;
        Some((name.trim().to_owned(), groups))
    }

    fn mib(self, file: &str, field: &str) -> Outcome<f64> {
        mib(&fs::read_to_string(self.file(file))?, field)
    }

    /// The most MiB that were resident since the reset.
    pub(crate) fn peak_mib(self) -> Outcome<f64> {
        self.mib("status", "VmHWM:")
    }

    pub(crate) fn reset_peak(self) -> Outcome<()> {
        Ok(fs::write(self.file("clear_refs"), RESET_PEAK)?)
    }

    /// Seconds of processor: its own, and of its children that it has waited for.
    pub(crate) fn cpu_seconds(self) -> Outcome<f64> {
        let [own, children] = self.cpu()?;
        Ok(own + children)
    }

    /// Seconds of processor of the children that it has waited for.
    pub(crate) fn cpu_seconds_of_children(self) -> Outcome<f64> {
        let [_, children] = self.cpu()?;
        Ok(children)
    }

    fn cpu(self) -> Outcome<[f64; 2]> {
        let text = fs::read_to_string(self.file("stat"))?;
        // The name, which is in parentheses, may have spaces; field 3 comes next, utime is field 14.
        let rest = text.rsplit_once(") ").ok_or("a process has no stat")?.1;
        let ticks = rest.split(' ').skip(11).take(4).map(str::parse::<f64>);
        let ticks = ticks.collect::<Result<Vec<_>, _>>()?;
        let [user, system, child_user, child_system] = ticks[..] else {
            return Err("a process has no times".into());
        };
        Ok([(user + system) / TICKS, (child_user + child_system) / TICKS])
    }

    fn parent(self) -> Option<Process> {
        let text = fs::read_to_string(self.file("stat")).ok()?;
        let parent = text.rsplit_once(") ")?.1.split(' ').nth(1)?;
        parent.parse().ok().map(Process)
    }
}

/// All processes.
fn all() -> Outcome<Vec<Process>> {
    let entries = fs::read_dir("/proc")?;
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    Ok(entries.flatten().filter_map(number).map(Process).collect())
}

/// The process of this name, of which there is one.
pub(crate) fn named(name: &str) -> Outcome<Process> {
    let is = |process: &Process| process.known().is_some_and(|(comm, _)| comm == name);
    let found = all()?.into_iter().find(is);
    found.ok_or_else(|| format!("no process is called {name}").into())
}

/// Proportional MiB (PSS) of the processes whose name and control groups are `wanted`.
pub(crate) fn proportional_mib(wanted: impl Fn(&str, &str) -> bool) -> Outcome<f64> {
    let is = |process: &Process| {
        process
            .known()
            .is_some_and(|(name, groups)| wanted(&name, &groups))
    };
    let of = all()?.into_iter().filter(is);
    // One that ended meanwhile has none.
    Ok(of
        .filter_map(|process| process.mib("smaps_rollup", "Pss:").ok())
        .sum())
}

/// Does `work`, and tells the most MiB that were resident in processes that this one has started, as seen
/// every [`LOOK`].
pub(crate) fn watching_children<T: Send>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, f64)> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0.0_f64;
            while !done.load(Ordering::Relaxed) {
                most = most.max(resident_of_children());
                thread::sleep(LOOK);
            }
            most
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let most = watcher.join().map_err(|_| "the watcher of memory failed")?;
        Ok((result?, most))
    })
}

fn resident_of_children() -> f64 {
    let mut family = HashSet::from([Process(std::process::id())]);
    let mut resident = 0.0;
    // A child has a higher number than its parent, but for a wrap that does not happen here.
    let mut processes = all().unwrap_or_default();
    processes.sort_by_key(|process| process.0);
    for process in processes {
        if process
            .parent()
            .is_some_and(|parent| family.contains(&parent))
        {
            family.insert(process);
            resident += process.mib("status", "VmRSS:").unwrap_or_default();
        }
    }
    resident
}
