//! The containers that a plan brings up, and what each is given on its way.

use super::change::Outcomes;
use super::desired::{Desired, DesiredContainer, SpecHash};
use super::error::{RuntimeError, Step, StepError};
use super::execute::fail;
use super::ids;
use super::instance::Instance;
use super::member::Leased;
use super::net::Addresses;
use super::places::Places;
use super::plan::{Action, Layer, Plan, Successor};
use crate::id_range::IdRange;
use orlop_config::{Name, Secret};
use std::collections::BTreeMap;

/// A container and its addresses, on the way up.
pub(super) struct Rising<'a> {
    pub(super) container: &'a DesiredContainer,
    pub(super) hash: SpecHash,
    /// Whose the writable layer is.
    pub(super) layer_hash: SpecHash,
    /// The host's ids that its own are, in a user namespace that is not the host's.
    pub(super) range: Option<IdRange>,
    pub(super) addresses: Addresses,
    pub(super) layer: Layer,
    pub(super) action: &'a Action,
    pub(super) secrets: BTreeMap<Name, Secret>,
}

/// The containers that are to be started and have addresses.
pub(super) fn rising<'a>(
    places: &Places,
    plan: &'a Plan,
    desired: &'a Desired,
    mut leased: Leased,
    outcomes: &mut Outcomes,
) -> Vec<Rising<'a>> {
    let mut all = Vec::new();
    let ranges = ranges(places, plan, desired);
    let shared: BTreeMap<Instance, Addresses> = leased
        .iter()
        .filter_map(|(of, leased)| Some((of.clone(), leased.as_ref().ok()?.clone())))
        .collect();
    for container in &desired.containers {
        let name = &container.name;
        let Some(action) = plan.actions.get(name) else {
            continue;
        };
        let layer = match action {
            Action::Start(layer) => *layer,
            // One that could not be removed is not started.
            Action::Replace | Action::Succeed(Successor::New) if !outcomes.contains_key(name) => {
                Layer::Fresh
            }
            _ => continue,
        };
        let layer_hash = desired.hash(container);
        let (hash, range) = match of_ids(plan, container, &layer_hash, &ranges) {
            Ok(found) => found,
            Err(error) => {
                fail(outcomes, name, RuntimeError::of(name, Step::Lease)(error));
                continue;
            }
        };
        match leased.remove(&container.instance()) {
            Some(Ok(addresses)) => {
                let holder = shared.get(&container.address_holder());
                let addresses = holder.cloned().unwrap_or(addresses);
                all.push(Rising {
                    secrets: desired.secrets.clone(),
                    container,
                    hash,
                    layer_hash,
                    range,
                    addresses,
                    layer,
                    action,
                });
            }
            Some(Err(error)) => fail(outcomes, name, RuntimeError::of(name, Step::Lease)(error)),
            None => {}
        }
    }
    all
}

/// Its hash and, where it is in a user namespace that is not the host's, the host's ids that its own are.
fn of_ids(
    plan: &Plan,
    container: &DesiredContainer,
    plain: &SpecHash,
    ranges: &Result<BTreeMap<Instance, IdRange>, StepError>,
) -> Result<(SpecHash, Option<IdRange>), StepError> {
    if !plan.mapped.contains(&container.name) {
        return Ok((plain.clone(), None));
    }
    match ranges {
        Ok(ranges) => {
            let range = ranges.get(&container.user_namespace());
            let range = range.ok_or(StepError::NoIds)?;
            Ok((plain.in_own_user_namespace(), Some(*range)))
        }
        Err(error) => Err(StepError::Unnumbered(error.to_string())),
    }
}

/// The ids of all that are in a user namespace of their own, by whose namespace it is.
fn ranges(
    places: &Places,
    plan: &Plan,
    desired: &Desired,
) -> Result<BTreeMap<Instance, IdRange>, StepError> {
    let mapped = desired.containers.iter();
    let mapped = mapped.filter(|container| plan.mapped.contains(&container.name));
    let holders = mapped.map(|container| container.user_namespace());
    ids::give(places, &holders.collect())
}
