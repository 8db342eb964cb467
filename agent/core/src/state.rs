//! What a node remembers: the agent's one state file.

use crate::boot::BootSequence;
use crate::{Confirmation, Generation, GenerationId, Means, Timestamp, Trigger, Uptime, Verdict};
use orlop_config::{Digest, RootDigest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The format of the state file that this crate writes.
pub const STATE_FORMAT: u32 = 1;
/// Incompatible features that this crate knows. Format 1 began with none.
const KNOWN_FEATURES: &[&str] = &[];

/// How a generation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GenerationStatus {
    /// Fetched, never run.
    Staged,
    /// Being tried.
    Trial,
    /// Passed its gate.
    Good,
    /// Failed its gate or did not boot.
    Failed,
}

/// The kernel's id of one run of the machine (`/proc/sys/kernel/random/boot_id`): tells a restart
/// of the agent from one of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// What kind of switch a trial came of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialKind {
    /// The node's first generation: there is nothing to go back to.
    First,
    /// Something new: a failed gate leads back.
    Update,
    /// The operator went back to a generation that was good before. It stays even where its gate
    /// fails, for going on to what the operator left would undo the order; only the boot loader
    /// may leave it.
    RollBack,
}

/// How far a switch is. Together with the boot entries this is the journal: whatever is found here
/// after a crash is gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum TrialStage {
    /// Decided. The boot entry may or may not be written, the machine may or may not have been
    /// restarted; where no restart is needed, the containers may or may not be replaced.
    Armed,
    /// The generation runs and its gate is being judged.
    Running,
    /// Judged. What follows from the verdict may or may not be done.
    Ending {
        /// The verdict.
        verdict: Verdict,
    },
}

/// A switch from its beginning to its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What is tried.
    pub generation: GenerationId,
    /// What kind of switch it is.
    pub kind: TrialKind,
    /// The generation that was current when the switch began; a failure of an update leads back
    /// to it.
    pub fallback: Option<GenerationId>,
    /// How far it is.
    #[serde(flatten)]
    pub stage: TrialStage,
    /// What is used to get there, and back. A file of before there were live swaps has none.
    #[serde(default)]
    pub means: Means,
    /// Its boot entry; none where the switch needs no other OS image.
    pub entry: Option<BootSequence>,
    /// How often it may boot without a verdict.
    pub tries: u32,
    /// How often the machine was started under it without a verdict and without an orderly stop.
    /// Decides only where there is no boot entry whose counter does.
    pub boots: u32,
    /// How often the switch was begun: counts what was cut short before the trial ran.
    pub attempts: u32,
    /// How often lost tries were given back, because the machine tells that its power was lost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub given_back: u32,
    /// The run of the machine in which it was last touched.
    pub boot: BootId,
    /// When the switch began, by the node's clock.
    pub armed: Timestamp,
    /// When the gate began to judge, in the run of the machine `boot`; none before.
    pub gate_started: Option<Uptime>,
    /// The confirmation that it needs besides its gate; none where it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirmation>,
}

/// At most so many images are on hold, the newest: more than any node fails with between two good
/// generations, and the state file stays small.
pub const MAX_HELD: usize = 64;

/// Images that failed a trial. The agent does not stage them again by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Digest of the image's manifest.
    pub manifest: Digest,
    /// Its root file system.
    pub root: RootDigest,
    /// The generation that failed with it.
    pub generation: GenerationId,
}

