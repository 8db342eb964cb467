//! A process that stays the same one: its number alone may be given away again.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::str::FromStr;

/// A process by its number and its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// Number in the host's pid namespace.
    pub pid: i32,
    /// Start time in clock ticks since the host booted (field 22 of `/proc/<pid>/stat`, proc(5)).
    pub start_ticks: u64,
}

impl ProcessId {
    /// The process that has this number now, or none.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, start_ticks) = parse_stat(&stat)?;
        // A zombie does nothing any more: for our purposes it is gone.
        (state != 'Z' && state != 'X').then_some(Self { pid, start_ticks })
    }

    /// The calling process.
    pub fn own() -> Option<Self> {
        Self::of(nix::unistd::getpid().as_raw())
    }

    /// Whether this very process still runs.
    pub fn alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }
}

/// State letter and start time out of a `/proc/<pid>/stat`. The name in the second field may hold
/// blanks and brackets, so the fields are counted from the last bracket.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // The state is field 3, the start time field 22.
    let start_ticks = fields.nth(18)?.parse().ok()?;
    Some((state, start_ticks))
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.start_ticks)
    }
}

impl FromStr for ProcessId {
    type Err = NotAProcessId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pid, ticks) = text.split_once('-').ok_or(NotAProcessId)?;
        match (pid.parse(), ticks.parse()) {
            (Ok(pid), Ok(start_ticks)) if pid > 0 => Ok(Self { pid, start_ticks }),
            _ => Err(NotAProcessId),
        }
    }
}

/// The text is not `<pid>-<start ticks>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read a process id: expected <pid>-<start ticks>")]
pub struct NotAProcessId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!(parse_stat(stat), Some(('S', 4242)));
    }

    #[test]
    fn the_own_process_is_alive_and_survives_its_text_form() {
        let own = ProcessId::own().unwrap();
        assert!(own.alive());
        assert_eq!(own.to_string().parse(), Ok(own));
    }

    #[test]
    fn the_same_number_with_another_start_time_is_another_process() {
        let own = ProcessId::own().unwrap();
        assert!(
            !ProcessId {
                start_ticks: own.start_ticks + 1,
                ..own
            }
            .alive()
        );
    }
}
