//! Golden plans of live swaps.

use super::tests::{APPLY, failed_check, on_trial, planned, text};
use super::{Blocked, Ends, Goal, Means, Observed, Otherwise, Step};
use crate::boot::Counter;
use crate::sample::{booted, generation, node, root};
use crate::{Generation, GenerationId, TrialStage};
use orlop_api::Mode;

/// Generation 2 with another OS under the same kernel.
fn same_kernel() -> Generation {
    let mut second = generation(2, "2");
    second.os.boot = generation(1, "1").os.boot;
    second
}

#[test]
fn another_userspace_is_swapped_live_and_its_boot_entry_armed_all_the_same() {
    let plan = planned(&node(&[same_kernel()]), &APPLY).unwrap();
    assert_eq!(
        (plan.derived, plan.used, plan.ends()),
        (Means::Live, Means::Live, Ends::Rebooting)
    );
    insta::assert_snapshot!("live", plan.to_string());
}

#[test]
fn the_operator_and_then_the_config_may_ask_for_a_restart_instead() {
    let mut observed = node(&[same_kernel()]);
    let text = "schema = 1\nupdate = { disruption = \"reboot\" }\n";
    let config = orlop_config::parse("node.toml", text).unwrap();
    let digest = observed.generations[&GenerationId(2)].config.clone();
    let used = |observed: &Observed, mode| {
        let plan = planned(
            observed,
            &Goal::Apply {
                mode,
                confirm: None,
            },
        )
        .unwrap();
        (plan.used, plan.steps.last().cloned())
    };
    let swap = Step::SwapRoot {
        root: root("2"),
        otherwise: Otherwise::Fail,
    };
    assert_eq!(
        used(&observed, Some(Mode::Reboot)),
        (Means::Reboot, Some(Step::Reboot))
    );
    observed.configs.insert(digest, config);
    assert_eq!(used(&observed, None), (Means::Reboot, Some(Step::Reboot)));
    assert_eq!(used(&observed, Some(Mode::Live)), (Means::Live, Some(swap)));
}

#[test]
fn a_live_swap_says_which_containers_go_on_and_which_are_replaced() {
    let (mut first, mut second) = (generation(1, "1"), same_kernel());
    let web = first.containers["web"].clone();
    let db = crate::ContainerImage {
        manifest: orlop_config::Digest::of(b"newer"),
        ..web.clone()
    };
    first.containers.insert("db".to_owned(), web);
    second.containers.insert("db".to_owned(), db);
    let mut observed = node(&[second]);
    observed.generations.insert(first.id, first);
    let plan = planned(&observed, &APPLY).unwrap();
    assert_eq!(
        plan.interrupts,
        [
            "host services restart: about a second",
            "container db is replaced: a few seconds",
            "the other containers go on",
        ]
    );
}

#[test]
fn a_live_swap_to_another_kernel_is_refused() {
    let goal = Goal::Apply {
        mode: Some(Mode::Live),
        confirm: None,
    };
    let generation = GenerationId(2);
    assert_eq!(
        planned(&node(&[crate::sample::generation(2, "2")]), &goal),
        Err(Blocked::NotLive { generation })
    );
}

/// [`same_kernel`] on trial after a live swap.
fn on_live_trial(stage: TrialStage, attempts: u32) -> Observed {
    let mut observed = on_trial(Counter::full(3));
    observed.generations.insert(GenerationId(2), same_kernel());
    observed.booted = booted("2", "b1");
    let trial = observed.state.trial.as_mut().unwrap();
    (trial.means, trial.stage, trial.attempts) = (Means::Live, stage, attempts);
    observed
}

#[test]
fn a_failed_gate_after_a_live_swap_swaps_back_or_else_restarts() {
    let observed = on_live_trial(TrialStage::Running, 1);
    insta::assert_snapshot!("live_back", text(&observed, &failed_check()));
}

#[test]
fn a_live_swap_that_does_not_arrive_is_begun_again_and_then_becomes_a_restart() {
    for (attempts, means) in [(1, Means::Live), (2, Means::Live), (3, Means::Reboot)] {
        let mut observed = on_live_trial(TrialStage::Armed, attempts);
        observed.booted = booted("1", "b1");
        assert_eq!(planned(&observed, &Goal::GoOn).unwrap().used, means);
    }
}
