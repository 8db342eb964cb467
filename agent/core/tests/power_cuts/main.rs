//! Whatever is cut, and whenever, a node ends on the old good generation or on the new one, and is
//! never without a good entry that boots. Planner, boot policy, boot loader and state machine
//! together, on a model of a node.

#[cfg(test)]
mod model;

use model::{Cut, Node, Order, generation, os};
use orlop_core::{Generation, GenerationId, GenerationStatus, Trigger};
use proptest::prelude::*;

/// The machine's first generation.
fn first() -> Generation {
    generation(os("1", "kernel a"), "a config", "1")
}

/// Every kind of switch from [`first`], and whether its generation stays.
fn switches() -> Vec<(&'static str, Generation, bool)> {
    let one = || os("1", "kernel a");
    vec![
        ("containers", generation(one(), "a config", "2"), true),
        (
            "sick container",
            generation(one(), "a config", "2 sick"),
            false,
        ),
        ("config", generation(one(), "b config", "1"), true),
        ("sick config", generation(one(), "sick config", "1"), false),
        (
            "live",
            generation(os("2", "kernel a"), "a config", "1"),
            true,
        ),
        (
            "sick live",
            generation(os("2 sick", "kernel a"), "a config", "1"),
            false,
        ),
        (
            "dead live",
            generation(os("2 dead", "kernel a"), "a config", "1"),
            false,
        ),
        (
            "reboot",
            generation(os("2", "kernel b"), "b config", "2"),
            true,
        ),
        (
            "sick reboot",
            generation(os("2 sick", "kernel b"), "a config", "1"),
            false,
        ),
        (
            "dead reboot",
            generation(os("2 dead", "kernel b"), "a config", "1"),
            false,
        ),
        (
            "no agent",
            generation(os("2 no agent", "kernel b"), "a config", "1"),
            false,
        ),
        (
            "panic in the trial",
            generation(os("2 panics", "kernel b"), "a config", "1"),
            false,
        ),
        (
            "hang in the trial",
            generation(os("2 hangs", "kernel b"), "a config", "1"),
            false,
        ),
    ]
}

fn switched(to: &Generation, cuts: Vec<Cut>) -> Node {
    switch_on(Node::installed(first(), cuts), to)
}

/// The same on a machine that tells how its last run ended.
fn told(to: &Generation, cuts: Vec<Cut>) -> Node {
    switch_on(Node::installed(first(), cuts).telling(), to)
}

fn switch_on(mut node: Node, to: &Generation) -> Node {
    node.run();
    node.check_settled();
    node.obey(&Order::Switch(Box::new(to.clone())));
    node.check_settled();
    node
}

/// Fewer cuts than tries cannot change how it ends.
fn check(name: &str, node: &Node, to: &Generation, stays: bool) {
    let state = node.state.as_ref().expect("it has settled");
    let current = &node.generations[&node.current().expect("it has settled")];
    assert_eq!(current.runs_same(to), stays, "{name}");
    assert_eq!(
        state.status(current.id),
        Some(GenerationStatus::Good),
        "{name}"
    );
    let tried = node.generations.values().find(|known| known.runs_same(to));
    let tried = tried.expect("it was staged");
    let expected = if stays {
        GenerationStatus::Good
    } else {
        GenerationStatus::Failed
    };
    assert_eq!(state.status(tried.id), Some(expected), "{name}");
    let verdict = node
        .verdicts
        .values()
        .find(|verdict| verdict.generation == tried.id);
    assert_eq!(verdict.map(|verdict| verdict.good), Some(stays), "{name}");
}

#[test]
fn every_switch_ends_as_its_generation_deserves() {
    for (name, to, stays) in switches() {
        check(name, &switched(&to, Vec::new()), &to, stays);
        check(name, &told(&to, Vec::new()), &to, stays);
    }
}

#[test]
fn each_end_of_a_trial_is_told_by_its_true_cause_where_the_machine_can_tell() {
    let counter = || Trigger::BootCounter { tries: 3 };
    let panic = || Trigger::Panic {
        text: "late".to_owned(),
    };
    let agent = || Trigger::AgentCrash {
        detail: "again".to_owned(),
    };
    for (version, untold, told_as) in [
        ("2 dead", counter(), counter()),
        ("2 panics", counter(), panic()),
        ("2 hangs", counter(), Trigger::Watchdog),
        ("2 no agent", agent(), agent()),
    ] {
        let to = generation(os(version, "kernel b"), "a config", "1");
        assert_eq!(switched(&to, vec![]).newest_trigger(), Some(&untold));
        assert_eq!(told(&to, vec![]).newest_trigger(), Some(&told_as));
    }
}

/// More losses than tries, each while the gate judges.
#[test]
fn a_machine_that_tells_loses_no_try_to_power_losses_in_a_trial() {
    let losing = |node: Node, to: &Generation| {
        let mut node = node;
        node.run();
        node.power_losses = 7;
        node.obey(&Order::Switch(Box::new(to.clone())));
        node.check_settled();
        node
    };
    for (name, to, _) in switches().into_iter().filter(|(_, _, stays)| *stays) {
        let node = losing(Node::installed(first(), vec![]).telling(), &to);
        check(name, &node, &to, true);
        // Without evidence the tries are all that counts.
        let node = losing(Node::installed(first(), vec![]), &to);
        let current = &node.generations[&node.current().unwrap()];
        assert!(!current.runs_same(&to), "{name}");
    }
}

