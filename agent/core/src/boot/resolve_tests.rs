//! What each kind of start means, as a table.

use super::{
    AgentFailure, BootDecision, BootSequence, Counter, CrashLog, Entry, EntryFile, Remains,
    resolve_boot,
};
use crate::sample::{booted, generation, node, root, trial};
use crate::{
    BootId, GenerationId, GenerationStatus, Observed, Policy, Timestamp, TrialKind, TrialStage,
    Trigger, Verdict,
};

const ONE: GenerationId = GenerationId(1);
const TWO: GenerationId = GenerationId(2);

fn resolve(observed: &Observed, entries: &[EntryFile]) -> BootDecision {
    resolve_boot(
        Some(&observed.state),
        &observed.generations,
        &observed.booted,
        entries,
        &Policy::default(),
    )
}

/// Generation 2 with OS `os` on trial, after a boot into `root` in the run `boot`.
fn trying(os: &str, entry: Option<u64>, stage: TrialStage, root: &str, boot: &str) -> Observed {
    let mut observed = node(&[generation(2, os)]);
    observed.state.trial = Some(trial(entry, stage));
    observed.booted = booted(root, boot);
    observed
}

fn entry(counter: Counter) -> Vec<EntryFile> {
    vec![Entry::new("2", BootSequence(2), root("2")).file(Some(counter))]
}

fn full() -> Vec<EntryFile> {
    entry(Counter::full(3))
}

fn used(left: u32) -> Vec<EntryFile> {
    entry(Counter {
        left,
        done: 3 - left,
    })
}

fn dead() -> BootDecision {
    BootDecision::TrialWentDead {
        trigger: Trigger::BootCounter { tries: 3 },
        log: vec![],
    }
}

#[test]
fn a_node_without_state_boots_for_the_first_time() {
    let observed = node(&[]);
    let decision = resolve_boot(
        None,
        &observed.generations,
        &observed.booted,
        &[],
        &Policy::default(),
    );
    assert_eq!(decision, BootDecision::FirstBoot);
}

#[test]
fn a_switch_to_another_image_is_judged_by_what_was_booted() {
    let starts = BootDecision::TrialStarts { generation: TWO };
    let goes_on = BootDecision::TrialGoesOn { generation: TWO };
    let interrupted = BootDecision::SwitchInterrupted { generation: TWO };
    let (armed, running) = (TrialStage::Armed, TrialStage::Running);
    for (why, stage, booted, boot, entries, expected) in [
        (
            "the agent died before the entry was written",
            &armed,
            "1",
            "b1",
            vec![],
            &interrupted,
        ),
        (
            "power was lost before the entry was written",
            &armed,
            "1",
            "b2",
            vec![],
            &interrupted,
        ),
        (
            "the boot loader never touched it",
            &armed,
            "1",
            "b2",
            full(),
            &interrupted,
        ),
        (
            "somebody chose another entry by hand",
            &armed,
            "1",
            "b2",
            used(2),
            &interrupted,
        ),
        ("every try was used up", &armed, "1", "b5", used(0), &dead()),
        ("the first try came up", &armed, "2", "b2", used(2), &starts),
        ("the last try came up", &armed, "2", "b4", used(0), &starts),
        (
            "the machine was restarted in the trial",
            &running,
            "2",
            "b2",
            used(1),
            &starts,
        ),
        (
            "the agent was restarted in the trial",
            &running,
            "2",
            "b1",
            used(2),
            &goes_on,
        ),
        (
            "it ran, and then not any more",
            &running,
            "1",
            "b5",
            used(0),
            &dead(),
        ),
    ] {
        let observed = trying("2", Some(2), stage.clone(), booted, boot);
        assert_eq!(resolve(&observed, &entries), *expected, "{why}");
    }
}

#[test]
fn a_boot_loader_that_will_not_start_the_entry_ends_the_switch() {
    let mut observed = trying("2", Some(2), TrialStage::Armed, "1", "b6");
    observed.state.trial.as_mut().unwrap().attempts = Policy::default().switch_attempts;
    let BootDecision::TrialWentDead {
        trigger: Trigger::Switch { detail },
        ..
    } = resolve(&observed, &full())
    else {
        panic!("it goes on");
    };
    assert_eq!(
        detail,
        "the boot loader did not start boot entry 2 in 5 attempts"
    );
}

