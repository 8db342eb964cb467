//! Where everything of the containers is (docs/design/loop.md, "Paths on a node").

use super::instance::Instance;
use orlop_config::{Name, OciRuntime};
use std::path::{Path, PathBuf};

/// The directories that containers live in. What is below `/run` is gone after a reboot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Run-time files: `/run/orlop`.
    pub run: PathBuf,
    /// The agent's own records: `/state/orlop`.
    pub records: PathBuf,
    /// The state partition: `/state`.
    pub state: PathBuf,
    /// Units made at run time: `/run/systemd/system`.
    pub units: PathBuf,
    /// The agent's credentials (systemd.exec(5)): `/run/credentials/orlopd.service`.
    pub credentials: PathBuf,
    /// When systemd's timers last went off: `/var/lib/systemd/timers`.
    pub timers: PathBuf,
    /// Named network namespaces, where iproute2 looks for them: `/run/netns`.
    pub netns: PathBuf,
    /// Specs of devices (`cdi/`), the last ones first: `/etc/cdi`, `/state/orlop/cdi`, `/run/cdi`.
    pub cdi: [PathBuf; 3],
    /// The OS's small init for containers: `/usr/bin/catatonit`.
    pub os_init: PathBuf,
    /// The OS's holder of terminals: `/usr/lib/orlop/orlop-terminal`.
    pub os_terminal: PathBuf,
}

const UNIT_PREFIX: &str = "orlop-container-";
const UNIT_SUFFIX: &str = ".service";
const TIMER_SUFFIX: &str = ".timer";
const NETNS_PREFIX: &str = "orlop-";

impl Places {
    /// The places of a real node.
    pub fn node() -> Self {
        Self::under(Path::new("/"))
    }

    /// The same tree below `root`.
    pub fn under(root: &Path) -> Self {
        Self {
            run: root.join("run/orlop"),
            records: root.join("state/orlop"),
            state: root.join("state"),
            units: root.join("run/systemd/system"),
            credentials: root.join("run/credentials/orlopd.service"),
            timers: root.join("var/lib/systemd/timers"),
            netns: root.join("run/netns"),
            cdi: ["etc/cdi", "state/orlop/cdi", "run/cdi"].map(|dir| root.join(dir)),
            os_init: root.join("usr/bin/catatonit"),
            os_terminal: root.join("usr/lib/orlop/orlop-terminal"),
        }
    }

    /// All bundles.
    pub(super) fn bundles(&self) -> PathBuf {
        self.run.join("containers")
    }

    /// An instance's OCI bundle, and what else is kept of it while it is there.
    pub(super) fn bundle(&self, instance: &Instance) -> PathBuf {
        self.bundles().join(instance.to_string())
    }

    /// Where its root file system is mounted.
    pub(super) fn rootfs(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("rootfs")
    }

    /// An empty file: what its program reads from.
    pub(super) fn input(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("input")
    }

    /// The OCI runtime spec.
    pub(super) fn spec(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("config.json")
    }

    /// What netavark was given, kept from before the set-up until after the tear-down.
    pub(super) fn network_request(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("network.json")
    }

    /// There once the network is set up.
    pub(super) fn network_ready(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("network.ready")
    }

    /// Which OS's files a container holds, if it does.
    pub(super) fn os_mark(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("os")
    }

    /// The copy of the OS's small init that containers have.
    pub(super) fn init_copy(&self) -> PathBuf {
        self.run.join("init")
    }

    /// The host's ids that the container's are; there while it has a user namespace of its own.
    pub(super) fn ids(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("ids")
    }

    /// A container's user namespace.
    pub(super) fn userns_file(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("userns")
    }

    /// The IPC namespace that a container shares with others.
    pub(super) fn ipcns_file(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("ipcns")
    }

    /// The `/dev/shm` that a container shares with others.
    pub(super) fn shm(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("shm")
    }

    /// There once both are made: which user namespace they belong to.
    pub(super) fn ipc_ready(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("ipc.ready")
    }

    /// Where its writable layer is mounted with the container's ids while its root is put together.
    pub(super) fn mapped_layer(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("layer")
    }

    /// The copy of the OS's holder of terminals that units start.
    pub(super) fn terminal_copy(&self) -> PathBuf {
        self.run.join("orlop-terminal")
    }

    /// Where operators join a container's terminal or give it input.
    pub(super) fn attach_socket(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("attach.sock")
    }

    /// Where the OCI runtime sends a container's terminal to.
    pub(super) fn console_socket(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("console.sock")
    }

