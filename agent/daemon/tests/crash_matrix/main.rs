//! The crash matrix: the executor over real files, cut before, after and in the middle of every
//! effect of stage, switch, commit and roll back; then the boot loader's choice, then the agent
//! again, until it rests. Whatever was cut, the node ends whole, on the old generation or the new.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod faulty;
mod node;

use faulty::{Cut, Faulty};
use node::{CONTAINERS, Node, generation, toml};
use orlop_api::Phase;
use orlop_config::Digest;
use orlop_core::{Action, Asker, Event, Generation, GenerationStatus, Policy, Then, Trigger};
use orlopd::records::Records;
use orlopd::switch::Switch;
use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// What an operator orders on a node that rests.
#[derive(Clone, Debug)]
enum Order {
    /// Record a generation.
    Stage(Generation),
    /// Record a generation and switch to it.
    Switch(Generation),
    /// Go back.
    RollBack,
}

/// One column of the matrix.
struct Scenario {
    /// What the node runs before: each is switched to without a cut.
    before: Vec<Generation>,
    /// What is ordered, and cut.
    order: Option<Order>,
    /// OS images that never come up.
    panics: Vec<char>,
    /// OS images whose agent cannot stay up.
    agentless: Vec<char>,
    /// Whether the machine is shut down in good order in the middle of the trial.
    stops: bool,
    /// The generations that the node may end on.
    ends: Vec<u64>,
    /// What a failed verdict must name, where one is expected.
    blames: Option<Trigger>,
}

/// How one run of the agent ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Dead,
    Rebooting,
    Rest,
}

const SICK: &str = "sick";

fn gate_trigger() -> Trigger {
    Trigger::Check {
        check: "container web".into(),
        detail: "unhealthy".into(),
    }
}

/// What the gate decides about a generation.
fn judge(generation: &Generation) -> Event {
    let sick = [
        Digest::of(SICK.as_bytes()),
        Digest::of(toml(SICK).as_bytes()),
    ];
    let web = &generation.containers["web"].manifest;
    if sick.contains(web) || sick.contains(&generation.config) {
        let (check, detail) = ("container web".to_owned(), "unhealthy".to_owned());
        return Event::GateFailed {
            trigger: Trigger::Check { check, detail },
            log: vec!["no route".to_owned()],
        };
    }
    Event::GatePassed
}

fn text_of(generation: &Generation) -> String {
    ["one", "two", SICK]
        .into_iter()
        .map(toml)
        .find(|text| Digest::of(text.as_bytes()) == generation.config)
        .expect("every generation has one of these TOMLs")
}

fn asks(order: &Order) -> Vec<Event> {
    let stage = |generation: &Generation, then| {
        vec![
            Event::StageRequested { then },
            Event::StageDone {
                generation: Box::new(generation.clone()),
                config: text_of(generation),
                asker: Asker::Operator,
            },
        ]
    };
    match order {
        Order::Stage(generation) => stage(generation, Then::Wait),
        Order::Switch(generation) => stage(
            generation,
            Then::Apply {
                mode: None,
                confirm: None,
            },
        ),
        Order::RollBack => {
            vec![Event::RollBackRequested {
                to: None,
                mode: None,
                caller: "uid 0".to_owned(),
            }]
        }
    }
}

/// One run of the agent on the machine as it is: from its start until it rests, the machine goes
/// down, or the power fails.
async fn life(
    node: &Node,
    faulty: &Arc<Faulty>,
    order: &mut Option<Order>,
    stops: &mut bool,
) -> End {
    let machine = node.machine(faulty);
    let boot = node.booted.clone().expect("the machine was started");
    let effects = Arc::clone(faulty);
    let mut switch = Switch::new(
        node.paths.clone(),
        effects,
        node.store.clone(),
        machine,
        boot,
        Policy::default(),
    );
    if let Err(error) = switch.sweep() {
        // As the driver does: what could not be swept now is swept at the next start.
        eprintln!("{error}");
    }
    let mut events = VecDeque::from([Event::Booted(switch.decide().unwrap())]);
    loop {
        let event = match events.pop_front() {
            Some(event) => event,
            None if switch.phase() == Phase::Idle && order.is_some() => {
                events.extend(asks(&order.take().unwrap()));
                continue;
            }
            None if switch.phase() == Phase::Switching => return End::Rebooting,
            None => return End::Rest,
        };
        if switch.would_take(event.clone()).is_err() && matches!(event, Event::StageDone { .. }) {
            continue;
        }
        let outcome = switch.on(event).await.unwrap();
        if faulty.is_dead() {
            return End::Dead;
        }
        for action in outcome.actions {
            match action {
                Action::Reconcile => {
                    if let Some(generation) = running(node, &switch) {
                        switch.running().reconcile(&generation);
                    }
                }
                Action::StartGate if switch.phase() == Phase::Trial && *stops => {
                    *stops = false;
                    events.push_back(Event::SystemStopping);
                }
                Action::StartGate if switch.phase() == Phase::Trial => {
                    events.push_back(judge(&running(node, &switch).unwrap()));
                }
                Action::PrepareFirst => events.push_back(Event::FirstReady {
                    generation: Box::new(first()),
                    config: toml("one"),
                }),
                // A degraded node's gate goes on failing, which changes nothing.
                Action::StartGate | Action::StopGate | Action::Fetch => {}
                Action::Run(_) | Action::Resolve => unreachable!("carried out by the executor"),
            }
        }
    }
}

fn records(node: &Node) -> Records {
    let files = orlopd::esp::entries(&node.paths).unwrap();
    let records = Records::load(&node.paths, orlop_core::boot::BootSequence::after(&files));
    let records = records.expect("the records can be read after any cut");
    assert_eq!(
        records.problems,
        Vec::<String>::new(),
        "no record is damaged by any cut"
    );
    records
}

