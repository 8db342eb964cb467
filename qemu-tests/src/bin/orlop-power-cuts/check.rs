//! Whether a cut disk boots, and into what.

use crate::esp::{EspView, TOML};
use crate::recording::{About, Phase};
use crate::state::StateView;
use orlop_config::{Digest, RootDigest};
use orlop_core::boot::{BootDecision, Booted, Entry, EntryFile, Remains, loader, resolve_boot};
use orlop_core::{BootId, GenerationId, GenerationStatus, Policy, TrialStage};

/// Boots that a node may need until it is on an entry without a counter, at the most: every try of a
/// trial, and one more.
const MAX_BOOTS: u32 = 8;

/// What a cut disk comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What is wrong; nothing, or the node is lost or has lost something.
    pub(crate) failures: Vec<String>,
    /// The root that the next boot mounts, for a boot to be compared with.
    pub(crate) boots: Option<String>,
    /// The root that the agent may restart the machine into right after that, where it goes on with
    /// what was cut short.
    pub(crate) goes_on_to: Option<String>,
    /// What the agent takes the next boot for.
    pub(crate) decision: Option<&'static str>,
}

/// Checks the two partitions of a disk against what has to hold in a phase.
pub(crate) fn check(
    esp: &EspView,
    state: &StateView,
    about: &About,
    phase: &Phase,
    boot_loader: &Digest,
) -> Checked {
    let mut checked = Checked::default();
    if let Some(why) = &esp.unusable {
        checked.failures.push(why.clone());
        return checked;
    }
    checked.failures.extend(state.problems.iter().cloned());
    match esp.boot_loader() {
        Ok(found) if found == *boot_loader => {}
        Ok(_) => checked
            .failures
            .push("the boot loader is not whole".to_owned()),
        Err(why) => checked.failures.push(why),
    }
    check_promises(state, phase, &mut checked);
    checked.failures.extend(
        state
            .runnable()
            .into_iter()
            .filter_map(|id| state.lacks(id)),
    );
    check_boots(esp, state, about, phase, &mut checked);
    checked
}

/// What the operator was told is still so.
fn check_promises(state: &StateView, phase: &Phase, checked: &mut Checked) {
    let current = state.node.as_ref().and_then(|node| node.current);
    let number = |id: Option<GenerationId>| id.map(|id| id.0);
    if !phase.current.contains(&number(current)) {
        let problem = format!(
            "generation {:?} is current, not one of {:?}",
            number(current),
            phase.current
        );
        checked.failures.push(problem);
    }
    let staged = state.node.as_ref().and_then(|node| number(node.staged));
    if phase.staged.is_some() && staged != phase.staged {
        checked
            .failures
            .push(format!("{staged:?} is staged, not {:?}", phase.staged));
    }
}

/// Plays the boot loader until it is on an entry without a counter, as if every boot before failed.
fn check_boots(
    esp: &EspView,
    state: &StateView,
    about: &About,
    phase: &Phase,
    checked: &mut Checked,
) {
    let mut entries = esp.entries.clone();
    for boot in 0..MAX_BOOTS {
        let Some(choice) = loader::choose(&entries, |path| esp.has(path)) else {
            checked
                .failures
                .push("the boot loader finds no entry to start".to_owned());
            return;
        };
        let name = choice.entry.name.clone();
        if let Some(renamed) = &choice.rename
            && let Some(file) = entries.iter_mut().find(|file| file.name == name)
        {
            file.name.clone_from(renamed);
        }
        let Some(entry) = Entry::read(&choice.entry.content) else {
            checked.failures.push(format!(
                "the boot loader starts {name}, which is no entry of ours"
            ));
            return;
        };
        if let Err(why) = esp.uki(&entry.root, about.ukis.get(&entry.root)) {
            checked.failures.push(format!("{name}: {why}"));
        }
        if let Some(Err(why)) = state.roots.get(&entry.root) {
            checked.failures.push(format!("{name}: {why}"));
        }
        let decision = check_decision(esp, state, about, &entry, &entries, boot, checked);
        if boot == 0 {
            checked.boots = Some(entry.root.to_string());
            checked.goes_on_to = aim_of(&decision, state).map(|root| root.to_string());
            checked.decision = Some(words_for(&decision));
        }
        if choice.rename.is_none() {
            return;
        }
    }
    checked.failures.push(format!(
        "after {MAX_BOOTS} boots no entry without a counter has come up, in {}",
        phase.name
    ));
}

