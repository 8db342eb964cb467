//! What is mounted in a container. Pure.

use super::cdi;
use super::desired::DesiredContainer;
use super::given::Given;
use super::init_program;
use super::ipc;
use super::local_time;
use super::places::Places;
use oci_spec::OciSpecError;
use oci_spec::runtime::{Mount, MountBuilder};
use orlop_config::HostRight;
use std::path::Path;

/// The files of host_files.rs.
pub(super) const HOST_FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];
const SHM_KIB: u64 = 64 * 1024;
/// The folder, not the socket: a bus that is started anew makes another socket.
const BUS: &str = "/run/dbus";

/// Every mount of `container`, those of the image's own system first, then by path, so that none hides
/// what was mounted before it.
pub(super) fn mounts(
    container: &DesiredContainer,
    given: &Given,
    places: &Places,
) -> Result<Vec<Mount>, OciSpecError> {
    let mut all = kernel(container)?;
    all.push(shm(container, places)?);
    for file in HOST_FILES {
        let source = places.bundle(&container.instance()).join(file);
        all.push(bind(&format!("/etc/{file}"), &source, given)?);
    }
    let mut more = of_config(container, given, places)?;
    if container.config.process.timezone.is_some() {
        let source = places.local_time(&container.instance());
        more.push(bind(local_time::INSIDE, &source, given)?);
    }
    for (source, path) in &given.files {
        more.push(bind(path, source, given)?);
    }
    more.extend(of_host(container, given)?);
    more.extend(cdi::mounts(&given.cdi)?);
    if container.config.process.init {
        let options = ["bind", "ro", "nosuid", "nodev", "rprivate"];
        let source = places.init_copy();
        more.push(mount(init_program::INSIDE, "bind", &source, &options)?);
    }
    more.sort_by(|a, b| a.destination().cmp(b.destination()));
    all.extend(more);
    Ok(all)
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

/// A file for reading, of which nothing can be run.
fn bind(target: &str, source: &Path, given: &Given) -> Result<Mount, OciSpecError> {
    let options = ["bind", "ro", "nosuid", "noexec", "nodev", "rprivate"];
    mount(target, "bind", source, &[&options, mapped(given)].concat())
}

/// What is on disk has the container's own ids, and is shown with the host's that these are, so that
/// containers with different ones may share it.
fn mapped(given: &Given) -> &'static [&'static str] {
    match given.ids {
        Some(_) => &["idmap"],
        None => &[],
    }
}

fn kernel(container: &DesiredContainer) -> Result<Vec<Mount>, OciSpecError> {
    let kernel =
        |target: &str, kind: &str, options: &[&str]| mount(target, kind, Path::new(kind), options);
    let access = if container.config.security.privileged {
        "rw"
    } else {
        "ro"
    };
    Ok(vec![
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
        kernel("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"])?,
        kernel("/sys", "sysfs", &["nosuid", "noexec", "nodev", access])?,
        kernel(
            "/sys/fs/cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", access],
        )?,
    ])
}

/// The size of its `/dev/shm` in KiB.
pub(super) fn shm_size(container: &DesiredContainer) -> u64 {
    let size = container.config.storage.shm_size;
    size.map_or(SHM_KIB, |size| size.0 / 1024)
}

/// Its own, or that which it shares with others. Its files have the host's ids, of which all have the same.
fn shm(container: &DesiredContainer, places: &Places) -> Result<Mount, OciSpecError> {
    let options = ["nosuid", "noexec", "nodev"];
    if let Some(holder) = container.shared_ipc() {
        let options = [&["bind", "rw", "rprivate"], &options[..]].concat();
        return mount(ipc::SHM, "bind", &places.shm(holder), &options);
    }
    let size = format!("size={}k", shm_size(container));
    let options = [&options[..], &["mode=1777", &size]].concat();
    mount(ipc::SHM, "tmpfs", Path::new("tmpfs"), &options)
}

fn of_config(
    container: &DesiredContainer,
    given: &Given,
    places: &Places,
) -> Result<Vec<Mount>, OciSpecError> {
    let mut all = Vec::new();
    for volume in &container.config.volumes {
        let access = if volume.read_only { "ro" } else { "rw" };
        let options = ["bind", access, "nosuid", "nodev", "rprivate"];
        let source = places.volume(&volume.volume);
        let options = [&options, mapped(given)].concat();
        all.push(mount(&volume.path, "bind", &source, &options)?);
    }
    for bind in &container.config.storage.binds {
        let access = if bind.read_only { "rro" } else { "rw" };
        // With what is mounted below it.
        let options = [
            "rbind",
            access,
            "nosuid",
            "nodev",
            bind.propagation.as_str(),
        ];
        all.push(mount(&bind.path, "bind", Path::new(&bind.host), &options)?);
    }
    for (path, size) in &container.config.storage.tmpfs {
        let size = format!("size={}k", (size.0 / 1024).max(1));
        let options = ["nosuid", "nodev", "mode=1777", &size];
        all.push(mount(path, "tmpfs", Path::new("tmpfs"), &options)?);
    }
    Ok(all)
}

fn of_host(container: &DesiredContainer, given: &Given) -> Result<Vec<Mount>, OciSpecError> {
    let rights = &container.config.security.host;
    let mut all = Vec::new();
    for path in &given.journal {
        let options = ["rbind", "ro", "nosuid", "noexec", "nodev", "rslave"];
        all.push(mount(path, "bind", Path::new(path), &options)?);
    }
    if rights.contains(&HostRight::Dbus) {
        let options = ["bind", "ro", "nosuid", "noexec", "nodev", "rslave"];
        all.push(mount(BUS, "bind", Path::new(BUS), &options)?);
    }
    Ok(all)
}