/// A machine that resets itself without a trace looks as if its power were lost, but not for ever.
#[test]
fn tries_are_not_given_back_for_ever() {
    let to = generation(os("2", "kernel b"), "b config", "2");
    let mut node = Node::installed(first(), vec![]).telling();
    node.run();
    node.power_losses = 30;
    node.obey(&Order::Switch(Box::new(to.clone())));
    node.check_settled();
    let counter = Trigger::BootCounter { tries: 3 };
    assert_eq!(node.newest_trigger(), Some(&counter));
}

#[test]
fn a_single_cut_before_any_effect_changes_nothing_about_the_end() {
    for (name, to, stays) in switches() {
        let effects = switched(&to, Vec::new()).effects();
        for at in 1..=effects + 1 {
            for cut in [Cut::Power(at), Cut::Agent(at)] {
                check(name, &switched(&to, vec![cut]), &to, stays);
                check(name, &told(&to, vec![cut]), &to, stays);
            }
        }
    }
}

#[test]
fn two_cuts_change_nothing_about_the_end() {
    for (name, to, stays) in switches() {
        let effects = switched(&to, Vec::new()).effects();
        for at in 1..=effects {
            for later in at + 1..=at + 6 {
                for second in [Cut::Power(later), Cut::Agent(later)] {
                    check(
                        name,
                        &switched(&to, vec![Cut::Power(at), second]),
                        &to,
                        stays,
                    );
                }
            }
        }
    }
}

#[test]
fn an_orderly_restart_in_a_trial_costs_no_try() {
    for (name, to, _) in switches().into_iter().filter(|(_, _, stays)| *stays) {
        let mut node = Node::installed(first(), Vec::new());
        node.run();
        node.orderly_restarts = 7;
        node.obey(&Order::Switch(Box::new(to.clone())));
        node.check_settled();
        assert_eq!(node.orderly_restarts, 0, "{name}");
        check(name, &node, &to, true);
    }
}

#[test]
fn a_dead_image_is_given_up_by_the_boot_counter_and_the_reason_is_on_record() {
    let to = generation(os("2 dead", "kernel b"), "a config", "1");
    let node = switched(&to, Vec::new());
    assert_eq!(
        node.newest_trigger(),
        Some(&Trigger::BootCounter { tries: 3 })
    );
}

#[test]
fn a_sick_first_generation_stays_and_the_node_is_degraded() {
    let mut node = Node::installed(
        generation(os("1", "kernel a"), "a config", "1 sick"),
        vec![],
    );
    node.run();
    node.check_settled();
    assert_eq!(node.machine.phase(), orlop_api::Phase::Degraded);
    assert_eq!(node.current(), Some(GenerationId(1)));
    node.obey(&Order::Switch(Box::new(generation(
        os("1", "kernel a"),
        "b config",
        "1",
    ))));
    assert_eq!(node.machine.phase(), orlop_api::Phase::Idle);
    assert_eq!(node.current(), Some(GenerationId(2)));
}

/// Found by the property below: the verdict was on record, its entry not yet made good, and the
/// boot loader had no try left for it.
#[test]
fn a_power_cut_in_the_last_try_does_not_leave_records_and_machine_apart() {
    let to = generation(os("2", "kernel b"), "b config", "2");
    let effects = switched(&to, Vec::new()).effects();
    for at in 1..=effects {
        for gap in 1..=3 {
            let cuts = (0..4).map(|n| Cut::Power(at + n * gap)).collect();
            switched(&to, cuts);
        }
    }
}

fn any_generation() -> impl Strategy<Value = Generation> {
    let version = prop::sample::select(vec![
        "1",
        "2",
        "3",
        "4 sick",
        "5 dead",
        "6 panics",
        "7 hangs",
        "8 no agent",
    ]);
    let kernel = prop::sample::select(vec!["kernel a", "kernel b"]);
    let config = prop::sample::select(vec!["a config", "b config", "sick config"]);
    let web = prop::sample::select(vec!["1", "2", "3 sick"]);
    (version, kernel, config, web)
        .prop_map(|(version, kernel, config, web)| generation(os(version, kernel), config, web))
}

fn any_order() -> impl Strategy<Value = Order> {
    prop_oneof![
        4 => any_generation().prop_map(|generation| Order::Switch(Box::new(generation))),
        1 => Just(Order::RollBack),
    ]
}

fn any_cut() -> impl Strategy<Value = Cut> {
    prop_oneof![
        (1..120_u32).prop_map(Cut::Power),
        (1..120_u32).prop_map(Cut::Agent)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn planning_always_converges(
        orders in prop::collection::vec(any_order(), 1..8),
        cuts in prop::collection::vec(any_cut(), 0..10),
        telling in any::<bool>(),
    ) {
        let mut node = Node::installed(first(), cuts);
        if telling {
            node = node.telling();
        }
        node.run();
        for order in &orders {
            node.check_settled();
            node.obey(order);
        }
        node.check_settled();
    }
}
