//! What the last run of the machine left behind: the evidence of how it ended.

use super::pstore::CrashLog;
use super::{Counter, EntryFile, EntryName};
use crate::{BootId, GenerationId, Timestamp, Trial, Trigger, VERDICT_LOG_LINES, paths};
use orlop_config::RootDigest;
use serde::{Deserialize, Serialize};

/// The format of the note that this crate writes.
const NOTE_FORMAT: u32 = 1;

/// What the machine tells about the end of its last run. Nothing is the usual case: an orderly
/// restart, or a power loss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Last words of kernels, oldest first.
    pub crashes: Vec<CrashLog>,
    /// The hardware watchdog has ended the last run.
    pub watchdog: bool,
    /// An agent that could not stay up.
    pub agent: Option<AgentFailure>,
    /// Whether the machine keeps last words and has a watchdog at work. Only then does nothing found
    /// mean that nothing failed.
    pub telling: bool,
}

/// The note of an agent that could not stay up, `/state/orlop/agent-failure.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFailure {
    /// 1.
    pub format: u32,
    /// The OS image whose agent it was; none where even that could not be told.
    pub root: Option<RootDigest>,
    /// The run of the machine.
    pub boot: BootId,
    /// The generation that was on trial then.
    pub generation: Option<GenerationId>,
    /// How the agent ended the last time.
    pub detail: String,
    /// Its last log lines, oldest first.
    #[serde(default)]
    pub log: Vec<String>,
    /// When.
    pub at: Timestamp,
}

/// A note that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Not JSON, or a field is missing or of a wrong type.
    #[error("cannot read the note of the agent's failure")]
    Syntax(#[from] serde_json::Error),
    /// Of another format.
    #[error(
        "cannot use the note of the agent's failure: it has format {found}, this agent knows {NOTE_FORMAT}"
    )]
    Format {
        /// What the file says.
        found: u32,
    },
}

impl AgentFailure {
    /// A note of now.
    pub fn new(
        root: Option<RootDigest>,
        boot: BootId,
        generation: Option<GenerationId>,
        detail: String,
        at: Timestamp,
    ) -> Self {
        Self {
            format: NOTE_FORMAT,
            root,
            boot,
            generation,
            detail,
            log: Vec::new(),
            at,
        }
    }

    /// Reads a note.
    ///
    /// # Errors
    /// Where it is none, or one of another format.
    pub fn decode(bytes: &[u8]) -> Result<Self, NoteError> {
        let note: Self = serde_json::from_slice(bytes)?;
        match note.format {
            NOTE_FORMAT => Ok(note),
            found => Err(NoteError::Format { found }),
        }
    }

    /// The note as its file has it: indented JSON and a newline.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("it has no maps");
        bytes.push(b'\n');
        bytes
    }

    fn id(&self) -> String {
        format!("agent-failure {} {}", self.boot.0, self.at.0)
    }
}

/// The trial's boot entry as it is, and as one that is used up, by path: what makes the next boot lead
/// back. None where there is no such entry, it is good, or it is used up.
pub fn used_up(trial: &Trial, entries: &[EntryFile]) -> Option<(String, String)> {
    let from = entries
        .iter()
        .filter_map(|file| file.name.parse::<EntryName>().ok())
        .filter(|name| Some(name.sequence) == trial.entry)
        // One that was cut short may have left both names.
        .find(|name| name.counter.is_some_and(|counter| counter.left > 0))?;
    let counter = from.counter?;
    let to = EntryName {
        counter: Some(Counter {
            left: 0,
            done: counter.done.saturating_add(counter.left),
        }),
        ..from
    };
    Some((
        paths::entry(&from.to_string()),
        paths::entry(&to.to_string()),
    ))
}

/// How a service ended, from what systemd tells the unit that it starts because of it
/// (systemd.exec(5), `MONITOR_SERVICE_RESULT` and its like).
pub fn service_end(result: &str, code: &str, status: &str) -> String {
    match (result, code) {
        ("watchdog", _) => "it hung: systemd's watchdog ended it".to_owned(),
        ("timeout", _) => "it did not start or stop in time".to_owned(),
        ("oom-kill", _) => "it was killed for want of memory".to_owned(),
        (_, "exited") => format!("it ended with exit status {status}"),
        (_, "killed" | "dumped") => format!("it was ended by signal {status}"),
        ("", _) => "how is not known".to_owned(),
        (result, _) => format!("systemd says `{result}`"),
    }
}

impl Remains {
    /// The ids of all that is found, for the node state to remember.
    pub fn ids(&self) -> Vec<String> {
        let crashes = self.crashes.iter().map(|crash| crash.id.clone());
        crashes
            .chain(self.agent.as_ref().map(AgentFailure::id))
            .collect()
    }

    /// What of it is not among `seen`: those have been taken into account before.
    #[must_use]
    pub fn unseen(&self, seen: &[String]) -> Self {
        let new = |id: &String| !seen.contains(id);
        Self {
            crashes: self
                .crashes
                .iter()
                .filter(|crash| new(&crash.id))
                .cloned()
                .collect(),
            agent: self.agent.clone().filter(|note| new(&note.id())),
            ..self.clone()
        }
    }

