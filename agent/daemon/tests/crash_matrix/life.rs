//! A node's life under a scenario: agents, restarts and cuts until it rests; and what must hold then.

use super::faulty::{Cut, Faulty};
use super::node::{CONTAINERS, Node, PlayedMachine, toml};
use super::scenario::{Order, Scenario, asks, first, judge};
use orlop_api::Phase;
use orlop_config::Digest;
use orlop_core::{Action, Event, Generation, GenerationStatus, Policy, Trigger};
use orlopd::records::Records;
use orlopd::switch::Switch;
use std::collections::VecDeque;
use std::sync::Arc;

/// How one run of the agent ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Dead,
    Rebooting,
    Rest,
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

fn running(node: &Node, switch: &Switch<PlayedMachine>) -> Option<Generation> {
    use orlop_core::boot::BootDecision as D;
    let id = match switch.decide().unwrap() {
        D::Normal { generation, .. }
        | D::TrialStarts { generation }
        | D::TrialGoesOn { generation } => generation,
        _ => return None,
    };
    records(node).generations.remove(&id)
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
pub(super) async fn settle(
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
pub(super) async fn prepared(scenario: &Scenario) -> Node {
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

pub(super) fn check_rest(node: &Node, scenario: &Scenario, cut: Option<Cut>) {
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
pub(super) async fn play(scenario: &Scenario, faults: &[Arc<Faulty>], cut: Option<Cut>) {
    let mut node = prepared(scenario).await;
    settle(&mut node, faults, scenario.order.clone(), scenario.stops).await;
    // What could not be tidied is tidied at the next start.
    node.start(&Arc::new(Faulty::counting()));
    settle(&mut node, &[], None, false).await;
    check_rest(&node, scenario, cut);
}
