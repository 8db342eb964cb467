//! The crash matrix: the executor over real files, cut before, after and in the middle of every
//! effect of stage, switch, commit and roll back; then the boot loader's choice, then the agent
//! again, until it rests. Whatever was cut, the node ends whole, on the old generation or the new.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod faulty;
mod life;
mod node;
mod scenario;

use faulty::{Cut, Faulty};
use life::{check_rest, play, prepared, settle};
use node::generation;
use orlop_core::Trigger;
use scenario::{Order, SICK, Scenario, first, gate_trigger, one_switch};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The effects of the scenario when nothing is cut.
async fn effects_of(scenario: &Scenario) -> Vec<String> {
    let mut node = prepared(scenario).await;
    let whole = Arc::new(Faulty::counting());
    settle(
        &mut node,
        &[Arc::clone(&whole)],
        scenario.order.clone(),
        scenario.stops,
    )
    .await;
    check_rest(&node, scenario, None);
    whole.log()
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future);
}

/// Keeps how many cuts a scenario has been through, where `make check` adds them up.
fn count(name: &str, effects: &[String], cuts: usize, what: &str) {
    let line = format!("{cuts} {what}: {name}, {} effects, 0 lost\n", effects.len());
    let file = format!("crash-matrix {name}, {what}");
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(file), line).unwrap();
}

/// Cuts every effect of the scenario in every way.
fn matrix(name: &str, scenario: &Scenario) {
    block_on(async {
        let effects = effects_of(scenario).await;
        for (k, effect) in effects.iter().enumerate() {
            for cut in Cut::ALL {
                eprintln!("{name}: {cut:?} {k} of {}: {effect}", effects.len());
                play(scenario, &[Arc::new(Faulty::cut(k, cut))], Some(cut)).await;
            }
        }
        count(name, &effects, effects.len() * Cut::ALL.len(), "cuts");
    });
}

/// Cuts every effect, and then every effect of the recovery too.
fn matrix_of_two(name: &str, scenario: &Scenario) {
    block_on(async {
        let effects = effects_of(scenario).await;
        let mut pairs = 0;
        for k in 0..effects.len() {
            for cut in [Cut::After, Cut::TornContent] {
                for j in 0.. {
                    eprintln!("{name}: {cut:?} {k}, then {j} of the recovery");
                    let second = Arc::new(Faulty::cut(j, cut));
                    let faults = [Arc::new(Faulty::cut(k, cut)), Arc::clone(&second)];
                    play(scenario, &faults, Some(cut)).await;
                    if !second.is_dead() {
                        break;
                    }
                    pairs += 1;
                }
            }
        }
        count(name, &effects, pairs, "pairs of cuts");
    });
}

#[test]
fn the_first_boot_cut_anywhere_ends_on_the_first_generation() {
    let scenario = Scenario {
        before: Vec::new(),
        order: None,
        panics: Vec::new(),
        agentless: Vec::new(),
        stops: false,
        ends: vec![1],
        blames: None,
    };
    matrix("first boot", &scenario);
}

#[test]
fn a_stage_cut_anywhere_leaves_the_running_generation_alone() {
    let order = Some(Order::Stage(generation(2, 'b', "two", "web")));
    matrix(
        "stage",
        &Scenario {
            order,
            ends: vec![1],
            ..one_switch(first())
        },
    );
}

#[test]
fn an_os_update_cut_anywhere_ends_on_the_old_or_the_new_generation() {
    matrix("os update", &one_switch(generation(2, 'b', "two", "web 2")));
}

#[test]
fn a_bad_os_update_cut_anywhere_ends_on_the_old_generation_and_blames_the_check() {
    let scenario = one_switch(generation(2, 'b', "two", SICK));
    let (ends, blames) = (vec![1], Some(gate_trigger()));
    matrix(
        "bad os update",
        &Scenario {
            ends,
            blames,
            ..scenario
        },
    );
}

#[test]
fn a_live_swap_cut_anywhere_ends_on_the_old_or_the_new_generation() {
    matrix("live swap", &one_switch(generation(2, 'd', "two", "web 2")));
}

