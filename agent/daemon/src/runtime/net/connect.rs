//! Connects containers to their networks, by netavark, in namespaces that outlive a restart.

use super::super::absent::remove_file;
use super::super::command::{find, run_well};
use super::super::desired::DesiredContainer;
use super::super::error::StepError;
use super::super::instance::Instance;
use super::super::observe::{mount_points, read_text};
use super::super::places::Places;
use super::super::{ids, user_ns};
use super::bridges;
use super::first_alone::FirstAlone;
use super::netavark::Request;
use super::netns::{self, Namespace};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// Where distributions put netavark and aardvark-dns.
const NETAVARK: [&str; 3] = [
    "/usr/lib/podman/netavark",
    "/usr/libexec/podman/netavark",
    "/usr/bin/netavark",
];
/// A set-up takes about 60 ms; this is for a loaded machine and a cold disk.
const NETAVARK_LIMIT: Duration = Duration::from_secs(30);
/// Files of the bundle are for root only.
const FILE_MODE: u32 = 0o600;

/// Makes `instance`'s network namespace and connects it as `request` says, or does nothing where that
/// has been done to its end. What another request left is removed first. Idempotent.
pub(in super::super) async fn connect(
    places: &Places,
    container: &DesiredContainer,
    request: &Request,
) -> Result<(), StepError> {
    let wanted = to_json(request, &places.network_request(&container.instance()))?;
    if is_connected(places, container, &wanted)? {
        return Ok(());
    }
    set_up(places, container, request).await
}

/// Makes the links of `instance` again that have been lost, in the namespace that its processes are in:
/// that of process `pid` where it is not kept under its name any more. Open connections go on.
pub(super) async fn connect_again(
    places: &Places,
    container: &DesiredContainer,
    request: &Request,
    pid: u32,
) -> Result<(), StepError> {
    let instance = &container.instance();
    let path = places.netns_file(instance);
    let wanted = to_json(request, &places.network_request(instance))?;
    remove_file(&places.network_ready(instance))?;
    if !mount_points()?.contains(&path) {
        netns::keep_new(Namespace::Net, &path, pid)?;
    }
    if let Err(error) = netavark(places, instance, "teardown", &wanted).await {
        log::debug!("ignoring that not everything of {instance} was left to be removed: {error}");
    }
    write(&places.network_request(instance), &wanted)?;
    make_links(places, container, request, &wanted).await
}

/// Makes namespaces and links of `instance`, in which nothing runs, from the beginning.
pub(super) async fn set_up(
    places: &Places,
    container: &DesiredContainer,
    request: &Request,
) -> Result<(), StepError> {
    let instance = &container.instance();
    let wanted = to_json(request, &places.network_request(instance))?;
    disconnect(places, instance).await?;
    let (owner, netns) = (container.user_namespace(), places.netns_file(instance));
    match ids::of(places, instance)? {
        Some(range) if owner == *instance => user_ns::create_both(places, instance, range)?,
        Some(_) => {
            user_ns::create_within(Some(&places.userns_file(&owner)), Namespace::Net, &netns)?;
        }
        None => netns::create(Namespace::Net, &netns)?,
    }
    // Before the set-up, so that a set-up cut short can be torn down.
    write(&places.network_request(instance), &wanted)?;
    make_links(places, container, request, &wanted).await
}

/// netavark looks for a bridge before it makes one, and two of them that look at once both make it.
static BRIDGES: FirstAlone = FirstAlone::new();

async fn make_links(
    places: &Places,
    container: &DesiredContainer,
    request: &Request,
    wanted: &[u8],
) -> Result<(), StepError> {
    let instance = &container.instance();
    let are_there = || {
        let links = bridges::own_links()?;
        Ok(request.bridges().all(|bridge| links.contains(bridge)))
    };
    let made = netavark(places, instance, "setup", wanted);
    BRIDGES.run(are_there, made).await?;
    request.cables().try_for_each(bridges::allow_hairpin)?;
    write(
        &places.network_ready(instance),
        whose(places, container)?.as_bytes(),
    )
}

fn to_json(request: &Request, path: &Path) -> Result<Vec<u8>, StepError> {
    serde_json::to_vec(request).map_err(|source| StepError::Format {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StepError> {
    orlop_initrd::atomic_write::atomic_write(path, bytes, FILE_MODE)
        .map_err(StepError::file("write", path))
}

/// The ids that the network belongs to, and which namespace of them where that is another container's;
/// nothing where it is the host's root's.
fn whose(places: &Places, container: &DesiredContainer) -> Result<String, StepError> {
    let (instance, owner) = (container.instance(), container.user_namespace());
    let Some(range) = ids::of(places, &instance)? else {
        return Ok(String::new());
    };
    if owner == instance {
        return Ok(range.to_string());
    }
    let number = user_ns::number(&places.userns_file(&owner))?;
    Ok(format!("{range} {number}"))
}

fn is_connected(
    places: &Places,
    container: &DesiredContainer,
    wanted: &[u8],
) -> Result<bool, StepError> {
    let instance = &container.instance();
    let found = read_text(&places.network_request(instance))?;
    let ready = read_text(&places.network_ready(instance))?;
    let mounts = mount_points()?;
    let owner = whose(places, container)?;
    Ok(ready.is_some_and(|text| text == owner)
        && (owner.is_empty() || mounts.contains(&places.userns_file(&container.user_namespace())))
        && found.is_some_and(|text| text.as_bytes() == wanted)
        && mounts.contains(&places.netns_file(instance)))
}

/// Takes back what [`connect`] did, also where that was cut short. Idempotent.
pub(in super::super) async fn disconnect(
    places: &Places,
    instance: &Instance,
) -> Result<(), StepError> {
    remove_file(&places.network_ready(instance))?;
    let path = places.netns_file(instance);
    if let Some(request) = read_text(&places.network_request(instance))? {
        // netavark wants a namespace, also where only its rules on the host are left.
        if !mount_points()?.contains(&path) {
            netns::create(Namespace::Net, &path)?;
        }
        if let Err(error) = netavark(places, instance, "teardown", request.as_bytes()).await {
            // A set-up that was cut short cannot be torn down without complaints, and one that
            // follows begins by removing the same things.
            log::warn!("ignoring that {instance} was not disconnected cleanly: {error}");
        }
    }
    netns::remove(&path)?;
    remove_file(&places.network_request(instance))
}

async fn netavark(
    places: &Places,
    instance: &Instance,
    verb: &str,
    request: &[u8],
) -> Result<(), StepError> {
    let program = find("netavark", &NETAVARK)?;
    let state = places.netavark_state();
    std::fs::create_dir_all(&state).map_err(StepError::file("create", &state))?;
    let arguments: [OsString; 7] = [
        "--config".into(),
        state.into(),
        "--firewall-driver".into(),
        "none".into(),
        "--rootless=false".into(),
        verb.into(),
        places.netns_file(instance).into(),
    ];
    run_well(&program, arguments, request, NETAVARK_LIMIT).await
}
