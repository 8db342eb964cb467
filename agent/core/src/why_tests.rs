//! Golden answers to `orlop why`.

use crate::boot::BootSequence;
use crate::sample::{generation, node, trial};
use crate::{
    GenerationId, GenerationStatus, Held, NodeState, Observed, Present, Timestamp, TrialKind,
    TrialStage, Trigger, Verdict, why,
};
use orlop_api::{CheckView, Fault, FaultKind, GateView};
use std::fmt::Write as _;

fn verdict(number: u32, generation: u64, running: u64, trigger: Trigger) -> Verdict {
    Verdict {
        format: 1,
        number,
        generation: GenerationId(generation),
        good: trigger == Trigger::Gate,
        running: GenerationId(running),
        trigger,
        at: Timestamp(1_700_000_300),
        log: vec![],
        checks: vec![],
    }
}

fn text(observed: &Observed, verdicts: &[Verdict], gate: Option<&GateView>) -> String {
    let present = Present {
        gate,
        ..Present::default()
    };
    text_with(observed, verdicts, present)
}

fn text_with(observed: &Observed, verdicts: &[Verdict], present: Present<'_>) -> String {
    let answer = why(&observed.state, &observed.generations, verdicts, present);
    let mut text = format!("running: {}\n", answer.running);
    for (key, value) in [
        ("not newer", answer.not_newer),
        ("waiting for", answer.waiting_for),
    ] {
        if let Some(value) = value {
            writeln!(text, "{key}: {value}").unwrap();
        }
    }
    for held in answer.held {
        let name = held.reference.unwrap_or_default();
        writeln!(text, "on hold: {name} {}", held.manifest).unwrap();
    }
    if let Some(verdict) = answer.verdict {
        writeln!(text, "verdict: {verdict:?}").unwrap();
    }
    text
}

/// Generation 2 with OS 2 was tried and left because of `trigger`.
fn left(trigger: Trigger) -> (Observed, Vec<Verdict>) {
    let second = generation(2, "2");
    let mut observed = node(std::slice::from_ref(&second));
    observed.state.staged = None;
    observed
        .state
        .generations
        .insert(GenerationId(2), GenerationStatus::Failed);
    observed.state.held.push(Held {
        manifest: second.os.manifest,
        root: second.os.root,
        generation: GenerationId(2),
    });
    (
        observed,
        vec![verdict(1, 1, 1, Trigger::Gate), verdict(2, 2, 1, trigger)],
    )
}

fn on_trial(kind: TrialKind) -> Observed {
    let mut observed = node(&[generation(2, "2")]);
    observed.state.staged = None;
    observed
        .state
        .generations
        .insert(GenerationId(2), GenerationStatus::Trial);
    observed.state.trial = Some(crate::Trial {
        kind,
        ..trial(Some(2), TrialStage::Running)
    });
    observed
}

fn gate(checks: &[(&str, Option<bool>, &str)]) -> GateView {
    let view = |(name, pass, detail): &(&str, Option<bool>, &str)| CheckView {
        name: (*name).to_owned(),
        pass: *pass,
        detail: (*detail).to_owned(),
    };
    let checks = checks.iter().map(view).collect();
    GateView {
        held_secs: 4,
        hold_secs: 10,
        left_secs: 50,
        checks,
    }
}

#[test]
fn why_of_a_fresh_node() {
    let mut observed = node(&[]);
    observed.state = NodeState::first(BootSequence(2));
    insta::assert_snapshot!("fresh", text(&observed, &[], None));
}

#[test]
fn why_of_a_node_on_its_only_generation() {
    insta::assert_snapshot!(
        "good",
        text(&node(&[]), &[verdict(1, 1, 1, Trigger::Gate)], None)
    );
}

#[test]
fn why_of_a_staged_generation() {
    let observed = node(&[generation(2, "2")]);
    insta::assert_snapshot!(
        "staged",
        text(&observed, &[verdict(1, 1, 1, Trigger::Gate)], None)
    );
}

#[test]
fn why_of_a_staged_generation_that_waits_for_its_window() {
    let mut observed = node(&[generation(2, "2")]);
    observed.state.staged_by_agent = true;
    let verdicts = [verdict(1, 1, 1, Trigger::Gate)];
    let present = Present {
        window: Some("2026-11-23 02:00 Europe/Berlin"),
        ..Present::default()
    };
    let text = text_with(&observed, &verdicts, present);
    insta::assert_snapshot!("window", text);
}

#[test]
fn why_of_a_trial_that_waits_for_its_confirmation() {
    let waits = "waits for `orlop config confirm`";
    let checks = [
        ("container web", Some(true), "running, healthy"),
        ("confirmation", None, waits),
    ];
    let gate = gate(&checks);
    let text = text(&on_trial(TrialKind::Update), &[], Some(&gate));
    insta::assert_snapshot!("confirmation", text);
}

