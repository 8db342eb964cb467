//! The OCI runtime spec of a container (OCI runtime specification 1.2, config.md). Pure.

use super::capabilities::{bounding, capabilities};
use super::desired::{DesiredContainer, Network};
use super::devices::HostDevice;
use super::error::StepError;
use super::far_end;
use super::given::Given;
use super::instance::Instance;
use super::merge_patch::merge;
use super::mounts::mounts;
use super::places::{Places, SLICE, unit_name};
use super::seccomp;
use super::unit::PAYLOAD_GROUP;
use super::{cdi, process};
use oci_spec::OciSpecError;
use oci_spec::runtime::{
    BoxBuilder, Linux, LinuxBuilder, LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup,
    LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxNamespace, LinuxNamespaceBuilder,
    LinuxNamespaceType, LinuxResourcesBuilder, PosixRlimit, PosixRlimitBuilder, Process,
    ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};
use orlop_config::{HostRight, MASKED_PATHS, Propagation, READ_ONLY_PATHS};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

const SPEC_VERSION: &str = "1.2.0";
/// Of the container's own network namespace: ports below 1024 need no rights, and `ping` none.
const PORT_SYSCTL: (&str, &str) = ("net.ipv4.ip_unprivileged_port_start", "0");
const PING_SYSCTL: &str = "net.ipv4.ping_group_range";
/// Every group, and every group of a user namespace of its own: the kernel takes no other's.
const EVERY_GROUP: &str = "0 2147483647";
const EVERY_OWN_GROUP: &str = "0 65535";
const UMASK: u32 = 0o022;

/// The spec of `container` with what it is `given`, everything where `places` has it.
///
/// # Errors
/// `Spec` where the spec's own types refuse it, `Patch` where the config's patch leaves no spec.
pub(super) fn spec(
    container: &DesiredContainer,
    given: &Given,
    places: &Places,
) -> Result<Value, StepError> {
    let process = process(container, given)?;
    let spec = build(container, given, process, places)
        .map_err(|error| StepError::Spec(Box::new(error)))?;
    let mut value = serde_json::to_value(spec).map_err(StepError::Patch)?;
    if let Some(patch) = &container.config.security.spec_patch {
        let patch: Value = serde_json::from_str(patch).map_err(StepError::Patch)?;
        merge(&mut value, &patch);
        let _still_a_spec: Spec =
            serde_json::from_value(value.clone()).map_err(StepError::Patch)?;
    }
    Ok(value)
}

fn build(
    container: &DesiredContainer,
    given: &Given,
    process: Process,
    places: &Places,
) -> Result<Spec, OciSpecError> {
    let root = RootBuilder::default()
        .path(places.rootfs(&container.instance()))
        .readonly(container.config.read_only)
        .build()?;
    let mut spec = SpecBuilder::default()
        .version(SPEC_VERSION)
        .hostname(process::host_name(container))
        .root(root)
        .process(process)
        .mounts(mounts(container, given, places)?)
        .linux(linux(container, given, places)?)
        .build()?;
    spec.set_hooks(cdi::hooks(&given.cdi)?);
    Ok(spec)
}

fn process(container: &DesiredContainer, given: &Given) -> Result<Process, StepError> {
    let arguments = process::arguments(container)?;
    let security = &container.config.security;
    let tty = container.config.process.tty;
    let build = || {
        let identity = &given.identity;
        let user = UserBuilder::default()
            .uid(identity.uid)
            .gid(identity.gid)
            .additional_gids(identity.groups.clone())
            .umask(container.config.process.umask.unwrap_or(UMASK))
            .build()?;
        let mut process = ProcessBuilder::default()
            .terminal(tty)
            .user(user)
            .args(arguments)
            .env(process::environment(container, &given.env))
            .cwd(process::directory(container))
            .capabilities(capabilities(security, given.possible, identity.uid)?)
            .no_new_privileges(!security.new_privileges && !security.privileged)
            .build()?;
        if tty {
            let size = BoxBuilder::default()
                .height(far_end::FIRST_ROWS)
                .width(far_end::FIRST_COLUMNS);
            process.set_console_size(Some(size.build()?));
        }
        // The crate's default is a limit of 1024 open files; systemd's (1024 to begin with, 524288
        // for who asks) comes with the unit.
        process.set_rlimits(rlimits(container)?);
        Ok(process)
    };
    build().map_err(|error: OciSpecError| StepError::Spec(Box::new(error)))
}

fn rlimits(container: &DesiredContainer) -> Result<Option<Vec<PosixRlimit>>, OciSpecError> {
    let limits = &container.config.process.ulimits;
    let mut all = Vec::new();
    for (name, limit) in limits {
        // The config knows no name that is not one.
        let name = Value::String(format!("RLIMIT_{}", name.to_ascii_uppercase()));
        if let Ok(kind) = serde_json::from_value(name) {
            let limit = PosixRlimitBuilder::default()
                .typ::<oci_spec::runtime::PosixRlimitType>(kind)
                .soft(limit.soft)
                .hard(limit.hard);
            all.push(limit.build()?);
        }
    }
    Ok((!all.is_empty()).then_some(all))
}

