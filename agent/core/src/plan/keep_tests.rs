//! What stays on record, and what goes.

use super::tests::planned;
use super::{Blocked, Goal, Observed, Policy, Step};
use crate::sample::{generation, node};
use crate::{Generation, GenerationId, GenerationStatus};
use orlop_config::Digest;

/// Steps of settling on generation 1 that remove something, as text.
fn removed(observed: &Observed) -> Vec<String> {
    let generation = GenerationId(1);
    let plan = planned(observed, &Goal::Settle { generation }).unwrap();
    let removals = plan.steps.iter().filter(|step| {
        matches!(
            step,
            Step::RemoveGeneration { .. } | Step::RemoveConfig { .. } | Step::RemoveVerdict { .. }
        )
    });
    removals.map(ToString::to_string).collect()
}

/// Good generations 2 to `last`, with the config that `[generations] keep` is in.
fn good_ones(last: u64, keep: &str) -> Observed {
    let others: Vec<_> = (2..=last).map(|id| generation(id, "1")).collect();
    let mut observed = node(&others);
    observed.state.staged = None;
    for id in 2..=last {
        let good = GenerationStatus::Good;
        observed.state.generations.insert(GenerationId(id), good);
    }
    let config = orlop_config::parse("node.toml", &format!("schema = 1\n{keep}")).unwrap();
    let digest = generation(1, "1").config;
    observed.config_files.insert(digest.clone());
    observed.configs.insert(digest, config);
    observed
}

#[test]
fn the_oldest_generations_beyond_those_to_keep_go_and_pinned_ones_stay() {
    let mut observed = good_ones(6, "generations.keep = 3");
    let forget =
        |id: u64| format!("forget generation {id}: remove /state/orlop/generations/{id}.json");
    // Generation 1 runs.
    assert_eq!(removed(&observed), [2, 3, 4].map(forget));
    observed
        .state
        .pinned
        .extend([GenerationId(2), GenerationId(4)]);
    assert_eq!(removed(&observed), [3].map(forget));
    assert_eq!(removed(&good_ones(8, "")), [""; 0]);
    assert_eq!(removed(&good_ones(9, "")), [2].map(forget));
}

#[test]
fn what_a_failed_staging_left_goes_and_configs_go_with_their_last_generation() {
    let mut observed = good_ones(2, "");
    let left = Generation {
        config: Digest::of(b"left"),
        ..generation(3, "3")
    };
    observed
        .config_files
        .extend([left.config.clone(), Digest::of(b"old")]);
    observed.generations.insert(left.id, left.clone());
    let mut expected = [left.config, Digest::of(b"old")]
        .map(|digest| format!("remove config {}", crate::paths::config(&digest)));
    expected.sort();
    let removed = removed(&observed);
    assert_eq!(
        removed[0],
        "forget generation 3: remove /state/orlop/generations/3.json"
    );
    assert_eq!(removed[1..], expected);
}

#[test]
fn the_oldest_verdicts_go_but_for_the_newest_of_each_generation() {
    let mut observed = good_ones(2, "");
    let keep = u32::try_from(Policy::default().keep_verdicts).unwrap();
    observed.verdicts.insert(1, GenerationId(1));
    observed
        .verdicts
        .extend((2..=keep + 3).map(|number| (number, GenerationId(2))));
    assert_eq!(
        removed(&observed),
        [2, 3, 4].map(|n| format!("remove old verdict /state/orlop/verdicts/2-{n}.json"))
    );
}

#[test]
fn only_a_good_generation_can_be_pinned() {
    let mut observed = good_ones(2, "");
    let generation = GenerationId(2);
    let plan = planned(&observed, &Goal::Pin { generation }).unwrap();
    let [Step::RecordState { state, .. }] = plan.steps.as_slice() else {
        panic!("{plan}")
    };
    observed.state = (**state).clone();
    assert!(observed.state.pinned.contains(&generation));
    // Again: nothing to do.
    assert_eq!(
        planned(&observed, &Goal::Pin { generation }).unwrap().steps,
        []
    );
    let plan = planned(&observed, &Goal::Unpin { generation }).unwrap();
    assert!(
        matches!(&plan.steps[..], [Step::RecordState { state, .. }] if state.pinned.is_empty())
    );
    observed
        .state
        .generations
        .insert(generation, GenerationStatus::Failed);
    assert_eq!(
        planned(&observed, &Goal::Pin { generation }),
        Err(Blocked::CannotPin { generation })
    );
    let generation = GenerationId(9);
    for goal in [Goal::Pin { generation }, Goal::Unpin { generation }] {
        assert_eq!(
            planned(&observed, &goal),
            Err(Blocked::NoSuchGeneration { generation })
        );
    }
}

#[test]
fn the_oldest_generations_are_forgotten_but_never_one_that_is_needed() {
    let others: Vec<_> = (2..=24).map(|id| generation(id, "1")).collect();
    let mut observed = node(&others);
    for id in 2..=24 {
        observed
            .state
            .generations
            .insert(GenerationId(id), GenerationStatus::Failed);
    }
    observed
        .state
        .generations
        .insert(GenerationId(20), GenerationStatus::Good);
    observed.state.current = Some(GenerationId(20));
    observed.state.staged = Some(GenerationId(2));
    let plan = planned(
        &observed,
        &Goal::Settle {
            generation: GenerationId(20),
        },
    )
    .unwrap();
    let forgotten: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::RemoveGeneration { generation, .. } => Some(generation.0),
            _ => None,
        })
        .collect();
    // 24 are on record, 8 stay; 1 is the one to go back to, 2 is staged.
    assert_eq!(forgotten, (3..=18).collect::<Vec<_>>());
    assert!(
        matches!(plan.steps[0], Step::RecordState { .. }),
        "the name goes before the content"
    );
}
