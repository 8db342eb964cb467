//! What becomes of containers that share namespaces.

use super::*;

fn with_sharer() -> (Desired, DesiredContainer) {
    let (mut desired, _) = same();
    let mut sharer = desired.containers[0].clone();
    sharer.name = Name::new("a-sharer").unwrap();
    sharer.config.security.ipc = Some(web());
    desired.containers.push(sharer.clone());
    (desired, sharer)
}

#[test]
fn who_begins_to_lend_its_ipc_is_another_container_and_who_shares_follows_its_changes() {
    let (alone, found) = same();
    let (desired, sharer) = with_sharer();
    assert_eq!(action(&desired, found), Action::Replace);
    let hash = desired.hash(&sharer);
    let mut changed = desired.clone();
    changed.containers[0].config.read_only = false;
    assert_ne!(changed.hash(&sharer), hash);
    let mut with_other = alone.clone();
    let mut other = sharer;
    other.config.security.ipc = None;
    with_other.containers.push(other);
    let web = &alone.containers[0];
    assert_eq!(with_other.hash(web), alone.hash(web));
}

#[test]
fn who_runs_in_namespaces_of_one_that_is_replaced_is_replaced_too_and_who_is_stopped_is_not() {
    let (mut desired, sharer) = with_sharer();
    let mut next = sharer.clone();
    next.name = Name::new("next").unwrap();
    next.config.security.ipc = None;
    next.config.network = Some(orlop_config::NetworkMode::Container(sharer.name.clone()));
    desired.containers.push(next.clone());
    let (_, found) = same();
    let all = [&desired.containers[0], &sharer, &next];
    let observed = |unit, old_os| -> Observed {
        let of = |one: &&DesiredContainer| {
            let found = Found {
                spec: Some(desired.hash(one).in_own_user_namespace()),
                unit: if one.name == web() {
                    UnitState::Active
                } else {
                    unit
                },
                stopped: one.name != web() && unit == UnitState::Inactive,
                holds_old_os: old_os && one.name == web(),
                ..found.clone()
            };
            (Instance::first(&one.name), found)
        };
        all.iter().map(of).collect()
    };
    assert!(plan(&desired, &observed(UnitState::Active, false)).is_empty());
    let replaced = plan(&desired, &observed(UnitState::Active, true));
    for one in all {
        assert_eq!(replaced.actions[&one.name], Action::Replace, "{}", one.name);
        assert!(replaced.going.contains(&Instance::first(&one.name)));
    }
    let stopped = plan(&desired, &observed(UnitState::Inactive, true));
    assert_eq!(stopped.actions[&sharer.name], Action::Keep);
}

#[test]
fn who_shares_ipc_is_in_the_user_namespace_of_the_last_that_it_leads_to() {
    let (mut desired, sharer) = with_sharer();
    let mut next = sharer.clone();
    next.name = Name::new("next").unwrap();
    next.config.security.ipc = None;
    next.config.network = Some(orlop_config::NetworkMode::Container(sharer.name));
    desired.containers.push(next);
    desired.take_slots(&BTreeMap::from([(web(), Slot::Second)]));
    let lender = Instance::new(&web(), Slot::Second);
    for container in &desired.containers {
        assert_eq!(container.user_namespace(), lender, "{}", container.name);
    }
    let [web, sharer, next] = &desired.containers[..] else {
        panic!("three");
    };
    assert!(web.lends_ipc() && !sharer.lends_ipc());
    assert_eq!(sharer.shared_ipc(), Some(&lender));
    assert_eq!(next.shared_ipc(), None);
    desired.containers[0].config.security.privileged = true;
    let why = desired.why_hosts_user_namespace(&desired.containers[2]);
    let expected = "the network of a-sharer: the IPC of web: `privileged`";
    assert_eq!(why.as_deref(), Some(expected));
}