fn linux(
    container: &DesiredContainer,
    given: &Given,
    places: &Places,
) -> Result<Linux, OciSpecError> {
    let security = &container.config.security;
    // With `privileged` nothing is masked, and the config can ask for nothing.
    let paths = |paths: &[&str]| -> BTreeSet<String> {
        let paths = paths.iter().map(|path| (*path).to_owned());
        paths
            .filter(|path| !security.privileged && !security.unmask.contains(path))
            .collect()
    };
    let mut masked = paths(&MASKED_PATHS);
    masked.extend(security.mask.iter().cloned());
    let resources = LinuxResourcesBuilder::default()
        .devices(device_rules(container, given)?)
        .build()?;
    let devices: Result<Vec<LinuxDevice>, _> = given.devices.iter().map(device).collect();
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(container, given, places)?)
        .cgroups_path(cgroup(&unit_name(&container.instance())))
        .resources(resources)
        .sysctl(sysctls(container, given))
        .rootfs_propagation(root_propagation(container))
        .masked_paths(masked.into_iter().collect::<Vec<_>>())
        .readonly_paths(paths(&READ_ONLY_PATHS).into_iter().collect::<Vec<_>>());
    if !given.devices.is_empty() {
        linux = linux.devices(devices?);
    }
    if !security.privileged && !security.seccomp_off {
        linux = linux.seccomp(seccomp::profile(&bounding(security, given.possible))?);
    }
    linux.build()
}

/// What binds of the host take part in: crun cuts off what the root does not (mount_namespaces(7)).
fn root_propagation(container: &DesiredContainer) -> &'static str {
    let binds = &container.config.storage.binds;
    let any = |of: fn(Propagation) -> bool| binds.iter().any(|bind| of(bind.propagation));
    if any(Propagation::is_shared) {
        "shared"
    } else if any(Propagation::is_slave) {
        "slave"
    } else {
        "private"
    }
}

/// Those of this module are of the container's own network namespace only.
fn sysctls(container: &DesiredContainer, given: &Given) -> HashMap<String, String> {
    let groups = match given.ids {
        Some(_) => EVERY_OWN_GROUP,
        None => EVERY_GROUP,
    };
    let usual = [PORT_SYSCTL, (PING_SYSCTL, groups)];
    let own = match container.network() {
        Network::Joined | Network::None => &usual[..],
        Network::Host | Network::Of(_) => &[],
    };
    let own = own
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    own.chain(container.config.process.sysctl.clone()).collect()
}

fn device(device: &HostDevice) -> Result<LinuxDevice, OciSpecError> {
    LinuxDeviceBuilder::default()
        .path(device.path.clone())
        .typ(kind(device))
        .major(i64::from(device.major))
        .minor(i64::from(device.minor))
        .file_mode(device.mode)
        .uid(device.uid)
        .gid(device.gid)
        .build()
}

fn kind(device: &HostDevice) -> LinuxDeviceType {
    if device.is_block {
        LinuxDeviceType::B
    } else {
        LinuxDeviceType::C
    }
}

/// First that none may be used, then those that may.
fn device_rules(
    container: &DesiredContainer,
    given: &Given,
) -> Result<Vec<LinuxDeviceCgroup>, OciSpecError> {
    let security = &container.config.security;
    let every = security.privileged || security.host.contains(&HostRight::Devices);
    let rule = LinuxDeviceCgroupBuilder::default().access("rwm");
    let mut rules = vec![rule.allow(every).build()?];
    let usable = |device: &&HostDevice| !every && !device.access.is_empty();
    for device in given.devices.iter().filter(usable) {
        let rule = LinuxDeviceCgroupBuilder::default()
            .allow(true)
            .typ(kind(device))
            .major(i64::from(device.major))
            .minor(i64::from(device.minor))
            .access(device.access.clone());
        rules.push(rule.build()?);
    }
    Ok(rules)
}

/// The user namespace is named by its path alone, which holds its mappings already.
fn namespaces(
    container: &DesiredContainer,
    given: &Given,
    places: &Places,
) -> Result<Vec<LinuxNamespace>, OciSpecError> {
    let rights = &container.config.security.host;
    let own = [
        (LinuxNamespaceType::Pid, Some(HostRight::Pid)),
        (LinuxNamespaceType::Uts, None),
        (LinuxNamespaceType::Mount, None),
        (LinuxNamespaceType::Cgroup, None),
    ];
    let mut all = own
        .into_iter()
        .filter(|(_, right)| right.is_none_or(|right| !rights.contains(&right)))
        .map(|(kind, _)| LinuxNamespaceBuilder::default().typ(kind).build())
        .collect::<Result<Vec<_>, _>>()?;
    let ipc = LinuxNamespaceBuilder::default().typ(LinuxNamespaceType::Ipc);
    match container.shared_ipc() {
        Some(holder) => all.push(ipc.path(places.ipcns_file(holder)).build()?),
        None if rights.contains(&HostRight::Ipc) => {}
        None => all.push(ipc.build()?),
    }
    if given.ids.is_some() {
        let path = places.userns_file(&container.user_namespace());
        let user = LinuxNamespaceBuilder::default().typ(LinuxNamespaceType::User);
        all.push(user.path(path).build()?);
    }
    let network = LinuxNamespaceBuilder::default().typ(LinuxNamespaceType::Network);
    match container.network() {
        Network::Host => {}
        Network::None => all.push(network.build()?),
        Network::Joined => all.push(
            network
                .path(places.netns_file(&container.instance()))
                .build()?,
        ),
        Network::Of(other) => {
            let holder = Instance::new(other, container.holder_slot);
            all.push(network.path(places.netns_file(&holder)).build()?);
        }
    }
    Ok(all)
}

/// The container's cgroup: below its unit's, beside the one of the runtime's own processes.
fn cgroup(unit: &str) -> PathBuf {
    unit_group(unit).join(PAYLOAD_GROUP)
}

/// The cgroup of a container's unit. A slice `a-b.slice` is in `a.slice` (systemd.slice(5)).
pub(super) fn unit_group(unit: &str) -> PathBuf {
    let mut path = PathBuf::from("/");
    let stem = SLICE.trim_end_matches(".slice");
    for (index, _) in stem.match_indices('-') {
        path.push(format!("{}.slice", &stem[..index]));
    }
    path.join(SLICE).join(unit)
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
