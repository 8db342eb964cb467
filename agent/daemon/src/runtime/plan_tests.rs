//! What becomes of what is found.

use super::super::fixture::desired_web;
use super::*;

#[path = "plan_sharing_tests.rs"]
mod sharing;

/// Where no task is done for good.
fn plan(desired: &Desired, observed: &Observed) -> Plan {
    super::plan(desired, observed, &AllDone::new())
}

fn web() -> Name {
    Name::new("web").unwrap()
}

fn same() -> (Desired, Found) {
    let desired = desired_web();
    let hash = desired.hash(&desired.containers[0]);
    let found = Found {
        unit: UnitState::Active,
        spec: Some(hash.in_own_user_namespace()),
        layer: Some(hash),
        scheduled: false,
        holds_old_os: false,
        mounted: true,
        connected: true,
        stopped: false,
        serves: true,
    };
    (desired, found)
}

fn action(desired: &Desired, found: Found) -> Action {
    plan(desired, &Observed::from([(Instance::first(&web()), found)])).actions[&web()].clone()
}

#[test]
fn what_runs_as_desired_is_kept() {
    let (desired, found) = same();
    let observed = Observed::from([(Instance::first(&web()), found)]);
    assert!(plan(&desired, &observed).is_empty());
}

#[test]
fn what_is_new_is_started_with_an_empty_layer() {
    let desired = desired_web();
    let plan = plan(&desired, &Observed::new());
    assert_eq!(plan.actions[&web()], Action::Start(Layer::Fresh));
}

#[test]
fn every_change_but_that_of_the_probe_replaces() {
    let (mut desired, found) = same();
    desired.containers[0].config.health = None;
    assert_eq!(action(&desired, found.clone()), Action::Keep);
    desired.containers[0]
        .config
        .env
        .insert("A".into(), "b".into());
    assert_eq!(action(&desired, found.clone()), Action::Replace);
    let (mut desired, found) = same();
    let subnet = "10.77.0.0/24".parse().unwrap();
    desired.nets.insert(
        Name::new("default").unwrap(),
        orlop_config::Net::bridge(subnet),
    );
    assert_eq!(action(&desired, found), Action::Replace);
}

#[test]
fn what_is_not_desired_is_removed_whatever_is_left_of_it() {
    let found = Found {
        layer: Some(SpecHash::found("x")),
        ..Found::default()
    };
    assert_eq!(action(&Desired::default(), found), Action::Remove);
}

#[test]
fn a_reboot_keeps_the_layer_of_the_same_container_only() {
    let (desired, found) = same();
    let after_boot = Found {
        layer: found.layer,
        ..Found::default()
    };
    assert_eq!(
        action(&desired, after_boot.clone()),
        Action::Start(Layer::Keep)
    );
    let other = Found {
        layer: Some(SpecHash::found("old")),
        ..after_boot
    };
    assert_eq!(action(&desired, other), Action::Start(Layer::Fresh));
}

#[test]
fn one_that_may_end_is_not_started_again() {
    let (mut desired, found) = same();
    desired.containers[0].config.restart = Restart::Never;
    let hash = desired.hash(&desired.containers[0]);
    let ended = Found {
        unit: UnitState::Failed,
        spec: Some(hash.in_own_user_namespace()),
        layer: Some(hash),
        ..found
    };
    assert_eq!(action(&desired, ended), Action::Keep);
}

#[test]
fn one_that_an_operator_has_stopped_stays_so_until_it_is_another() {
    let (mut desired, found) = same();
    let stopped = Found {
        stopped: true,
        ..found
    };
    assert_eq!(action(&desired, stopped.clone()), Action::Stop);
    for unit in [UnitState::Inactive, UnitState::Failed] {
        let ended = Found {
            unit,
            ..stopped.clone()
        };
        assert_eq!(action(&desired, ended), Action::Keep);
    }
    let env = &mut desired.containers[0].config.env;
    env.insert("A".into(), "b".into());
    assert_eq!(action(&desired, stopped), Action::Replace);
}

#[test]
fn a_start_cut_short_is_taken_up_again() {
    let (desired, found) = same();
    let cut = Found {
        unit: UnitState::Inactive,
        ..found
    };
    assert_eq!(action(&desired, cut), Action::Start(Layer::Keep));
}

#[test]
fn one_that_holds_files_of_the_os_before_is_replaced() {
    let (desired, found) = same();
    let holder = Found {
        holds_old_os: true,
        ..found
    };
    assert_eq!(action(&desired, holder), Action::Replace);
}

#[test]
fn a_running_unit_without_its_file_is_replaced() {
    let (desired, found) = same();
    assert_eq!(
        action(
            &desired,
            Found {
                spec: None,
                ..found
            }
        ),
        Action::Replace
    );
}

