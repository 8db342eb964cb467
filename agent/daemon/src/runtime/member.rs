//! Which instances there shall be, and what each is there for.

use super::desired::{Desired, DesiredContainer};
use super::error::StepError;
use super::instance::Instance;
use super::net::Addresses;
use super::plan::{Action, Plan};
use std::collections::BTreeMap;

/// What came of giving each instance its addresses.
pub(super) type Leased = BTreeMap<Instance, Result<Addresses, StepError>>;

/// What an instance is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Names, ports, commands and operators lead to it.
    Serves,
    /// It comes up beside the one that serves, and is to take its place.
    Comes,
}

/// An instance that there shall be.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) container: DesiredContainer,
    pub(super) role: Role,
}

impl Member {
    fn new(container: &DesiredContainer, role: Role) -> Self {
        let container = container.clone();
        Self { container, role }
    }
}

/// Every instance that there shall be by `plan`, which is for `desired`, whose slots are the plan's.
pub(super) fn members(plan: &Plan, desired: &Desired) -> Vec<Member> {
    let mut all = Vec::new();
    for container in &desired.containers {
        let succeeds = matches!(plan.actions.get(&container.name), Some(Action::Succeed(_)));
        if !succeeds {
            all.push(Member::new(container, Role::Serves));
            continue;
        }
        all.push(Member::new(container, Role::Comes));
        let found = plan.predecessors.get(&container.name);
        let predecessor = found.and_then(|hash| desired.predecessor(container, hash));
        all.extend(predecessor.map(|mut old| {
            old.slot = container.slot.other();
            Member::new(&old, Role::Serves)
        }));
    }
    all
}
