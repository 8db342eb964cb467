//! Connects containers to their networks, by netavark, in namespaces that outlive a restart.

use super::command::{find, run_well};
use super::error::StepError;
use super::netavark::Request;
use super::netns;
use super::observe::{mount_points, read_text};
use super::places::Places;
use super::systemd::Systemd;
use orlop_config::Name;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// Where distributions put netavark and aardvark-dns.
const NETAVARK: [&str; 3] = [
    "/usr/lib/podman/netavark",
    "/usr/libexec/podman/netavark",
    "/usr/bin/netavark",
];
const AARDVARK: [&str; 3] = [
    "/usr/lib/podman/aardvark-dns",
    "/usr/libexec/podman/aardvark-dns",
    "/usr/bin/aardvark-dns",
];
/// How netavark names it when it complains.
const AARDVARK_NAME: &str = "aardvark-dns";
/// netavark starts aardvark-dns by systemd-run, in a unit of this kind, so that it outlives us.
const TRANSIENT_SCOPES: &str = "run-*.scope";
/// A set-up takes about 60 ms; this is for a loaded machine and a cold disk.
const NETAVARK_LIMIT: Duration = Duration::from_secs(30);
/// Files of the bundle are for root only.
const FILE_MODE: u32 = 0o600;

/// Makes `name`'s network namespace and connects it as `request` says, or does nothing where that
/// has been done to its end. What another request left is removed first. Idempotent.
pub(super) async fn connect(
    places: &Places,
    systemd: &Systemd,
    name: &Name,
    request: &Request,
) -> Result<(), StepError> {
    let wanted = to_json(request, &places.network_request(name))?;
    if is_connected(places, name, &wanted)? {
        return Ok(());
    }
    match set_up(places, name, &wanted).await {
        Err(StepError::Ended { said, .. }) if said.contains(AARDVARK_NAME) => {
            log::warn!(
                "stopping the name server, which lost its way, and starting it anew: {said}"
            );
            // One whose PID file was lost holds the port, and netavark cannot talk to it. The new
            // one reads everybody's names again.
            let state = places.netavark_state();
            systemd
                .stop_described(TRANSIENT_SCOPES, &state.to_string_lossy())
                .await?;
            set_up(places, name, &wanted).await
        }
        result => result,
    }
}

async fn set_up(places: &Places, name: &Name, wanted: &[u8]) -> Result<(), StepError> {
    disconnect(places, name).await?;
    netns::create(&places.netns_file(name))?;
    // Before the set-up, so that a set-up cut short can be torn down.
    write(&places.network_request(name), wanted)?;
    netavark(places, name, "setup", wanted).await?;
    write(&places.network_ready(name), b"")
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

fn is_connected(places: &Places, name: &Name, wanted: &[u8]) -> Result<bool, StepError> {
    let found = read_text(&places.network_request(name))?;
    let ready = read_text(&places.network_ready(name))?.is_some();
    Ok(ready
        && found.is_some_and(|text| text.as_bytes() == wanted)
        && mount_points()?.contains(&places.netns_file(name)))
}

/// Takes back what [`connect`] did, also where that was cut short. Idempotent.
pub(super) async fn disconnect(places: &Places, name: &Name) -> Result<(), StepError> {
    remove_file(&places.network_ready(name))?;
    let path = places.netns_file(name);
    if let Some(request) = read_text(&places.network_request(name))? {
        // netavark wants a namespace, also where only its rules on the host are left.
        if !mount_points()?.contains(&path) {
            netns::create(&path)?;
        }
        if let Err(error) = netavark(places, name, "teardown", request.as_bytes()).await {
            // A set-up that was cut short cannot be torn down without complaints, and one that
            // follows begins by removing the same things.
            log::warn!("ignoring that {name} was not disconnected cleanly: {error}");
        }
    }
    netns::remove(&path)?;
    remove_file(&places.network_request(name))
}

fn remove_file(path: &Path) -> Result<(), StepError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StepError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

async fn netavark(
    places: &Places,
    name: &Name,
    verb: &str,
    request: &[u8],
) -> Result<(), StepError> {
    let program = find("netavark", &NETAVARK)?;
    let aardvark = find(AARDVARK_NAME, &AARDVARK)?;
    let state = places.netavark_state();
    std::fs::create_dir_all(&state).map_err(StepError::file("create", &state))?;
    let arguments: [OsString; 9] = [
        "--config".into(),
        state.into(),
        "--aardvark-binary".into(),
        aardvark.into(),
        "--firewall-driver".into(),
        "nftables".into(),
        "--rootless=false".into(),
        verb.into(),
        places.netns_file(name).into(),
    ];
    run_well(&program, arguments, request, NETAVARK_LIMIT).await
}
