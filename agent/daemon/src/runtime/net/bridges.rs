//! The links on the host that are ours, as `/sys/class/net` shows them, and what is left over of them.

use super::super::error::StepError;
use super::netavark::CABLE_PREFIX;
use super::netlink;
use orlop_config::BRIDGE_PREFIX;
use std::collections::BTreeSet;
use std::path::Path;

const LINKS: &str = "/sys/class/net";

/// The names of the host's links that begin as ours do.
pub(super) fn own_links() -> Result<BTreeSet<String>, StepError> {
    let dir = Path::new(LINKS);
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(dir).map_err(StepError::file("list", dir))? {
        let entry = entry.map_err(StepError::file("list", dir))?;
        names.extend(entry.file_name().into_string().ok().filter(|name| {
            name.starts_with(CABLE_PREFIX)
                || name.starts_with(BRIDGE_PREFIX) && dir.join(name).join("bridge").is_dir()
        }));
    }
    Ok(names)
}

/// Whether `cable` is plugged into `bridge`.
pub(super) fn is_plugged(cable: &str, bridge: &str) -> bool {
    let master = Path::new(LINKS).join(cable).join("master");
    std::fs::read_link(master).is_ok_and(|to| to.file_name().is_some_and(|name| name == bridge))
}

/// Lets what comes in by `cable` go back by it.
pub(super) fn allow_hairpin(cable: &str) -> Result<(), StepError> {
    let path = Path::new(LINKS).join(cable).join("ifindex");
    let index = std::fs::read_to_string(&path).map_err(StepError::file("read", &path))?;
    let index = index.trim().parse().map_err(std::io::Error::other);
    index
        .and_then(netlink::allow_hairpin)
        .map_err(StepError::file("set up the link", &path))
}

/// Removes every link of ours that is not `wanted`: a set-up cut short leaves some.
pub(super) fn sweep(wanted: &BTreeSet<String>) -> Result<(), StepError> {
    for name in own_links()?.difference(wanted) {
        let path = Path::new(LINKS).join(name).join("ifindex");
        let Ok(index) = std::fs::read_to_string(&path) else {
            // It went by itself, as a cable does with its other end.
            continue;
        };
        let Ok(index) = index.trim().parse() else {
            continue;
        };
        netlink::delete_link(index).map_err(StepError::file("remove the link", &path))?;
        log::info!("removed the link {name}, which no container needs");
    }
    Ok(())
}