#[test]
fn a_root_that_was_unmounted_is_mounted_again_without_a_restart() {
    let (desired, found) = same();
    assert_eq!(
        action(
            &desired,
            Found {
                mounted: false,
                ..found
            }
        ),
        Action::Remount
    );
}

/// `web` as desired, start-first, and another one of its name that another generation describes: that
/// one runs, in the first slot.
fn outdated() -> (Desired, Found) {
    let (mut desired, found) = same();
    let mut other = desired.clone();
    other.containers[0].config.env.clear();
    let old = other.hash(&other.containers[0]);
    desired.containers[0].config.lifecycle.update = UpdateOrder::StartFirst;
    desired.others.push(other);
    let found = Found {
        spec: Some(old.in_own_user_namespace()),
        layer: Some(old),
        ..found
    };
    (desired, found)
}

/// The one that takes its place, as it runs in the second slot.
fn next(desired: &Desired) -> Found {
    let (_, found) = same();
    let hash = desired.hash(&desired.containers[0]);
    Found {
        spec: Some(hash.in_own_user_namespace()),
        layer: Some(hash),
        serves: false,
        ..found
    }
}

fn both(first: Found, second: Found) -> Observed {
    let instance = Instance::first(&web());
    Observed::from([(instance.sibling(), second), (instance, first)])
}

fn summary(desired: &Desired, observed: &Observed) -> (Action, Slot, Vec<String>) {
    let plan = plan(desired, observed);
    let going = plan.going.iter().map(ToString::to_string).collect();
    (plan.actions[&web()].clone(), plan.slots[&web()], going)
}

#[test]
fn start_first_lets_the_old_one_serve_and_makes_the_new_one_in_the_other_slot() {
    let (desired, old) = outdated();
    let observed = Observed::from([(Instance::first(&web()), old.clone())]);
    let none = Vec::<String>::new();
    let succeeds = Action::Succeed(Successor::New);
    assert_eq!(
        summary(&desired, &observed),
        (succeeds.clone(), Slot::Second, none.clone())
    );
    assert_eq!(
        plan(&desired, &observed).predecessors[&web()],
        old.spec.clone().unwrap()
    );
    // And the other way round.
    let observed = Observed::from([(Instance::first(&web()).sibling(), old)]);
    assert_eq!(summary(&desired, &observed), (succeeds, Slot::First, none));
}

#[test]
fn what_is_changed_to_start_first_alone_is_kept() {
    let (mut desired, found) = same();
    desired.containers[0].config.lifecycle.update = UpdateOrder::StartFirst;
    assert_eq!(action(&desired, found), Action::Keep);
}

#[test]
fn start_first_stops_first_what_does_not_run_or_is_not_described() {
    let (desired, old) = outdated();
    let ended = Found {
        unit: UnitState::Failed,
        ..old.clone()
    };
    assert_eq!(action(&desired, ended), Action::Replace);
    let unknown = Desired {
        others: Vec::new(),
        ..desired
    };
    assert_eq!(action(&unknown, old), Action::Replace);
}

#[test]
fn start_first_stops_first_where_the_network_becomes_another() {
    let (mut desired, old) = outdated();
    let subnet = "10.77.0.0/24".parse().unwrap();
    desired.nets.insert(
        Name::new("default").unwrap(),
        orlop_config::Net::bridge(subnet),
    );
    assert_eq!(action(&desired, old), Action::Replace);
}

#[test]
fn an_overlap_that_was_cut_is_gone_on_with() {
    let (desired, old) = outdated();
    let observed = both(old.clone(), next(&desired));
    let there = Action::Succeed(Successor::There);
    assert_eq!(
        summary(&desired, &observed),
        (there.clone(), Slot::Second, vec![])
    );
    // The old one has ended meanwhile.
    let ended = Found {
        unit: UnitState::Failed,
        ..old.clone()
    };
    let observed = both(ended, next(&desired));
    assert_eq!(summary(&desired, &observed), (there, Slot::Second, vec![]));
    // The new one did not come up, or was not made to its end: it is made anew.
    for unit in [UnitState::Failed, UnitState::Inactive] {
        let down = Found {
            unit,
            ..next(&desired)
        };
        let expected = (
            Action::Succeed(Successor::New),
            Slot::Second,
            vec!["web.2".to_owned()],
        );
        assert_eq!(summary(&desired, &both(old.clone(), down)), expected);
    }
}

#[test]
fn a_way_back_in_an_overlap_keeps_the_old_one_and_removes_the_new_one() {
    let (desired, old) = outdated();
    let new = next(&desired);
    let back = desired.others[0].clone();
    let expected = (Action::Keep, Slot::First, vec!["web.2".to_owned()]);
    assert_eq!(summary(&back, &both(old, new)), expected);
}

