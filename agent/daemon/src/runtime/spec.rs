//! The OCI runtime spec of a container (OCI runtime specification 1.2, config.md). Pure.

use super::desired::DesiredContainer;
use super::error::StepError;
use super::identity::Identity;
use super::places::{Places, SLICE, unit_name};
use super::process;
use super::seccomp;
use super::unit::PAYLOAD_GROUP;
use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Capability, Linux, LinuxBuilder, LinuxCapabilities, LinuxCapabilitiesBuilder,
    LinuxDeviceCgroupBuilder, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType,
    LinuxResourcesBuilder, Mount, MountBuilder, Process, ProcessBuilder, RootBuilder, Spec,
    SpecBuilder, UserBuilder,
};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

const SPEC_VERSION: &str = "1.2.0";
/// What a root process in a container may do: the set that container engines have in common
/// without `mknod`, `net_raw` and `audit_write`, which servers do not need, and without
/// `net_bind_service`, since in a container's network every port is free (`SYSCTLS`). Programs of
/// other users have none at all.
const CAPABILITIES: [Capability; 10] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];
/// Of the container's own network namespace: ports below 1024 need no rights, and `ping` none.
const SYSCTLS: [(&str, &str); 2] = [
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    ("net.ipv4.ping_group_range", "0 2147483647"),
];
/// Kernel files that tell or change things of the host.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];
/// The files of host_files.rs.
pub(super) const HOST_FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];
const UMASK: u32 = 0o022;

/// The spec of `container`, run as `identity`, with everything where `places` has it.
pub(super) fn spec(
    container: &DesiredContainer,
    identity: &Identity,
    places: &Places,
) -> Result<Spec, StepError> {
    let process = process(container, identity)?;
    build(container, process, places).map_err(|error| StepError::Spec(Box::new(error)))
}

fn build(
    container: &DesiredContainer,
    process: Process,
    places: &Places,
) -> Result<Spec, OciSpecError> {
    let name = &container.name;
    let root = RootBuilder::default()
        .path(places.rootfs(name))
        .readonly(container.config.read_only)
        .build()?;
    SpecBuilder::default()
        .version(SPEC_VERSION)
        .hostname(name.as_str())
        .root(root)
        .process(process)
        .mounts(mounts(container, places)?)
        .linux(linux(container, places)?)
        .build()
}

fn process(container: &DesiredContainer, identity: &Identity) -> Result<Process, StepError> {
    let arguments = process::arguments(container)?;
    let build = || {
        let user = UserBuilder::default()
            .uid(identity.uid)
            .gid(identity.gid)
            .additional_gids(identity.groups.clone())
            .umask(UMASK)
            .build()?;
        let mut process = ProcessBuilder::default()
            .terminal(false)
            .user(user)
            .args(arguments)
            .env(process::environment(container))
            .cwd(process::directory(container))
            .capabilities(capabilities(identity)?)
            .no_new_privileges(true)
            .build()?;
        // The crate's default is a limit of 1024 open files; systemd's (1024 to begin with, 524288
        // for who asks) comes with the unit.
        process.set_rlimits(None);
        Ok(process)
    };
    build().map_err(|error: OciSpecError| StepError::Spec(Box::new(error)))
}

fn capabilities(identity: &Identity) -> Result<LinuxCapabilities, OciSpecError> {
    let all = HashSet::from(CAPABILITIES);
    let held = if identity.uid == 0 {
        all.clone()
    } else {
        HashSet::new()
    };
    LinuxCapabilitiesBuilder::default()
        .bounding(all)
        .effective(held.clone())
        .permitted(held)
        .inheritable(HashSet::new())
        .ambient(HashSet::new())
        .build()
}

fn mount(target: &str, kind: &str, source: &Path, options: &[&str]) -> Result<Mount, OciSpecError> {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    MountBuilder::default()
        .destination(target)
        .typ(kind)
        .source(source)
        .options(options)
        .build()
}