#[test]
fn a_bad_live_swap_cut_anywhere_ends_on_the_old_generation_and_blames_the_check() {
    let scenario = one_switch(generation(2, 'd', "two", SICK));
    let (ends, blames) = (vec![1], Some(gate_trigger()));
    matrix(
        "bad live swap",
        &Scenario {
            ends,
            blames,
            ..scenario
        },
    );
}

#[test]
fn a_live_swap_to_an_os_that_hangs_ends_on_the_old_generation_and_blames_the_boot_counter() {
    let scenario = one_switch(generation(2, 'd', "two", "web"));
    let (ends, panics) = (vec![1], vec!['d']);
    let blames = Some(Trigger::BootCounter { tries: 3 });
    matrix(
        "hung live swap",
        &Scenario {
            ends,
            panics,
            blames,
            ..scenario
        },
    );
}

#[test]
fn an_os_that_panics_cut_anywhere_ends_on_the_old_generation_and_blames_the_boot_counter() {
    let scenario = one_switch(generation(2, 'b', "two", "web"));
    let (ends, blames) = (vec![1], Some(Trigger::BootCounter { tries: 3 }));
    matrix(
        "panicking os",
        &Scenario {
            ends,
            blames,
            panics: vec!['b'],
            ..scenario
        },
    );
}

#[test]
fn an_agent_that_cannot_stay_up_cut_anywhere_ends_on_the_old_generation_and_is_blamed() {
    let scenario = one_switch(generation(2, 'b', "two", "web"));
    let detail = "again".to_owned();
    let (ends, blames) = (vec![1], Some(Trigger::AgentCrash { detail }));
    matrix(
        "agent that cannot stay up",
        &Scenario {
            ends,
            blames,
            agentless: vec!['b'],
            ..scenario
        },
    );
}

#[test]
fn an_orderly_stop_in_a_trial_cut_anywhere_ends_on_the_old_or_the_new_generation() {
    let scenario = one_switch(generation(2, 'b', "two", "web"));
    matrix(
        "stop in a trial",
        &Scenario {
            stops: true,
            ..scenario
        },
    );
}

#[test]
fn a_config_switch_in_place_cut_anywhere_ends_on_the_old_or_the_new_generation() {
    matrix("config", &one_switch(generation(2, 'a', "two", "web 2")));
}

#[test]
fn a_bad_config_switch_cut_anywhere_ends_on_the_old_generation_and_blames_the_check() {
    let scenario = one_switch(generation(2, 'a', SICK, "web"));
    let (ends, blames) = (vec![1], Some(gate_trigger()));
    matrix(
        "bad config",
        &Scenario {
            ends,
            blames,
            ..scenario
        },
    );
}

#[test]
fn a_bad_container_cut_anywhere_ends_on_the_old_generation_and_blames_the_check() {
    let scenario = one_switch(generation(2, 'a', "one", SICK));
    let (ends, blames) = (vec![1], Some(gate_trigger()));
    matrix(
        "bad container",
        &Scenario {
            ends,
            blames,
            ..scenario
        },
    );
}

#[test]
fn an_ordered_roll_back_of_the_os_cut_anywhere_ends_on_one_of_the_two() {
    let before = vec![first(), generation(2, 'b', "two", "web 2")];
    let order = Some(Order::RollBack);
    matrix(
        "roll back",
        &Scenario {
            before,
            order,
            ..one_switch(first())
        },
    );
}

#[test]
fn an_ordered_roll_back_in_place_cut_anywhere_ends_on_one_of_the_two() {
    let before = vec![first(), generation(2, 'a', "two", "web 2")];
    let order = Some(Order::RollBack);
    matrix(
        "roll back in place",
        &Scenario {
            before,
            order,
            ..one_switch(first())
        },
    );
}

#[test]
fn an_os_update_cut_twice_ends_on_the_old_or_the_new_generation() {
    matrix_of_two("os update", &one_switch(generation(2, 'b', "two", "web 2")));
}

#[test]
fn a_bad_config_switch_cut_twice_ends_on_the_old_generation() {
    let scenario = one_switch(generation(2, 'a', SICK, "web"));
    let (ends, blames) = (vec![1], Some(gate_trigger()));
    matrix_of_two(
        "bad config",
        &Scenario {
            ends,
            blames,
            ..scenario
        },
    );
}
