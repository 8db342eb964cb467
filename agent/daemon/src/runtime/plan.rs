//! Decides what has to happen to each container. Pure.

use super::desired::{Desired, DesiredContainer, SpecHash};
use super::instance::{Instance, Slot};
use super::once::AllDone;
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
    /// Those in a user namespace of their own, or in that of a container that they share network or IPC with.
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
/// alive is never touched, nor is a task that is `done` once and for all.
pub(super) fn plan(desired: &Desired, observed: &Observed, done: &AllDone) -> Plan {
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
        let found = (of(&first), of(&second));
        let course = match is_done(container, done) {
            true => Course::of_one(Action::Keep, serving(&plain, found.0, found.1)),
            false => course(desired, container, (&want, &plain), found),
        };
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
    while replace_next_beside(&mut plan, desired, observed, done) {}
    plan
}

/// Lets one container that runs in namespaces of another which is replaced be replaced too: it would stay in
/// those of the old one. Whether there was one.
fn replace_next_beside(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    done: &AllDone,
) -> bool {
    let replaced = |name: &Name| plan.actions.get(name) == Some(&Action::Replace);
    let beside = desired.containers.iter().find(|container| {
        let slot = plan.slots.get(&container.name).copied().unwrap_or_default();
        let found = observed.get(&Instance::new(&container.name, slot));
        let action = plan.actions.get(&container.name);
        let stays = matches!(action, Some(Action::Keep | Action::Remount));
        let config = &container.config;
        let is_done = is_done(container, done);
        let mut lenders = config.lends_from().into_iter();
        let at_work = found.is_some_and(|found| found.unit == UnitState::Active) && !is_done;
        stays && at_work && lenders.any(replaced)
    });
    let Some(name) = beside.map(|container| &container.name) else {
        return false;
    };
    let first = Instance::first(name);
    for instance in [first.sibling(), first] {
        if observed.contains_key(&instance) {
            plan.going.insert(instance);
        }
    }
    plan.slots.insert(name.clone(), Slot::First);
    plan.actions.insert(name.clone(), Action::Replace);
    true
}

/// Whether `container` is a task that is not run again.
fn is_done(container: &DesiredContainer, done: &AllDone) -> bool {
    container.config.lifecycle.once && done.contains_key(&container.name)
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
    if let Some(holder) = container.config.shares_user_namespace_of() {
        let holder = desired.of_name(holder);
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
#[path = "plan_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "plan_done_tests.rs"]
mod done_tests;