#[test]
fn why_of_a_generation_that_nobody_confirmed() {
    let (observed, verdicts) = left(Trigger::Unconfirmed { within_secs: 300 });
    insta::assert_snapshot!("unconfirmed", text(&observed, &verdicts, None));
}

#[test]
fn why_of_a_trial() {
    let checks = [
        ("container web", Some(false), "unhealthy: exit status 1"),
        ("tcp 10.0.0.1:443", None, ""),
        ("http http://127.0.0.1:8080/", Some(true), ""),
    ];
    let gate = gate(&checks);
    insta::assert_snapshot!(
        "trial",
        text(&on_trial(TrialKind::Update), &[], Some(&gate))
    );
}

#[test]
fn why_of_a_trial_that_only_has_to_hold() {
    let gate = gate(&[("container web", Some(true), "")]);
    insta::assert_snapshot!(
        "holding",
        text(&on_trial(TrialKind::RollBack), &[], Some(&gate))
    );
}

#[test]
fn why_of_a_generation_rolled_back_by_a_check() {
    let (observed, verdicts) = left(Trigger::Check {
        check: "container web".to_owned(),
        detail: "unhealthy: exit status 1".to_owned(),
    });
    insta::assert_snapshot!("by_check", text(&observed, &verdicts, None));
}

#[test]
fn why_of_a_generation_rolled_back_by_the_boot_counter() {
    let (observed, verdicts) = left(Trigger::BootCounter { tries: 3 });
    insta::assert_snapshot!("by_counter", text(&observed, &verdicts, None));
}

#[test]
fn why_of_a_generation_rolled_back_by_the_operator() {
    let (observed, verdicts) = left(Trigger::Operator {
        caller: "uid 0".to_owned(),
    });
    insta::assert_snapshot!("by_operator", text(&observed, &verdicts, None));
}

#[test]
fn why_of_a_first_generation_that_fails() {
    let mut observed = node(&[]);
    observed
        .state
        .generations
        .insert(GenerationId(1), GenerationStatus::Failed);
    let trigger = Trigger::Check {
        check: "container web".to_owned(),
        detail: "no result yet".to_owned(),
    };
    insta::assert_snapshot!(
        "degraded",
        text(&observed, &[verdict(1, 1, 1, trigger)], None)
    );
}

#[test]
fn why_of_a_good_generation_that_fails_its_gate_after_a_roll_back() {
    let failed = || Trigger::Check {
        check: "container web".to_owned(),
        detail: "unhealthy: exit status 1".to_owned(),
    };
    let (mut observed, mut verdicts) = left(failed());
    observed
        .state
        .generations
        .insert(GenerationId(1), GenerationStatus::Failed);
    verdicts.push(verdict(3, 1, 1, failed()));
    let gate = gate(&[("container web", Some(false), "unhealthy: exit status 1")]);
    insta::assert_snapshot!("degraded_again", text(&observed, &verdicts, Some(&gate)));
}

#[test]
fn why_of_a_generation_rolled_back_by_a_panic() {
    let text_of = "Fatal exception in interrupt".to_owned();
    let (observed, mut verdicts) = left(Trigger::Panic { text: text_of });
    verdicts[1].log = vec![
        "RIP: 0010:napi_poll+0x1a/0x30".to_owned(),
        "Kernel panic - not syncing: Fatal exception in interrupt".to_owned(),
    ];
    insta::assert_snapshot!("by_panic", text(&observed, &verdicts, None));
}

#[test]
fn why_of_a_generation_rolled_back_by_the_watchdog() {
    let (observed, verdicts) = left(Trigger::Watchdog);
    insta::assert_snapshot!("by_watchdog", text(&observed, &verdicts, None));
}

#[test]
fn why_of_a_generation_whose_agent_could_not_stay_up() {
    let detail = "it ended with exit status 101".to_owned();
    let (observed, verdicts) = left(Trigger::AgentCrash { detail });
    insta::assert_snapshot!("by_agent", text(&observed, &verdicts, None));
}

#[test]
fn why_of_a_generation_whose_initrd_gave_up() {
    let detail = "cannot find the root 2222 in the store".to_owned();
    let (observed, verdicts) = left(Trigger::Initrd { detail });
    insta::assert_snapshot!("by_initrd", text(&observed, &verdicts, None));
}

#[test]
fn why_of_a_node_whose_disk_is_too_full() {
    let message = "cannot keep r.example/os:2: no space left in /state/store (about 40 MiB more \
                   were needed)";
    let full = Fault::new(FaultKind::Transient, message).hint("make room on the state partition");
    let present = Present {
        not_staged: Some(&full),
        ..Present::default()
    };
    let verdicts = [verdict(1, 1, 1, Trigger::Gate)];
    insta::assert_snapshot!("disk_full", text_with(&node(&[]), &verdicts, present));
}
