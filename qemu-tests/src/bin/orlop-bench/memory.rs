//! The memory of the agent in a namespace node, as the host's kernel counts it.

use crate::Outcome;
use std::fs;
use std::path::PathBuf;

/// What resets the peak of a process' resident memory (proc_pid_clear_refs(5)).
pub(crate) const RESET_PEAK: &str = "5";
/// KiB of a MiB.
const KIB: f64 = 1024.0;

/// The agent's process.
#[derive(Debug)]
pub(crate) struct AgentProcess {
    /// Its folder in the node's /proc.
    dir: PathBuf,
}

/// Its memory in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All pages in memory, those of the program file too.
    pub(crate) resident: f64,
    /// The same, shared pages divided by those that share them.
    pub(crate) proportional: f64,
    /// Pages that hold no file: heap and stacks.
    pub(crate) anonymous: f64,
    /// The most that was ever resident since the last reset.
    pub(crate) peak: f64,
}

impl AgentProcess {
    /// The process `pid` of the node whose init is `init` on the host.
    pub(crate) fn new(init: i32, pid: &str) -> Self {
        let dir = PathBuf::from(format!("/proc/{init}/root/proc")).join(pid);
        Self { dir }
    }

    pub(crate) fn reset_peak(&self) -> Outcome<()> {
        Ok(fs::write(self.dir.join("clear_refs"), RESET_PEAK)?)
    }

    pub(crate) fn memory(&self) -> Outcome<Memory> {
        let status = fs::read_to_string(self.dir.join("status"))?;
        let rollup = fs::read_to_string(self.dir.join("smaps_rollup"))?;
        Ok(Memory {
            resident: mib(&status, "VmRSS:")?,
            proportional: mib(&rollup, "Pss:")?,
            anonymous: mib(&status, "RssAnon:")?,
            peak: mib(&status, "VmHWM:")?,
        })
    }
}

/// The value of a line `VmRSS:   1234 kB`, in MiB.
pub(crate) fn mib(text: &str, name: &str) -> Outcome<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: f64 = kib.ok_or_else(|| format!("no {name} in {text}"))?.parse()?;
    Ok(kib / KIB)
}