/// Everything that the agent remembers besides the generations and verdicts themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// [`STATE_FORMAT`].
    pub format: u32,
    /// Features that a reader must know to read this file rightly.
    #[serde(default)]
    pub features: Vec<String>,
    /// The id that the next generation gets.
    pub next_generation: GenerationId,
    /// The number that the next boot entry gets.
    pub next_boot: BootSequence,
    /// The number that the next verdict gets.
    pub next_verdict: u32,
    /// The generation that the last switch settled on; none before the first.
    pub current: Option<GenerationId>,
    /// Every generation on record.
    pub generations: BTreeMap<GenerationId, GenerationStatus>,
    /// The generation that waits for `apply`.
    pub staged: Option<GenerationId>,
    /// Whether it was staged by the agent itself, which may switch to it by itself then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub staged_by_agent: bool,
    /// The switch under way.
    pub trial: Option<Trial>,
    /// Images that failed.
    #[serde(default)]
    pub held: Vec<Held>,
    /// Generations that stay on record until they are unpinned.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pinned: BTreeSet<GenerationId>,
    /// Ids of what earlier runs of the machine left behind and what has been taken into account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remains_seen: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A state file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not JSON, or a field is missing or of a wrong type.
    #[error("cannot read the node state {}", crate::paths::STATE)]
    Syntax(#[source] serde_json::Error),
    /// Of another format.
    #[error(
        "cannot use the node state {}: it has format {found}, this agent knows {STATE_FORMAT}; \
         start the OS image that wrote it, or a newer one",
        crate::paths::STATE
    )]
    Format {
        /// What the file says.
        found: u32,
    },
    /// Needs a feature that this version does not know.
    #[error(
        "cannot use the node state {}: it needs {}, which this agent does not know; \
         start the OS image that wrote it, or a newer one",
        crate::paths::STATE,
        .unknown.join(", ")
    )]
    Features {
        /// The unknown ones.
        unknown: Vec<String>,
    },
    /// Contradicts itself.
    #[error("cannot use the node state {}: {what}", crate::paths::STATE)]
    Broken {
        /// How.
        what: String,
    },
}

/// Read before anything else, so that a later format is refused by its number and not by a field.
#[derive(Deserialize)]
struct Header {
    format: u32,
    #[serde(default)]
    features: Vec<String>,
}

impl NodeState {
    /// The state of a node that has none: `next_boot` follows the entries that the disk came with.
    pub fn first(next_boot: BootSequence) -> Self {
        Self {
            format: STATE_FORMAT,
            features: Vec::new(),
            next_generation: GenerationId(1),
            next_boot,
            next_verdict: 1,
            current: None,
            generations: BTreeMap::new(),
            staged: None,
            staged_by_agent: false,
            trial: None,
            held: Vec::new(),
            pinned: BTreeSet::new(),
            remains_seen: Vec::new(),
        }
    }

    /// Reads a state file.
    ///
    /// # Errors
    /// Where it is no state, of another format, needs an unknown feature, or names a generation
    /// that it does not list.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let header: Header = serde_json::from_slice(bytes).map_err(StateError::Syntax)?;
        if header.format != STATE_FORMAT {
            return Err(StateError::Format {
                found: header.format,
            });
        }
        let unknown: Vec<_> = header
            .features
            .into_iter()
            .filter(|feature| !KNOWN_FEATURES.contains(&feature.as_str()))
            .collect();
        if !unknown.is_empty() {
            return Err(StateError::Features { unknown });
        }
        let state: Self = serde_json::from_slice(bytes).map_err(StateError::Syntax)?;
        state.check()?;
        Ok(state)
    }

    /// The state as the file has it, for people too: indented JSON and a newline.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("only strings are keys");
        bytes.push(b'\n');
        bytes
    }

    fn check(&self) -> Result<(), StateError> {
        let trial = self.trial.as_ref();
        let named = [
            ("current", self.current),
            ("staged", self.staged),
            ("trial", trial.map(|trial| trial.generation)),
            ("fallback", trial.and_then(|trial| trial.fallback)),
        ];
        for (what, id) in named {
            if let Some(id) = id.filter(|id| !self.generations.contains_key(id)) {
                return Err(StateError::Broken {
                    what: format!("`{what}` is generation {id}, which it does not list"),
                });
            }
        }
        Ok(())
    }

    /// The generation that runs or is to run: the trial's from the moment it runs, else the
    /// current one.
    pub fn running(&self) -> Option<GenerationId> {
        match &self.trial {
            Some(Trial {
                stage: TrialStage::Running,
                generation,
                ..
            }) => Some(*generation),
            _ => self.current,
        }
    }

    /// How `id` stands; none where it is not on record.
    pub fn status(&self, id: GenerationId) -> Option<GenerationStatus> {
        self.generations.get(&id).copied()
    }

    /// Whether an image of `generation` is on hold, and which.
    pub fn held_image<'a>(&'a self, generation: &Generation) -> Option<&'a Held> {
        self.held.iter().find(|held| {
            held.manifest == generation.os.manifest
                || generation
                    .containers
                    .values()
                    .any(|image| image.manifest == held.manifest)
        })
    }
}