#[test]
fn a_trial_of_the_same_image_goes_on_after_a_restart_but_not_for_ever() {
    for (stage, boots, boot, expected) in [
        (
            TrialStage::Running,
            0,
            "b1",
            BootDecision::TrialGoesOn { generation: TWO },
        ),
        (
            TrialStage::Running,
            0,
            "b2",
            BootDecision::TrialStarts { generation: TWO },
        ),
        (
            TrialStage::Running,
            2,
            "b2",
            BootDecision::TrialStarts { generation: TWO },
        ),
        (TrialStage::Running, 3, "b2", dead()),
        (
            TrialStage::Armed,
            0,
            "b1",
            BootDecision::SwitchInterrupted { generation: TWO },
        ),
        (
            TrialStage::Armed,
            2,
            "b2",
            BootDecision::SwitchInterrupted { generation: TWO },
        ),
        (TrialStage::Armed, 3, "b2", dead()),
    ] {
        let mut observed = trying("1", None, stage.clone(), "1", boot);
        observed.state.trial.as_mut().unwrap().boots = boots;
        assert_eq!(
            resolve(&observed, &[]),
            expected,
            "{stage:?} {boots} {boot}"
        );
    }
}

#[test]
fn a_verdict_that_was_reached_is_carried_out_whatever_was_booted() {
    let verdict = Verdict {
        format: 1,
        number: 1,
        generation: TWO,
        good: false,
        running: ONE,
        trigger: Trigger::Gate,
        at: crate::Timestamp(0),
        log: vec![],
        checks: vec![],
    };
    for root in ["1", "2"] {
        let stage = TrialStage::Ending {
            verdict: verdict.clone(),
        };
        let observed = trying("2", Some(2), stage, root, "b2");
        let expected = BootDecision::EndingInterrupted { generation: TWO };
        assert_eq!(resolve(&observed, &[]), expected);
    }
}

#[test]
fn without_a_switch_the_image_tells_the_generation() {
    use GenerationStatus::{Failed, Good};
    // Generations 1 and 3 have image 1, 2 and 4 have image 2.
    let others = [generation(2, "2"), generation(3, "1"), generation(4, "2")];
    for (why, statuses, current, root, expected) in [
        (
            "the current one",
            [Good, Good, Good, Good],
            1,
            "1",
            (1, Good),
        ),
        (
            "the newest good one",
            [Good, Good, Good, Failed],
            1,
            "2",
            (2, Good),
        ),
        (
            "the newest where none is good",
            [Good, Failed, Good, Failed],
            1,
            "2",
            (4, Failed),
        ),
        (
            "the current one though it failed",
            [Good, Good, Failed, Good],
            3,
            "1",
            (3, Failed),
        ),
    ] {
        let mut observed = node(&others);
        for (id, status) in (1..).map(GenerationId).zip(statuses) {
            observed.state.generations.insert(id, status);
        }
        observed.state.current = Some(GenerationId(current));
        observed.booted = booted(root, "b7");
        let (generation, status) = (GenerationId(expected.0), expected.1);
        assert_eq!(
            resolve(&observed, &[]),
            BootDecision::Normal { generation, status },
            "{why}"
        );
    }
}

#[test]
fn an_image_that_no_generation_has_is_unknown() {
    let mut observed = node(&[]);
    observed.booted = booted("9", "b1");
    assert_eq!(
        resolve(&observed, &[]),
        BootDecision::UnknownImage { root: root("9") }
    );
    // Not even a switch that is under way goes on.
    for stage in [TrialStage::Armed, TrialStage::Running] {
        let observed = trying("2", Some(2), stage, "9", "b2");
        assert_eq!(
            resolve(&observed, &full()),
            BootDecision::UnknownImage { root: root("9") }
        );
    }
}

fn crash(id: &str, line: &str) -> CrashLog {
    CrashLog {
        id: id.to_owned(),
        files: vec![],
        lines: vec!["before".to_owned(), line.to_owned()],
    }
}

fn panicked(id: &str) -> Remains {
    Remains {
        crashes: vec![crash(id, "Kernel panic - not syncing: NMI: Not continuing")],
        ..Remains::default()
    }
}

fn hung() -> Remains {
    Remains {
        watchdog: true,
        ..Remains::default()
    }
}

fn agent_failed(generation: u64, os: &str) -> Remains {
    let detail = "it ended with exit status 1".to_owned();
    let note = AgentFailure::new(
        Some(root(os)),
        BootId("b1".to_owned()),
        Some(GenerationId(generation)),
        detail,
        Timestamp(1_700_000_200),
    );
    Remains {
        agent: Some(note),
        ..Remains::default()
    }
}

