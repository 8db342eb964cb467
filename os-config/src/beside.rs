//! Whether two instances of a container can run side by side. Pure.

use crate::model::{Attachment, Container, HostRight, Kind, Name, Net, NetworkMode, UpdateOrder};
use crate::parse::DEFAULT_NET;
use std::collections::BTreeMap;

/// Whether a container that runs as `old` in networks `old_nets` is replaced start-first by `new`: its
/// config says so, neither needs what there is but once, and the networks of the old one stay as they
/// are.
pub fn starts_beside(
    old: &Container,
    old_nets: &BTreeMap<Name, Net>,
    new: &Container,
    new_nets: &BTreeMap<Name, Net>,
) -> bool {
    let joined: Vec<Name> = match (&old.network, old.networks.is_empty()) {
        (Some(_), _) => Vec::new(),
        (None, true) => Name::new(DEFAULT_NET).into_iter().collect(),
        (None, false) => old.networks.iter().map(|one| one.net.clone()).collect(),
    };
    new.lifecycle.update == UpdateOrder::StartFirst
        && has_nothing_single(old)
        && has_nothing_single(new)
        && joined
            .iter()
            .all(|net| old_nets.get(net) == new_nets.get(net))
}

fn has_nothing_single(container: &Container) -> bool {
    let fixed = |one: &Attachment| one.address.is_some() || one.address6.is_some();
    container.lifecycle.kind == Kind::Service
        && !container.security.host.contains(&HostRight::Network)
        && !matches!(container.network, Some(NetworkMode::Container(_)))
        && container.security.ipc.is_none()
        && !container.networks.iter().any(fixed)
}
