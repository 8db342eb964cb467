//! Plans of switches that have to be confirmed, and of images let go.

use super::tests::planned;
use super::{Blocked, Goal, Observed, Step};
use crate::sample::{generation, node, trial};
use crate::{
    BootId, Confirmation, GenerationId, Held, Moment, NodeState, Timestamp, TrialStage, Trigger,
    Uptime,
};
use orlop_config::Digest;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(300);

/// The last state that a plan records.
fn recorded(observed: &Observed, goal: &Goal) -> NodeState {
    let plan = planned(observed, goal).unwrap();
    let mut states = plan.steps.iter().rev().filter_map(|step| match step {
        Step::RecordState { state, .. } => Some(NodeState::clone(state)),
        _ => None,
    });
    states.next().expect("a recorded state")
}

/// Generation 2 on trial in boot `b1`, to be confirmed within five minutes of second 0.
fn to_confirm() -> Observed {
    let mut observed = node(&[generation(2, "1")]);
    let boot = BootId("b1".to_owned());
    let moment = Moment {
        boot: &boot,
        uptime: Uptime(0),
        now: Timestamp(1_700_000_000),
    };
    observed.state.staged = None;
    observed.state.trial = Some(crate::Trial {
        confirm: Some(Confirmation::begin(WITHIN, moment)),
        boot: boot.clone(),
        ..trial(None, TrialStage::Running)
    });
    observed.booted.boot = boot;
    observed.uptime = Uptime(60_000);
    observed
}

fn confirm() -> Goal {
    Goal::Confirm {
        caller: "uid 0".to_owned(),
    }
}

#[test]
fn a_switch_to_be_confirmed_is_recorded_so_before_it_begins() {
    let observed = node(&[generation(2, "2")]);
    let goal = Goal::Apply {
        mode: None,
        confirm: Some(WITHIN),
    };
    let plan = planned(&observed, &goal).unwrap();
    let purpose = "switch to generation 2, to be confirmed within 5m";
    assert_eq!(plan.purpose, purpose);
    let confirm = recorded(&observed, &goal).trial.unwrap().confirm.unwrap();
    assert_eq!((confirm.within(), confirm.by), (WITHIN, None));
}

#[test]
fn a_confirmation_is_recorded_once_with_its_giver() {
    let mut observed = to_confirm();
    observed.state = recorded(&observed, &confirm());
    let by = observed.state.trial.clone().unwrap().confirm.unwrap().by;
    assert_eq!(by.as_deref(), Some("uid 0"));
    assert_eq!(planned(&observed, &confirm()).unwrap().steps, []);
}

#[test]
fn a_confirmation_too_late_or_of_nothing_is_refused() {
    let mut observed = to_confirm();
    observed.uptime = Uptime(300_000);
    let generation = GenerationId(2);
    let late = Err(Blocked::TooLateToConfirm { generation });
    assert_eq!(planned(&observed, &confirm()), late);
    let idle = node(&[]);
    assert_eq!(planned(&idle, &confirm()), Err(Blocked::NothingToConfirm));
    let mut other = to_confirm();
    other.state.trial.as_mut().unwrap().confirm = None;
    assert_eq!(planned(&other, &confirm()), Err(Blocked::NothingToConfirm));
}

#[test]
fn without_a_confirmation_the_way_leads_back_and_its_images_are_held() {
    let mut observed = to_confirm();
    observed.generations.insert(GenerationId(2), {
        let mut second = generation(2, "1");
        let web = second.containers.get_mut("web").unwrap();
        web.manifest = Digest::of(b"new");
        second
    });
    let goal = Goal::End {
        trigger: Trigger::Unconfirmed { within_secs: 300 },
        log: vec![],
    };
    let after = recorded(&observed, &goal);
    assert_eq!(after.current, Some(GenerationId(1)));
    assert_eq!(after.held[0].manifest, Digest::of(b"new"));
}

#[test]
fn an_orderly_restart_writes_down_how_much_of_the_time_is_spent() {
    let observed = to_confirm();
    for goal in [Goal::GiveTryBack, Goal::Enter] {
        let trial = recorded(&observed, &goal).trial.unwrap();
        let confirm = trial.confirm.unwrap();
        assert_eq!(confirm.spent_millis, 60_000, "{goal:?}");
    }
}

fn holding(digests: &[&str]) -> Observed {
    let mut observed = node(&[]);
    observed.state.held = digests
        .iter()
        .map(|digest| Held {
            manifest: format!("sha256:{digest:0<64}").parse().unwrap(),
            root: format!("{digest:0<64}").parse().unwrap(),
            generation: GenerationId(1),
        })
        .collect();
    observed
}

fn release(digest: &str) -> Goal {
    Goal::Release {
        digest: digest.to_owned(),
    }
}

#[test]
fn a_held_image_is_let_go_by_the_beginning_of_its_digest() {
    let observed = holding(&["ab1", "ab2", "c"]);
    let whole = format!("sha256:{:0<64}", "c");
    for digest in ["c", "sha256:c0", &whole] {
        let left = recorded(&observed, &release(digest)).held;
        assert_eq!(left.len(), 2, "{digest}");
        assert!(
            left.iter()
                .all(|held| held.manifest.hex().starts_with("ab"))
        );
    }
}

#[test]
fn what_fits_no_held_image_or_several_is_refused_with_those_that_there_are() {
    let observed = holding(&["ab1", "ab2"]);
    let (first, second) = (
        format!("sha256:{:0<64}", "ab1"),
        format!("sha256:{:0<64}", "ab2"),
    );
    for (digest, why) in [
        (
            "ab",
            format!("cannot release ab: it stands for {first} and {second}"),
        ),
        (
            "b",
            format!("cannot release b: it is not on hold; on hold: {first}, {second}"),
        ),
        (
            "",
            format!("cannot release : it is not on hold; on hold: {first}, {second}"),
        ),
    ] {
        let refused = planned(&observed, &release(digest)).unwrap_err();
        assert_eq!(refused.to_string(), why);
    }
    let refused = planned(&holding(&[]), &release("ab")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot release ab: no image is on hold"
    );
}