/// The trigger that ends the trial; none where it does not end.
fn trigger_of(observed: &Observed, entries: &[EntryFile]) -> Option<Trigger> {
    match resolve(observed, entries) {
        BootDecision::TrialWentDead { trigger, .. } => Some(trigger),
        _ => None,
    }
}

fn panic_trigger() -> Trigger {
    Trigger::Panic {
        text: "NMI: Not continuing".to_owned(),
    }
}

#[test]
fn used_up_tries_are_explained_by_what_the_last_one_left() {
    let initrd = Remains {
        crashes: vec![
            crash("1", "Kernel panic - not syncing: NMI: Not continuing"),
            crash(
                "2",
                "orlop-initrd: cannot boot: cannot find the state partition; rebooting in 5 s",
            ),
        ],
        watchdog: true,
        ..Remains::default()
    };
    let detail = "cannot find the state partition".to_owned();
    for (remains, expected) in [
        (Remains::default(), Trigger::BootCounter { tries: 3 }),
        (panicked("1"), panic_trigger()),
        (hung(), Trigger::Watchdog),
        (initrd, Trigger::Initrd { detail }),
    ] {
        for stage in [TrialStage::Armed, TrialStage::Running] {
            let mut observed = trying("2", Some(2), stage, "1", "b5");
            observed.booted.remains = remains.clone();
            assert_eq!(trigger_of(&observed, &used(0)), Some(expected.clone()));
            // The last words of a kernel are kept.
            if let BootDecision::TrialWentDead { log, .. } = resolve(&observed, &used(0)) {
                assert_eq!(log.is_empty(), remains.crashes.is_empty());
            }
        }
    }
}

#[test]
fn a_crash_while_the_gate_judges_ends_an_update_at_once() {
    for (remains, expected) in [
        (panicked("1"), panic_trigger()),
        (hung(), Trigger::Watchdog),
    ] {
        for entry in [Some(2), None] {
            let os = if entry.is_some() { "2" } else { "1" };
            let mut observed = trying(os, entry, TrialStage::Running, os, "b2");
            observed.booted.remains = remains.clone();
            assert_eq!(trigger_of(&observed, &used(1)), Some(expected.clone()));
            // The same words again say nothing new; nor do they in the run that found them.
            observed.state.remains_seen = remains.ids();
            observed.booted.remains.watchdog = false;
            assert_eq!(trigger_of(&observed, &used(1)), None);
            let mut observed = trying(os, entry, TrialStage::Running, os, "b1");
            observed.booted.remains = remains.clone();
            assert_eq!(trigger_of(&observed, &used(1)), None);
        }
    }
}

#[test]
fn a_crash_before_the_gate_judges_or_on_the_operators_way_back_costs_a_try_and_no_more() {
    for remains in [panicked("1"), hung()] {
        let mut observed = trying("2", Some(2), TrialStage::Armed, "2", "b3");
        observed.booted.remains = remains.clone();
        assert_eq!(trigger_of(&observed, &used(1)), None);
        // The old image's kernel crashed on its way down.
        let mut observed = trying("2", Some(2), TrialStage::Armed, "1", "b2");
        observed.booted.remains = remains.clone();
        assert_eq!(trigger_of(&observed, &full()), None);
        let mut observed = trying("2", Some(2), TrialStage::Running, "2", "b2");
        observed.state.trial.as_mut().unwrap().kind = TrialKind::RollBack;
        observed.booted.remains = remains;
        assert_eq!(trigger_of(&observed, &used(1)), None);
    }
}

#[test]
fn an_agent_that_cannot_stay_up_ends_its_own_trial_whatever_was_booted() {
    let detail = "it ended with exit status 1".to_owned();
    let expected = Some(Trigger::AgentCrash { detail });
    for stage in [TrialStage::Armed, TrialStage::Running] {
        for (booted, boot) in [("1", "b2"), ("2", "b2"), ("2", "b1")] {
            let mut observed = trying("2", Some(2), stage.clone(), booted, boot);
            observed.booted.remains = agent_failed(2, "2");
            assert_eq!(trigger_of(&observed, &used(2)), expected);
            // An older trial's, and the old image's.
            observed.booted.remains = agent_failed(3, "2");
            assert_eq!(trigger_of(&observed, &used(2)), None);
            observed.booted.remains = agent_failed(2, "1");
            assert_eq!(trigger_of(&observed, &used(2)), None);
        }
    }
}