#[test]
fn a_takeover_cut_before_the_old_one_was_removed_is_finished() {
    let (desired, old) = outdated();
    let old = Found {
        serves: false,
        ..old
    };
    let new = Found {
        serves: true,
        ..next(&desired)
    };
    let expected = (Action::Keep, Slot::Second, vec!["web".to_owned()]);
    assert_eq!(summary(&desired, &both(old, new)), expected);
}

#[test]
fn after_a_start_of_the_machine_the_one_with_the_layer_is_started_and_the_other_is_gone() {
    let (desired, old) = outdated();
    let layer_of = |found: &Found| Found {
        layer: found.layer.clone(),
        ..Found::default()
    };
    let observed = both(layer_of(&old), layer_of(&next(&desired)));
    let expected = (
        Action::Start(Layer::Keep),
        Slot::Second,
        vec!["web".to_owned()],
    );
    assert_eq!(summary(&desired, &observed), expected);
}

#[test]
fn a_stop_in_an_overlap_stops_the_old_one_and_no_new_one_comes() {
    let (desired, old) = outdated();
    let stopped = |unit| Found {
        unit,
        stopped: true,
        ..old.clone()
    };
    let observed = both(stopped(UnitState::Active), next(&desired));
    let going = vec!["web.2".to_owned()];
    assert_eq!(
        summary(&desired, &observed),
        (Action::Stop, Slot::First, going)
    );
    assert_eq!(action(&desired, stopped(UnitState::Inactive)), Action::Keep);
}

#[test]
fn whatever_is_found_one_instance_stays_and_a_plan_comes_to_rest() {
    let (desired, old) = outdated();
    let new = next(&desired);
    let units = [UnitState::Active, UnitState::Inactive, UnitState::Failed];
    for (one, other) in [(&old, &new), (&new, &old), (&old, &old), (&new, &new)] {
        for (a, b) in units.iter().flat_map(|a| units.map(|b| (*a, b))) {
            for serves in [true, false] {
                let first = Found {
                    unit: a,
                    serves,
                    ..one.clone()
                };
                let second = Found {
                    unit: b,
                    serves: !serves,
                    ..other.clone()
                };
                let (action, slot, going) = summary(&desired, &both(first.clone(), second.clone()));
                let instance = Instance::new(&web(), slot);
                let kept = |i: &Instance| !going.contains(&i.to_string());
                let served = if serves { &first } else { &second };
                match action {
                    // What serves and runs is never taken away before there is another.
                    Action::Succeed(_) => assert!(kept(&instance.sibling())),
                    Action::Replace => assert_ne!(served.unit, UnitState::Active),
                    _ => assert!(kept(&instance)),
                }
                let settled = Found {
                    unit: UnitState::Active,
                    ..new.clone()
                };
                let after = Observed::from([(instance, settled)]);
                assert!(plan(&desired, &after).is_empty());
            }
        }
    }
}

#[test]
fn one_set_up_before_there_were_user_namespaces_is_kept_as_it_is_until_the_next_boot() {
    let (desired, found) = same();
    let plain = desired.hash(&desired.containers[0]);
    let before = Found {
        spec: Some(plain.clone()),
        ..found
    };
    let kept = plan(
        &desired,
        &Observed::from([(Instance::first(&web()), before.clone())]),
    );
    assert_eq!(kept.actions[&web()], Action::Keep);
    assert!(kept.mapped.is_empty());
    let ended = Found {
        unit: UnitState::Failed,
        ..before
    };
    let again = plan(
        &desired,
        &Observed::from([(Instance::first(&web()), ended)]),
    );
    assert_eq!(again.actions[&web()], Action::Start(Layer::Keep));
    assert!(again.mapped.is_empty());
    let after_boot = Found {
        layer: Some(plain),
        ..Found::default()
    };
    let anew = plan(
        &desired,
        &Observed::from([(Instance::first(&web()), after_boot)]),
    );
    assert_eq!(anew.actions[&web()], Action::Start(Layer::Keep));
    assert!(anew.mapped.contains(&web()));
}

#[test]
fn who_shares_a_network_shares_its_user_namespace_or_that_it_has_none() {
    let (mut desired, found) = same();
    let mut beside = desired.containers[0].clone();
    beside.name = Name::new("beside").unwrap();
    beside.config.network = Some(orlop_config::NetworkMode::Container(web()));
    desired.containers.push(beside.clone());
    let mapped = |desired: &Desired, web_is: &Found| {
        let observed = Observed::from([(Instance::first(&web()), web_is.clone())]);
        plan(desired, &observed).mapped.contains(&beside.name)
    };
    assert!(mapped(&desired, &found));
    let plain = desired.hash(&desired.containers[0]);
    let before = Found {
        spec: Some(plain),
        ..found.clone()
    };
    assert!(!mapped(&desired, &before));
    desired.containers[0].config.security.privileged = true;
    assert!(!mapped(&desired, &found));
    let why = desired.why_hosts_user_namespace(&beside).unwrap();
    assert_eq!(why, "the network of web: `privileged`");
}
