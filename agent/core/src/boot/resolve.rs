//! Which generation a boot brought up, and what has to be done about it.

use super::{EntryFile, EntryName, Remains};
use crate::{
    BootId, Generation, GenerationId, GenerationStatus, NodeState, Policy, Trial, TrialKind,
    TrialStage, Trigger,
};
use orlop_config::RootDigest;
use std::collections::BTreeMap;

/// What was booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booted {
    /// The root that the initrd mounted (`/etc/orlop/boot.json`).
    pub root: RootDigest,
    /// The kernel's id of this run of the machine.
    pub boot: BootId,
    /// What the run before left behind.
    pub remains: Remains,
}

/// What a start of the agent means. Each variant names what to do, so that doing it again after
/// another crash is right too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootDecision {
    /// There is no node state: make the first generation of what runs.
    FirstBoot,
    /// No switch is under way. This generation runs; it is the current one, or where another image
    /// was booted, the newest good one of that image.
    Normal {
        /// What runs.
        generation: GenerationId,
        /// How it stands: anything but good is a degraded node.
        status: GenerationStatus,
    },
    /// The machine has started into the trial: note it, start the gate.
    TrialStarts {
        /// What is on trial.
        generation: GenerationId,
    },
    /// The agent was restarted in the middle of a trial: go on judging.
    TrialGoesOn {
        /// What is on trial.
        generation: GenerationId,
    },
    /// The trial is over without the agent having judged it.
    TrialWentDead {
        /// What ended it: what the machine's last run left behind tells, else the boot counter, or
        /// a boot loader that would not choose the entry.
        trigger: Trigger,
        /// The last words of what failed, oldest first.
        log: Vec<String>,
    },
    /// The switch was cut short before the trial could begin: go on with it. Burns no try.
    SwitchInterrupted {
        /// What is being switched to.
        generation: GenerationId,
    },
    /// The trial was judged, and what follows was cut short: go on with it.
    EndingInterrupted {
        /// What was on trial.
        generation: GenerationId,
    },
    /// No generation has this root: run what runs, change nothing, say so.
    UnknownImage {
        /// The root.
        root: RootDigest,
    },
}

/// What this start of the agent means, from what it remembers, what was booted and what lies on the
/// ESP. `state` is none where there is no state file.
pub fn resolve_boot(
    state: Option<&NodeState>,
    generations: &BTreeMap<GenerationId, Generation>,
    booted: &Booted,
    entries: &[EntryFile],
    policy: &Policy,
) -> BootDecision {
    let Some(state) = state else {
        return BootDecision::FirstBoot;
    };
    // A rescue image, say: whatever is under way waits until one of ours runs again.
    let Some((generation, status)) = generation_of_root(state, generations, &booted.root) else {
        return BootDecision::UnknownImage {
            root: booted.root.clone(),
        };
    };
    match &state.trial {
        Some(trial) => {
            let remains = booted.remains.unseen(&state.remains_seen);
            resolve_trial(trial, generations, (booted, &remains), entries, policy)
        }
        None => BootDecision::Normal { generation, status },
    }
}

fn resolve_trial(
    trial: &Trial,
    generations: &BTreeMap<GenerationId, Generation>,
    (booted, remains): (&Booted, &Remains),
    entries: &[EntryFile],
    policy: &Policy,
) -> BootDecision {
    let generation = trial.generation;
    if matches!(trial.stage, TrialStage::Ending { .. }) {
        return BootDecision::EndingInterrupted { generation };
    }
    let runs = generations
        .get(&generation)
        .is_some_and(|g| g.os.root == booted.root);
    let same_boot = trial.boot == booted.boot;
    if let Some((trigger, log)) = end_by_remains(trial, generations, booted, remains) {
        return BootDecision::TrialWentDead { trigger, log };
    }
    match (&trial.stage, trial.entry) {
        // Without an entry the OS is the same: containers and config may be half replaced.
        (TrialStage::Armed, None) if same_boot || trial.boots < trial.tries => {
            BootDecision::SwitchInterrupted { generation }
        }
        (TrialStage::Running, _) if runs && same_boot => BootDecision::TrialGoesOn { generation },
        (_, None) if runs && trial.boots < trial.tries => BootDecision::TrialStarts { generation },
        (_, None) => went_dead(trial, remains),
        (_, Some(_)) if runs => BootDecision::TrialStarts { generation },
        (_, Some(sequence)) => {
            let tries_left = entries
                .iter()
                .filter_map(|file| file.name.parse::<EntryName>().ok())
                .find(|name| name.sequence == sequence)
                .map(|name| name.counter.map(|counter| counter.left));
            match tries_left {
                Some(Some(0)) => went_dead(trial, remains),
                _ if trial.attempts >= policy.switch_attempts => BootDecision::TrialWentDead {
                    trigger: Trigger::Switch {
                        detail: format!(
                            "the boot loader did not start boot entry {sequence} in {} attempts",
                            trial.attempts
                        ),
                    },
                    log: Vec::new(),
                },
                _ => BootDecision::SwitchInterrupted { generation },
            }
        }
    }
}

/// What ended the trial though it has tries left. An agent that cannot stay up ends it at once. So
/// does a kernel that crashed or hung once the gate was judging: what is to be good must stay up. The
/// operator's way back to what was good before has its tries for that.
fn end_by_remains(
    trial: &Trial,
    generations: &BTreeMap<GenerationId, Generation>,
    booted: &Booted,
    remains: &Remains,
) -> Option<(Trigger, Vec<String>)> {
    let root = &generations.get(&trial.generation)?.os.root;
    let judged = trial.stage == TrialStage::Running && trial.kind == TrialKind::Update;
    let by_run = || {
        let another_run = judged && trial.boot != booted.boot;
        another_run.then(|| remains.end_of_run()).flatten()
    };
    remains.agent_end(trial.generation, root).or_else(by_run)
}

/// Its tries are used up; the last one's end is the reason, where it left one.
fn went_dead(trial: &Trial, remains: &Remains) -> BootDecision {
    let counter = || (Trigger::BootCounter { tries: trial.tries }, Vec::new());
    let (trigger, log) = remains.end_of_run().unwrap_or_else(counter);
    BootDecision::TrialWentDead { trigger, log }
}

/// The generation of the image that runs: the current one where it has this root, else the newest
/// good one that does, else the newest one at all.
pub(crate) fn generation_of_root(
    state: &NodeState,
    generations: &BTreeMap<GenerationId, Generation>,
    root: &RootDigest,
) -> Option<(GenerationId, GenerationStatus)> {
    let candidates = || {
        generations
            .values()
            .rev()
            .filter(|generation| generation.os.root == *root)
            .filter_map(|generation| Some((generation.id, state.status(generation.id)?)))
    };
    candidates()
        .find(|(id, _)| Some(*id) == state.current)
        .or_else(|| candidates().find(|(_, status)| *status == GenerationStatus::Good))
        .or_else(|| candidates().next())
}