    /// The process id of the container's first process, written by the OCI runtime.
    pub(super) fn pid_file(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("pid")
    }

    /// An OCI runtime's own state.
    pub(super) fn runtime_state(&self, runtime: OciRuntime) -> PathBuf {
        self.run.join(runtime.as_str())
    }

    /// The rules of its time zone.
    pub(super) fn local_time(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("localtime")
    }

    /// Files of the TOML that are mounted in the container.
    pub(super) fn files(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("files")
    }

    /// Secrets that are mounted in the container.
    pub(super) fn secrets(&self, instance: &Instance) -> PathBuf {
        self.bundle(instance).join("secrets")
    }

    /// The containers whose second slot serves.
    pub(super) fn seconds(&self) -> PathBuf {
        self.run.join("second")
    }

    /// There while the second slot of a container serves.
    pub(super) fn second(&self, name: &Name) -> PathBuf {
        self.seconds().join(name.as_str())
    }

    /// Wishes of operators that a container be stopped.
    pub(super) fn wishes(&self) -> PathBuf {
        self.run.join("stopped")
    }

    /// The wish that a container be stopped.
    pub(super) fn wish(&self, name: &Name) -> PathBuf {
        self.wishes().join(name.as_str())
    }

    /// Tasks that run once, and are done.
    pub(super) fn all_done(&self) -> PathBuf {
        self.records.join("once")
    }

    /// The record that a task is done.
    pub(super) fn done(&self, name: &Name) -> PathBuf {
        self.all_done().join(name.as_str())
    }

    /// netavark's own state.
    pub(super) fn netavark_state(&self) -> PathBuf {
        self.run.join("netavark")
    }

    /// Names of containers, for aardvark-dns: a file for each network.
    pub(super) fn names(&self) -> PathBuf {
        self.netavark_state().join("names")
    }

    /// All writable layers.
    pub(super) fn layers(&self) -> PathBuf {
        self.state.join("containers")
    }

    /// An instance's writable layer: `upper`, `work` and `spec`.
    pub(super) fn layer(&self, instance: &Instance) -> PathBuf {
        self.layers().join(instance.to_string())
    }

    /// The hash of the instance that the writable layer belongs to.
    pub(super) fn layer_spec(&self, instance: &Instance) -> PathBuf {
        self.layer(instance).join("spec")
    }

    /// All named volumes.
    pub(super) fn volumes(&self) -> PathBuf {
        self.state.join("volumes")
    }

    /// A named volume.
    pub(super) fn volume(&self, name: &Name) -> PathBuf {
        self.volumes().join(name.as_str())
    }

    /// Addresses given to containers.
    pub(super) fn leases(&self) -> PathBuf {
        self.records.join("leases.json")
    }

    /// An instance's unit file.
    pub(super) fn unit_file(&self, instance: &Instance) -> PathBuf {
        self.units.join(unit_name(instance))
    }

    /// The timer of a container with a schedule.
    pub(super) fn timer_file(&self, name: &Name) -> PathBuf {
        self.units.join(timer_name(name))
    }

    /// When the timer of a container last went off, for runs that are missed.
    pub(super) fn timer_stamp(&self, name: &Name) -> PathBuf {
        self.timers.join(format!("stamp-{}", timer_name(name)))
    }

    /// The slice's unit file.
    pub(super) fn slice_file(&self) -> PathBuf {
        self.units.join(SLICE)
    }

    /// An instance's network namespace.
    pub(super) fn netns_file(&self, instance: &Instance) -> PathBuf {
        self.netns.join(format!("{NETNS_PREFIX}{instance}"))
    }
}

/// The slice of all containers.
pub(super) const SLICE: &str = "orlop-containers.slice";

/// An instance's unit.
pub(super) fn unit_name(instance: &Instance) -> String {
    format!("{UNIT_PREFIX}{instance}{UNIT_SUFFIX}")
}

/// The timer of a container with a schedule.
pub(super) fn timer_name(name: &Name) -> String {
    format!("{UNIT_PREFIX}{name}{TIMER_SUFFIX}")
}

/// The instance of a unit, if it is one of ours.
pub(super) fn instance_of_unit(unit: &str) -> Option<Instance> {
    Instance::parse(unit.strip_prefix(UNIT_PREFIX)?.strip_suffix(UNIT_SUFFIX)?)
}

/// The instance of a network namespace, if it is one of ours.
pub(super) fn instance_of_netns(file: &str) -> Option<Instance> {
    Instance::parse(file.strip_prefix(NETNS_PREFIX)?)
}
