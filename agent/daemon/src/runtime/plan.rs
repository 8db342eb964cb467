//! Decides what has to happen to each container. Pure.

use super::desired::{Desired, SpecHash};
use orlop_config::{Name, Restart};
use std::collections::BTreeMap;
use std::fmt;

/// What was found of all containers.
pub type Observed = BTreeMap<Name, Found>;

/// What was found of one container. A name is there as soon as anything of it is.
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
    /// Whether an operator wants it stopped.
    pub stopped: bool,
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
    /// An operator wants it stopped, and it runs.
    Stop,
    /// Everything of it is removed, but for its volumes.
    Remove,
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
    let mut actions: BTreeMap<Name, Action> = observed
        .keys()
        .map(|name| (name.clone(), Action::Remove))
        .collect();
    for container in &desired.containers {
        let want = desired.hash(container);
        let found = observed.get(&container.name);
        let action = decide(&want, container.config.restart, found);
        actions.insert(container.name.clone(), action);
    }
    Plan { actions }
}

fn decide(want: &SpecHash, restart: Restart, found: Option<&Found>) -> Action {
    let Some(found) = found else {
        return Action::Start(Layer::Fresh);
    };
    let layer = match &found.layer {
        Some(made_for) if made_for == want => Layer::Keep,
        _ => Layer::Fresh,
    };
    match (&found.spec, found.unit) {
        // A wish is for the container that was stopped, not for what comes in its place.
        (Some(spec), _) if spec != want => Action::Replace,
        (_, UnitState::Active) if found.stopped => Action::Stop,
        (_, UnitState::Inactive | UnitState::Failed) if found.stopped => Action::Keep,
        // Its start, if it does not run, sets it up anew by itself.
        (Some(_), UnitState::Active) if found.holds_old_os => Action::Replace,
        (Some(_), UnitState::Active) if found.mounted => Action::Keep,
        (Some(_), UnitState::Active) => Action::Remount,
        // It ended by itself and is not to be started again.
        (Some(_), UnitState::Failed) if restart == Restart::Never => Action::Keep,
        (Some(_), UnitState::Inactive | UnitState::Failed) => Action::Start(layer),
        // Something runs whose unit file is gone: nobody knows what it was made of.
        (None, UnitState::Active) => Action::Replace,
        (None, UnitState::Inactive | UnitState::Failed) => Action::Start(layer),
    }
}

impl Plan {
    /// Whether every container stays as it is.
    pub fn is_empty(&self) -> bool {
        self.actions.values().all(|action| *action == Action::Keep)
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
            spec: Some(hash.clone()),
            layer: Some(hash),
            scheduled: false,
            holds_old_os: false,
            mounted: true,
            connected: true,
            stopped: false,
        };
        (desired, found)
    }

    fn action(desired: &Desired, found: Found) -> Action {
        plan(desired, &Observed::from([(web(), found)])).actions[&web()].clone()
    }

    #[test]
    fn what_runs_as_desired_is_kept() {
        let (desired, found) = same();
        let observed = Observed::from([(web(), found)]);
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
            spec: Some(hash.clone()),
            layer: Some(hash),
            scheduled: false,
            holds_old_os: false,
            mounted: true,
            connected: true,
            stopped: false,
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
}