/// What the agent makes of a boot must be something that it can go on from.
fn check_decision(
    esp: &EspView,
    state: &StateView,
    about: &About,
    entry: &Entry,
    entries: &[EntryFile],
    boot: u32,
    checked: &mut Checked,
) -> BootDecision {
    let booted = Booted {
        root: entry.root.clone(),
        boot: BootId(format!("boot {boot} after the cut")),
        remains: Remains::default(),
    };
    let (node, generations) = (state.node.as_ref(), &state.generations);
    let decision = resolve_boot(node, generations, &booted, entries, &Policy::default());
    let mut fail = |why: String| checked.failures.push(why);
    match &decision {
        BootDecision::FirstBoot => {
            if let Err(why) = esp.is(TOML, &about.toml) {
                fail(format!("the first boot has no config: {why}"));
            }
        }
        BootDecision::Normal { generation, status } => {
            if *status != GenerationStatus::Good {
                fail(format!("generation {generation} boots as {status:?}"));
            }
            if let Some(why) = state.lacks(*generation) {
                fail(why);
            }
        }
        BootDecision::TrialStarts { generation }
        | BootDecision::TrialGoesOn { generation }
        | BootDecision::SwitchInterrupted { generation }
        | BootDecision::EndingInterrupted { generation } => {
            if let Some(why) = state.lacks(*generation) {
                fail(why);
            }
        }
        // As it must be when the tries of the boots before were used up; the first boot has only
        // a power cut behind it, which is no failure.
        BootDecision::TrialWentDead { trigger, .. } => {
            if boot == 0 {
                fail(format!(
                    "the power cut counts as a failure of the trial: {trigger:?}"
                ));
            }
        }
        BootDecision::UnknownImage { root } => fail(format!("no generation has the root {root}")),
    }
    decision
}

/// Where what was cut short leads.
fn aim_of(decision: &BootDecision, state: &StateView) -> Option<RootDigest> {
    let aim = match decision {
        BootDecision::SwitchInterrupted { generation } => *generation,
        BootDecision::EndingInterrupted { .. } => {
            match &state.node.as_ref()?.trial.as_ref()?.stage {
                TrialStage::Ending { verdict } => verdict.running,
                TrialStage::Armed | TrialStage::Running => return None,
            }
        }
        BootDecision::FirstBoot
        | BootDecision::Normal { .. }
        | BootDecision::TrialStarts { .. }
        | BootDecision::TrialGoesOn { .. }
        | BootDecision::TrialWentDead { .. }
        | BootDecision::UnknownImage { .. } => return None,
    };
    Some(state.generations.get(&aim)?.os.root.clone())
}

/// What the agent takes a boot for, in words.
fn words_for(decision: &BootDecision) -> &'static str {
    match decision {
        BootDecision::FirstBoot => "first boot",
        BootDecision::Normal { .. } => "nothing under way",
        BootDecision::TrialStarts { .. } => "trial starts",
        BootDecision::TrialGoesOn { .. } => "trial goes on",
        BootDecision::TrialWentDead { .. } => "trial went dead",
        BootDecision::SwitchInterrupted { .. } => "switch was cut short",
        BootDecision::EndingInterrupted { .. } => "end of a trial was cut short",
        BootDecision::UnknownImage { .. } => "unknown image",
    }
}