fn mounts(container: &DesiredContainer, places: &Places) -> Result<Vec<Mount>, OciSpecError> {
    let kernel =
        |target: &str, kind: &str, options: &[&str]| mount(target, kind, Path::new(kind), options);
    let mut all = vec![
        kernel("/proc", "proc", &["nosuid", "noexec", "nodev"])?,
        kernel(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        )?,
        kernel(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        )?,
        kernel(
            "/dev/shm",
            "tmpfs",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        )?,
        kernel("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"])?,
        kernel("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"])?,
        kernel(
            "/sys/fs/cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        )?,
    ];
    for file in HOST_FILES {
        let source = places.bundle(&container.name).join(file);
        let options = ["bind", "ro", "nosuid", "noexec", "nodev", "rprivate"];
        all.push(mount(&format!("/etc/{file}"), "bind", &source, &options)?);
    }
    for volume in &container.config.volumes {
        let access = if volume.read_only { "ro" } else { "rw" };
        let options = ["bind", access, "nosuid", "nodev", "rprivate"];
        all.push(mount(
            &volume.path,
            "bind",
            &places.volume(&volume.volume),
            &options,
        )?);
    }
    Ok(all)
}

fn linux(container: &DesiredContainer, places: &Places) -> Result<Linux, OciSpecError> {
    let name = &container.name;
    let no_device = LinuxDeviceCgroupBuilder::default()
        .allow(false)
        .access("rwm")
        .build()?;
    let resources = LinuxResourcesBuilder::default()
        .devices(vec![no_device])
        .build()?;
    let sysctls: HashMap<String, String> = SYSCTLS
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let texts = |paths: &[&str]| {
        paths
            .iter()
            .map(|path| (*path).to_owned())
            .collect::<Vec<_>>()
    };
    LinuxBuilder::default()
        .namespaces(namespaces(places.netns_file(name))?)
        .cgroups_path(cgroup(&unit_name(name)))
        .resources(resources)
        .sysctl(sysctls)
        .rootfs_propagation("private")
        .seccomp(seccomp::profile()?)
        .masked_paths(texts(&MASKED))
        .readonly_paths(texts(&READ_ONLY))
        .build()
}

fn namespaces(network: PathBuf) -> Result<Vec<LinuxNamespace>, OciSpecError> {
    let own = [
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Cgroup,
    ];
    let mut all = own
        .into_iter()
        .map(|kind| LinuxNamespaceBuilder::default().typ(kind).build())
        .collect::<Result<Vec<_>, _>>()?;
    let network = LinuxNamespaceBuilder::default()
        .typ(LinuxNamespaceType::Network)
        .path(network);
    all.push(network.build()?);
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
mod tests {
    use super::super::fixture::desired_web;
    use super::*;

    fn json(container: &DesiredContainer, identity: &Identity) -> serde_json::Value {
        let mut value =
            serde_json::to_value(spec(container, identity, &Places::node()).unwrap()).unwrap();
        // Sets have no order of their own.
        for key in ["bounding", "effective", "permitted"] {
            if let Some(list) = value["process"]["capabilities"][key].as_array_mut() {
                list.sort_by_key(ToString::to_string);
            }
        }
        value
    }

    #[test]
    fn the_spec_is_as_recorded() {
        let identity = Identity {
            uid: 1000,
            gid: 1000,
            groups: vec![4],
        };
        let mut value = json(&desired_web().containers[0], &identity);
        // Recorded in seccomp.rs.
        value["linux"]["seccomp"].take();
        insta::assert_json_snapshot!(value);
    }

    #[test]
    fn root_has_the_default_capabilities_and_others_have_none() {
        let container = &desired_web().containers[0];
        let held = |uid| {
            let identity = Identity {
                uid,
                ..Identity::default()
            };
            let held = json(container, &identity)["process"]["capabilities"]["effective"].clone();
            held.as_array().map_or(0, Vec::len)
        };
        assert_eq!((held(0), held(1000)), (CAPABILITIES.len(), 0));
    }

    #[test]
    fn the_cgroup_is_below_the_units() {
        assert_eq!(
            cgroup("orlop-container-web.service"),
            Path::new("/orlop.slice/orlop-containers.slice/orlop-container-web.service/payload")
        );
    }
}
