//! Machines for tests: namespace and QEMU machines, and the scenarios that run on them.
//!
//! A [`Machine`] is started from a [`MachineSpec`] and looked after by a supervisor process, the
//! program `orlop-machine`. Nothing of it outlives the test that started it, however that ends.

mod api_access;
mod api_client;
mod boot_loader;
mod cgroup;
mod control;
mod counts;
pub mod disk_log;
mod error_text;
mod free_port;
mod home;
pub mod http;
mod image_server;
mod lan;
pub mod layout;
mod machine;
pub mod namespace;
pub mod node_dir;
mod process;
pub mod qemu;
mod registry;
mod remote_node;
mod sample;
mod scratch;
mod spec;
pub mod supervisor;
mod sweep;
mod wait;

pub use api_access::{API_PORT, ApiAccess, ApiAccessError, fingerprint};
pub use api_client::{ApiClient, ApiError};
pub use boot_loader::{BootChoice, BootLoaderError};
pub use cgroup::{Cgroup, CgroupError};
pub use control::{MachineStatus, Power};
pub use counts::{BadCount, count_times, longest_gap};
pub use error_text::error_text;
pub use free_port::free_port;
pub use home::{DEFAULT_HOME, Home, HomeError, Resident};
pub use image_server::{ImageServer, ImageServerError};
pub use lan::{Lan, LanError};
pub use machine::{Machine, MachineError};
pub use namespace::BootEnd;
pub use process::{NotAProcessId, ProcessId};
pub use registry::{Registry, RegistryError};
pub use remote_node::{RemoteNode, RemoteNodeError, RemoteNodeSpec, Said, make_disk};
pub use sample::{Sample, SampleError, write_samples, write_samples_with};
pub use scratch::{SCRATCH_VAR, Scratch, ScratchError};
pub use spec::{
    CONSOLE_FILE, CONTROL_SOCKET, LanPort, Life, MachineKind, MachineSpec, NamespaceSpec, NodeDisk,
    Publish, RootSource, SPEC_FILE, SUPERVISOR_LOG,
};
pub use sweep::{SweepError, sweep};
pub use wait::{POLL, TimedOut, wait_for, wait_until};
