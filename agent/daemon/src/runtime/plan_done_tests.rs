//! What becomes of tasks that run once.

use super::super::fixture::{desired_web, name};
use super::super::once::Done;
use super::*;

#[test]
fn a_task_that_is_done_for_good_is_left_alone_whatever_is_found_of_it() {
    let mut desired = desired_web();
    let lifecycle = &mut desired.containers[0].config.lifecycle;
    lifecycle.kind = orlop_config::Kind::Task;
    lifecycle.once = true;
    let done = AllDone::from([(name("web"), Done::default())]);
    let other = Found {
        unit: UnitState::Active,
        spec: Some(SpecHash::found("of an earlier config")),
        ..Found::default()
    };
    for observed in [
        Observed::new(),
        Observed::from([(Instance::first(&name("web")), other)]),
    ] {
        let left = plan(&desired, &observed, &done);
        assert!(left.is_empty(), "{left}");
        assert!(!plan(&desired, &observed, &AllDone::new()).is_empty());
    }
    // The record of a task of that name means nothing to one that runs at each start.
    desired.containers[0].config.lifecycle.once = false;
    assert!(!plan(&desired, &Observed::new(), &done).is_empty());
}

#[test]
fn a_task_that_is_done_for_good_is_not_run_again_when_whose_network_it_is_in_is_replaced() {
    let mut desired = desired_web();
    let mut task = desired.containers[0].clone();
    task.name = name("task");
    task.config.network = Some(orlop_config::NetworkMode::Container(name("web")));
    task.config.lifecycle.kind = orlop_config::Kind::Task;
    task.config.lifecycle.once = true;
    desired.containers.push(task);
    let replaced = Found {
        unit: UnitState::Active,
        spec: Some(SpecHash::found("of an earlier config")),
        ..Found::default()
    };
    let of_task = desired.hash(&desired.containers[1]);
    let ended = Found {
        spec: Some(of_task.in_own_user_namespace()),
        mounted: true,
        ..replaced.clone()
    };
    let task = desired.containers[1].name.clone();
    let observed = Observed::from([
        (Instance::first(&name("web")), replaced),
        (Instance::first(&task), ended),
    ]);
    let action = |done: &[&Name]| {
        let done = done
            .iter()
            .map(|name| ((*name).clone(), Done::default()))
            .collect();
        plan(&desired, &observed, &done).actions[&task].clone()
    };
    assert_eq!(action(&[]), Action::Replace);
    assert_eq!(action(&[&task]), Action::Keep);
}
