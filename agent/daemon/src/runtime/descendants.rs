//! Killing a program with everything that it started.
//!
//! A command that crun runs in a container is crun's child. crun killed alone leaves it running.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;

/// A program that starts others as fast as they are killed is given up on.
const ROUNDS: usize = 5;

/// Kills every descendant of the process `pid`, but not itself. Returns when the signals are sent.
pub(super) fn kill_below(pid: u32) {
    for _ in 0..ROUNDS {
        let found = below(pid, &parents());
        if found.is_empty() {
            return;
        }
        for pid in found {
            let Ok(pid) = i32::try_from(pid) else {
                continue;
            };
            if let Err(error) = kill(Pid::from_raw(pid), Signal::SIGKILL) {
                log::debug!(pid, error:% = error; "ignoring a process that cannot be killed");
            }
        }
    }
}

/// Every process with its parent, except for those that have ended already.
fn parents() -> BTreeMap<u32, u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    let numbers = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, living_parent(&stat)?))
        })
        .collect()
}

/// The parent in a process's `stat` (proc_pid_stat(5)); none where the process is a zombie.
fn living_parent(stat: &str) -> Option<u32> {
    // The name stands in parentheses and may have some itself.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z" && state != "X").then_some(parent)
}

/// How many processes there are below `pid`.
#[cfg(test)]
pub(super) fn count_below(pid: u32) -> usize {
    below(pid, &parents()).len()
}

fn below(root: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let children = parents.iter().filter(|(_, of)| **of == parent);
        let new: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        found.extend(new.into_iter().filter(|pid| *pid != root));
    }
    found.remove(0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_whatever_the_programs_name() {
        assert_eq!(living_parent("12 (a) b) S 7 12 12"), Some(7));
        assert_eq!(living_parent("12 (sh) Z 7 12 12"), None);
        assert_eq!(living_parent("nonsense"), None);
    }

    #[test]
    fn children_of_children_are_below_and_others_are_not() {
        let parents = BTreeMap::from([(2, 1), (3, 2), (4, 3), (5, 1), (6, 9)]);
        assert_eq!(below(2, &parents), [3, 4]);
        assert_eq!(below(6, &parents), Vec::<u32>::new());
    }
}
