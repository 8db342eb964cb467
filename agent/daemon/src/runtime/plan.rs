//! Decides what has to happen to each container. Pure.

use super::desired::{Desired, DesiredContainer, Network, SpecHash};
use super::instance::{Instance, Slot};
use orlop_config::{Name, Restart, UpdateOrder};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was found of all instances of containers.
pub type Observed = BTreeMap<Instance, Found>;

/// What was found of one instance. It is there as soon as anything of it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its unit.
    pub unit: UnitState,
    /// The hash in its unit file; none without the file.
    pub spec: Option<SpecHash>,
    /// The hash that its writable layer was made for; none without a layer.
    pub layer: Option<SpecHash>,
    /// Whether it has a timer. Its unit is as active as the timer then, if it is not at work.
    pub scheduled: bool,
    /// Whether it holds files of an OS that a live swap has put away.
    pub holds_old_os: bool,
    /// Whether its root is mounted.
    pub mounted: bool,
    /// Whether its network namespace is there and was set up to the end.
    pub connected: bool,
    /// Whether an operator wants its container stopped.
    pub stopped: bool,
    /// Whether, of two instances, this is the one that serves.
    pub serves: bool,
}

impl Found {
    /// Whether it runs, made for `hash` and by what there still is.
    fn runs(&self, hash: &SpecHash) -> bool {
        self.unit == UnitState::Active && self.spec.as_ref() == Some(hash) && !self.holds_old_os
    }
}

/// A unit, as far as a decision depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnitState {
    /// systemd does not know it, or it was never started.
    #[default]
    Inactive,
    /// It starts, runs, waits for its restart, or has ended well and stays so.
    Active,
    /// It has failed, and systemd will not start it again.
    Failed,
}

/// What happens to each container, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// By container.
    pub actions: BTreeMap<Name, Action>,
    /// Where the instance of each desired container is, or is made.
    pub slots: BTreeMap<Name, Slot>,
    /// Which instances have to go before anything is made.
    pub going: BTreeSet<Instance>,
    /// What serves on while its successor comes up, by what it was made for.
    pub predecessors: BTreeMap<Name, SpecHash>,
    /// Those in a user namespace of their own, or in that of the container whose network they share.
    pub mapped: BTreeSet<Name>,
}

/// What happens to one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Keep,
    /// It goes on running; its root is mounted again, for the next restart.
    Remount,
    /// It is set up and started.
    Start(Layer),
    /// What runs under its name is removed, then it is set up and started.
    Replace,
    /// What runs serves on until an instance beside it is well and takes its place.
    Succeed(Successor),
    /// An operator wants it stopped, and it runs.
    Stop,
    /// Everything of it is removed, but for its volumes.
    Remove,
}

/// An instance that is to take the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// It is set up and started.
    New,
    /// It has been started already, by an agent that did not see it through.
    There,
}

/// What becomes of a writable layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// It is the container's own, from before a reboot or a failed start.
    Keep,
    /// It begins empty.
    Fresh,
}

/// What to do to come from `observed` to `desired`. A container whose hash is the same and that is
/// alive is never touched.
pub(super) fn plan(desired: &Desired, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    for instance in observed.keys() {
        plan.actions
            .insert(instance.container.clone(), Action::Remove);
        plan.going.insert(instance.clone());
    }
    for container in &desired.containers {
        let name = &container.name;
        let [first, second] = [Slot::First, Slot::Second].map(|slot| Instance::new(name, slot));
        let of = |instance: &Instance| observed.get(instance);
        let plain = desired.hash(container);
        let want = if is_mapped(desired, container, observed) {
            plan.mapped.insert(name.clone());
            plain.in_own_user_namespace()
        } else {
            plain.clone()
        };
        let course = course(
            desired,
            container,
            (&want, &plain),
            (of(&first), of(&second)),
        );
        for (instance, stays) in [(first, course.stays.0), (second, course.stays.1)] {
            if stays {
                plan.going.remove(&instance);
            }
        }
        plan.actions.insert(name.clone(), course.action);
        plan.slots.insert(name.clone(), course.slot);
        if let Some(hash) = course.predecessor {
            plan.predecessors.insert(name.clone(), hash);
        }
    }
    plan
}

/// What happens to one container.
struct Course {
    action: Action,
    slot: Slot,
    /// Whether what is in the first slot is left for the action, and what is in the second.
    stays: (bool, bool),
    predecessor: Option<SpecHash>,
}

impl Course {
    /// What is in `slot` stays, and nothing else.
    fn of_one(action: Action, slot: Slot) -> Self {
        Self {
            action,
            slot,
            stays: (slot == Slot::First, slot == Slot::Second),
            predecessor: None,
        }
    }
}