impl Trial {
    /// What decided, where the trial has been judged.
    pub fn trigger(&self) -> Option<&Trigger> {
        match &self.stage {
            TrialStage::Armed | TrialStage::Running => None,
            TrialStage::Ending { verdict } => Some(&verdict.trigger),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    /// A state with something in every field.
    fn full() -> NodeState {
        let failed = sample::generation(3, "3");
        let verdict = Verdict {
            format: 1,
            number: 4,
            generation: GenerationId(2),
            good: false,
            running: GenerationId(1),
            trigger: Trigger::BootCounter { tries: 3 },
            at: Timestamp(1_700_000_300),
            log: vec!["cannot mount /".to_owned()],
            checks: vec![],
        };
        let mut state = sample::node(&[sample::generation(2, "2"), failed.clone()]).state;
        state.trial = Some(sample::trial(Some(2), TrialStage::Ending { verdict }));
        state.next_verdict = 4;
        state.held.push(Held {
            manifest: failed.os.manifest,
            root: failed.os.root,
            generation: failed.id,
        });
        state
    }

    #[test]
    fn a_file_of_format_1_is_still_read() {
        let text = include_bytes!("../fixtures/state-1-means.json");
        assert_eq!(NodeState::decode(text).unwrap(), full());
        assert_eq!(full().encode(), text);
        // Of before there were live swaps.
        let text = include_bytes!("../fixtures/state-1.json");
        assert_eq!(NodeState::decode(text).unwrap(), full());
    }

    fn refused(text: &str) -> String {
        NodeState::decode(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_this_agent_does_not_know_is_refused_by_name() {
        let text = String::from_utf8(full().encode()).unwrap();
        assert_eq!(
            refused(&text.replace(
                "\"format\": 1,\n  \"features",
                "\"format\": 2,\n  \"features"
            )),
            "cannot use the node state /state/orlop/state.json: it has format 2, this agent knows 1; \
             start the OS image that wrote it, or a newer one"
        );
        assert_eq!(
            refused(&text.replace("\"features\": []", "\"features\": [\"raid\", \"zfs\"]")),
            "cannot use the node state /state/orlop/state.json: it needs raid, zfs, which this agent \
             does not know; start the OS image that wrote it, or a newer one"
        );
        // A later format is refused by its number, whatever else it has.
        assert!(refused("{\"format\": 9}").contains("format 9"));
    }

    #[test]
    fn what_is_damaged_is_refused() {
        assert_eq!(
            refused("{"),
            "cannot read the node state /state/orlop/state.json"
        );
        assert_eq!(
            refused("{\"format\": 1}"),
            "cannot read the node state /state/orlop/state.json"
        );
        let mut state = full();
        state.staged = Some(GenerationId(99));
        let text = String::from_utf8(state.encode()).unwrap();
        assert_eq!(
            refused(&text),
            "cannot use the node state /state/orlop/state.json: `staged` is generation 99, \
             which it does not list"
        );
    }

    #[test]
    fn the_trials_generation_runs_from_the_moment_it_is_entered() {
        let mut state = full();
        for (stage, runs) in [(TrialStage::Armed, 1), (TrialStage::Running, 2)] {
            state.trial = Some(sample::trial(Some(2), stage));
            assert_eq!(state.running(), Some(GenerationId(runs)));
        }
    }
}