    /// Whether the machine can tell, and tells of no failure: its last run was stopped in good order
    /// or lost its power.
    pub fn tell_of_no_failure(&self) -> bool {
        self.telling && self.crashes.is_empty() && !self.watchdog && self.agent.is_none()
    }

    /// What ended the last run without the agent: a kernel's or an initrd's own last words, else the
    /// watchdog.
    pub fn end_of_run(&self) -> Option<(Trigger, Vec<String>)> {
        if let Some(crash) = self.crashes.last() {
            return Some((crash.trigger(), crash.last_lines(VERDICT_LOG_LINES)));
        }
        self.watchdog.then(|| (Trigger::Watchdog, Vec::new()))
    }

    /// What the note of the agent's failure says, where it is about the trial of `generation` under
    /// the OS image `root`.
    pub fn agent_end(
        &self,
        generation: GenerationId,
        root: &RootDigest,
    ) -> Option<(Trigger, Vec<String>)> {
        let note = self.agent.as_ref()?;
        let of_trial = note.generation == Some(generation) && note.root.as_ref() == Some(root);
        of_trial.then(|| {
            let trigger = Trigger::AgentCrash {
                detail: note.detail.clone(),
            };
            (trigger, note.log.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrialStage;
    use crate::sample::{root, trial};

    fn note() -> AgentFailure {
        AgentFailure {
            log: vec!["thread panicked".to_owned()],
            ..AgentFailure::new(
                Some(root("2")),
                BootId("b7".to_owned()),
                Some(GenerationId(2)),
                service_end("exit-code", "exited", "101"),
                Timestamp(5),
            )
        }
    }

    #[test]
    fn a_note_is_read_back_and_blames_its_own_trial_alone() {
        let note = AgentFailure::decode(&note().encode()).unwrap();
        assert_eq!(note, self::note());
        let remains = Remains {
            agent: Some(note),
            ..Remains::default()
        };
        let (trigger, log) = remains.agent_end(GenerationId(2), &root("2")).unwrap();
        let detail = "it ended with exit status 101".to_owned();
        assert_eq!(trigger, Trigger::AgentCrash { detail });
        assert_eq!(log, ["thread panicked"]);
        assert_eq!(remains.agent_end(GenerationId(3), &root("2")), None);
        // The old image's agent crashed while the switch was being made.
        assert_eq!(remains.agent_end(GenerationId(2), &root("1")), None);
    }

    #[test]
    fn a_note_of_another_format_is_refused_by_its_number() {
        let mut other = note();
        other.format = 2;
        let refused = AgentFailure::decode(&other.encode()).unwrap_err();
        let text =
            "cannot use the note of the agent's failure: it has format 2, this agent knows 1";
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn a_counted_entry_is_used_up_at_once_and_a_good_one_never() {
        let trial = trial(Some(2), TrialStage::Armed);
        for (name, expected) in [
            ("orlop-2+3.conf", Some("orlop-2+0-3.conf")),
            ("orlop-2+1-2.conf", Some("orlop-2+0-3.conf")),
            ("orlop-2+0-3.conf", None),
            ("orlop-2.conf", None),
            ("orlop-1.conf", None),
            ("orlop-1+2-1.conf", None),
        ] {
            let content = String::new();
            let name_of = name.to_owned();
            let files = [EntryFile {
                name: name_of,
                content,
            }];
            let expected = expected.map(|to| (paths::entry(name), paths::entry(to)));
            assert_eq!(used_up(&trial, &files), expected, "{name}");
        }
    }

    #[test]
    fn what_was_seen_is_not_found_again() {
        let remains = Remains {
            agent: Some(note()),
            telling: true,
            ..Remains::default()
        };
        assert!(!remains.tell_of_no_failure());
        let again = remains.unseen(&remains.ids());
        assert!(again.tell_of_no_failure());
        assert_eq!(remains.unseen(&["another".to_owned()]), remains);
    }

    #[test]
    fn each_end_of_a_service_has_its_words() {
        for (result, code, status, words) in [
            ("exit-code", "exited", "1", "it ended with exit status 1"),
            ("signal", "killed", "SEGV", "it was ended by signal SEGV"),
            ("core-dump", "dumped", "ABRT", "it was ended by signal ABRT"),
            (
                "watchdog",
                "dumped",
                "ABRT",
                "it hung: systemd's watchdog ended it",
            ),
            (
                "timeout",
                "killed",
                "TERM",
                "it did not start or stop in time",
            ),
            (
                "oom-kill",
                "killed",
                "KILL",
                "it was killed for want of memory",
            ),
            ("resources", "", "", "systemd says `resources`"),
            ("", "", "", "how is not known"),
        ] {
            assert_eq!(service_end(result, code, status), words);
        }
    }
}