fn course(
    desired: &Desired,
    container: &DesiredContainer,
    (want, plain): (&SpecHash, &SpecHash),
    (first, second): (Option<&Found>, Option<&Found>),
) -> Course {
    let serving = serving(plain, first, second);
    let (own, beside) = match serving {
        Slot::First => (first, second),
        Slot::Second => (second, first),
    };
    let action = decide(want, plain, container, own);
    if action != Action::Replace {
        return Course::of_one(action, serving);
    }
    let comes = beside.is_some_and(|beside| beside.runs(want));
    let predecessor = own
        .filter(|own| own.unit == UnitState::Active || comes)
        .and_then(|own| own.spec.clone())
        .filter(|spec| desired.predecessor(container, spec).is_some());
    match (predecessor, comes) {
        (Some(predecessor), comes) => {
            let successor = if comes {
                Successor::There
            } else {
                Successor::New
            };
            Course {
                stays: (
                    comes || serving == Slot::First,
                    comes || serving == Slot::Second,
                ),
                predecessor: Some(predecessor),
                ..Course::of_one(Action::Succeed(successor), serving.other())
            }
        }
        // Nobody knows how the other one is reached.
        (None, true) => Course::of_one(decide(want, plain, container, beside), serving.other()),
        (None, false) => Course {
            stays: (false, false),
            ..Course::of_one(Action::Replace, Slot::First)
        },
    }
}

/// Where the instance is that serves, or else the one that may be started again.
fn serving(want: &SpecHash, first: Option<&Found>, second: Option<&Found>) -> Slot {
    let by = |holds: &dyn Fn(&Found) -> bool| {
        let holds = |found: Option<&Found>| found.is_some_and(holds);
        match (holds(first), holds(second)) {
            (true, true) if second.is_some_and(|second| second.serves) => Some(Slot::Second),
            (true, _) => Some(Slot::First),
            (false, true) => Some(Slot::Second),
            (false, false) => None,
        }
    };
    by(&|found| found.spec.is_some())
        .or_else(|| by(&|found| found.unit == UnitState::Active))
        .or_else(|| by(&|found| found.layer.as_ref() == Some(want)))
        .unwrap_or_default()
}

/// Whether `container` is to be in a user namespace that is not the host's. One that an agent before this one
/// has set up in the host's stays there as long as it is set up: an update that goes without a restart
/// of the machine restarts no container.
fn is_mapped(desired: &Desired, container: &DesiredContainer, observed: &Observed) -> bool {
    if desired.why_hosts_user_namespace(container).is_some() {
        return false;
    }
    if let Network::Of(holder) = container.network() {
        let holder = desired.containers.iter().find(|one| one.name == *holder);
        return holder.is_some_and(|holder| is_mapped(desired, holder, observed));
    }
    let plain = desired.hash(container);
    let first = Instance::first(&container.name);
    let found = [observed.get(&first), observed.get(&first.sibling())];
    let mut found = found.into_iter().flatten();
    !found.any(|found| found.spec.as_ref() == Some(&plain))
}

/// `layer_of` is whose writable layer it goes on with: on disk no user namespace makes a difference.
fn decide(
    want: &SpecHash,
    layer_of: &SpecHash,
    container: &DesiredContainer,
    found: Option<&Found>,
) -> Action {
    let Some(found) = found else {
        return Action::Start(Layer::Fresh);
    };
    let layer = match &found.layer {
        Some(made_for) if made_for == layer_of => Layer::Keep,
        _ => Layer::Fresh,
    };
    let lifecycle = &container.config.lifecycle;
    // Its successor waits for its end as well.
    let holds_wish = found.stopped && lifecycle.update == UpdateOrder::StartFirst;
    match (&found.spec, found.unit) {
        // A wish is for the container that was stopped, not for what comes in its place.
        (Some(spec), _) if spec != want && !holds_wish => Action::Replace,
        (_, UnitState::Active) if found.stopped => Action::Stop,
        (_, UnitState::Inactive | UnitState::Failed) if found.stopped => Action::Keep,
        // Its start, if it does not run, sets it up anew by itself.
        (Some(_), UnitState::Active) if found.holds_old_os => Action::Replace,
        (Some(_), UnitState::Active) if found.mounted => Action::Keep,
        (Some(_), UnitState::Active) => Action::Remount,
        // It ended by itself and is not to be started again.
        (Some(_), UnitState::Failed) if container.config.restart == Restart::Never => Action::Keep,
        (Some(_), UnitState::Inactive | UnitState::Failed) => Action::Start(layer),
        // Something runs whose unit file is gone: nobody knows what it was made of.
        (None, UnitState::Active) => Action::Replace,
        (None, UnitState::Inactive | UnitState::Failed) => Action::Start(layer),
    }
}

impl Plan {
    /// Whether every container stays as it is.
    pub fn is_empty(&self) -> bool {
        self.going.is_empty() && self.actions.values().all(|action| *action == Action::Keep)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, action) in &self.actions {
            writeln!(f, "{action} container {name}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Remount => "keep, and mount the root again of,",
            Self::Start(Layer::Keep) => "start, with its writable layer,",
            Self::Start(Layer::Fresh) => "start",
            Self::Replace => "replace",
            Self::Succeed(Successor::New) => "replace, start-first,",
            Self::Succeed(Successor::There) => "go on to replace, start-first,",
            Self::Stop => "stop, as an operator wants it,",
            Self::Remove => "remove",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::desired_web;
    use super::*;

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
        let (mut desired, _) = same();
        desired.containers[0].config.restart = Restart::Never;
        let hash = desired.hash(&desired.containers[0]);
        let ended = Found {
            unit: UnitState::Failed,
            spec: Some(hash.in_own_user_namespace()),
            layer: Some(hash),
            scheduled: false,
            holds_old_os: false,
            mounted: true,
            connected: true,
            stopped: false,
            serves: true,
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
                    let (action, slot, going) =
                        summary(&desired, &both(first.clone(), second.clone()));
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
}