fn running(node: &Node, switch: &Switch<node::PlayedMachine>) -> Option<Generation> {
    use orlop_core::boot::BootDecision as D;
    let id = match switch.decide().unwrap() {
        D::Normal { generation, .. }
        | D::TrialStarts { generation }
        | D::TrialGoesOn { generation } => generation,
        _ => return None,
    };
    records(node).generations.remove(&id)
}

fn first() -> Generation {
    generation(1, 'a', "one", "web")
}

/// What must hold at the very moment of a cut: the records can be read, and what the boot loader
/// would start is whole, as is a good entry.
fn check_cut(node: &Node) {
    records(node);
    let choice = node.choice();
    node.os_of(&choice.entry.content);
    let good = orlopd::esp::entries(&node.paths)
        .unwrap()
        .into_iter()
        .filter(|file| !file.name.contains('+'))
        .map(|file| node.os_of(&file.content))
        .filter(|os| !node.panics.contains(os) && !node.agentless.contains(os))
        .count();
    assert!(good > 0, "there is a good entry that boots");
}

/// Lets the node run, over restarts and power cuts, until it rests. Each cut's machine comes back
/// with the next of `faults`; after the last one nothing is cut any more.
async fn settle(
    node: &mut Node,
    faults: &[Arc<Faulty>],
    mut order: Option<Order>,
    mut stops: bool,
) {
    let mut faults = faults.iter().cloned();
    let mut next = || {
        faults
            .next()
            .unwrap_or_else(|| Arc::new(Faulty::counting()))
    };
    let mut faulty = next();
    for _ in 0..20 {
        let mut up = match life(node, &faulty, &mut order, &mut stops).await {
            End::Rest => return,
            End::Rebooting => node.leave(&faulty),
            End::Dead => {
                check_cut(node);
                faulty = next();
                order = None;
                node.start(&faulty)
            }
        };
        while !up {
            check_cut(node);
            faulty = next();
            order = None;
            up = node.start(&faulty);
        }
    }
    panic!("the node never comes to rest");
}

/// A node as the scenario wants it, before anything is cut.
async fn prepared(scenario: &Scenario) -> Node {
    let mut node = Node::new();
    node.start(&Arc::new(Faulty::counting()));
    for (index, generation) in scenario.before.iter().enumerate() {
        let order = (index > 0).then(|| Order::Switch(generation.clone()));
        settle(&mut node, &[], order, false).await;
    }
    node.panics.clone_from(&scenario.panics);
    node.agentless.clone_from(&scenario.agentless);
    node
}

fn check_rest(node: &Node, scenario: &Scenario, cut: Option<Cut>) {
    let records = records(node);
    let state = records.state.expect("a node that rests has a state");
    assert_eq!(state.trial, None, "no switch is left under way");
    let current = state.current.expect("a node that rests has a generation");
    assert!(
        scenario.ends.contains(&current.0),
        "ends on {current} of {:?}",
        scenario.ends
    );
    let generation = &records.generations[&current];
    let booted = &node.booted.as_ref().unwrap().booted.root;
    assert_eq!(
        *booted, generation.os.root,
        "the OS that runs is the current generation's"
    );
    let host = toml(&node.host());
    assert_eq!(
        Digest::of(host.as_bytes()),
        generation.config,
        "/etc is its config's"
    );
    let containers = node.containers.lock().unwrap().clone();
    for name in CONTAINERS {
        assert_eq!(
            containers[name], generation.containers[name].manifest,
            "{name} is its own"
        );
    }
    let leftovers: Vec<_> = node
        .files()
        .into_iter()
        .filter(|file| file.ends_with(".orlop-tmp"))
        .collect();
    assert_eq!(leftovers, Vec::<String>::new());
    assert_eq!(
        node.os_of(&node.choice().entry.content),
        generation.os.version.chars().next().unwrap()
    );
    for (id, status) in &state.generations {
        let newest = records
            .verdicts
            .iter()
            .rfind(|verdict| verdict.generation == *id);
        match status {
            GenerationStatus::Good => assert!(newest.unwrap().good, "{id} is good by a verdict"),
            GenerationStatus::Staged => assert_eq!(newest, None, "{id} was never tried"),
            GenerationStatus::Failed => {
                let verdict = newest.unwrap();
                assert!(!verdict.good);
                let by_fault =
                    cut == Some(Cut::Fails) && matches!(verdict.trigger, Trigger::Switch { .. });
                let blamed = scenario.blames.as_ref() == Some(&verdict.trigger);
                assert!(blamed || by_fault, "{id} failed by {:?}", verdict.trigger);
            }
            GenerationStatus::Trial => panic!("{id} is on trial, and no switch is under way"),
        }
    }
}

/// Plays the scenario under these faults, and once more to see that nothing is left to do.
async fn play(scenario: &Scenario, faults: &[Arc<Faulty>], cut: Option<Cut>) {
    let mut node = prepared(scenario).await;
    settle(&mut node, faults, scenario.order.clone(), scenario.stops).await;
    // What could not be tidied is tidied at the next start.
    node.start(&Arc::new(Faulty::counting()));
    settle(&mut node, &[], None, false).await;
    check_rest(&node, scenario, cut);
}

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

fn one_switch(to: Generation) -> Scenario {
    Scenario {
        before: vec![first()],
        order: Some(Order::Switch(to)),
        panics: Vec::new(),
        agentless: Vec::new(),
        stops: false,
        ends: vec![1, 2],
        blames: None,
    }
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
