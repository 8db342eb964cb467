//! The node's TOML: types, line-precise diagnostics, validation, rendering. Pure.
//!
//! This crate cannot do I/O: text comes in, types, diagnostics and file contents go out.
//!
//! - [`parse`]: text to a [`NodeConfig`], or every problem at once as [`Diagnostics`]. A `NodeConfig`
//!   has passed every check; who holds one does not check again.
//! - [`render`]: a `NodeConfig` to the files under `/etc`.
//! - [`json_schema`] and [`reference_page`]: the keys for editors and for people. Parser, schema and
//!   page read the same table of keys.
//!
//! ```
//! let text = "schema = 1\n[host]\nnmae = \"edge-17\"\n";
//! let problems = orlop_config::parse("node.toml", text).unwrap_err();
//! let first = &problems.list()[0];
//! assert_eq!((first.line, first.column), (3, 1));
//! assert_eq!(first.help.as_deref(), Some("did you mean `name`?"));
//! ```

mod beside;
mod changes;
mod diagnostic;
mod digest;
mod duration;
mod firewall;
mod forms;
mod image_ref;
mod keys;
pub mod limits;
mod machine;
mod model;
mod parse;
mod reference;
mod render;
mod schedule;
mod schema;
mod size;
mod spec;
mod window;

pub use beside::starts_beside;
pub use changes::{KeyChange, changed_keys};
pub use diagnostic::{Colour, Diagnostic, Diagnostics, nearest};
pub use digest::{Digest, DigestError, RootDigest};
pub use duration::{DurationError, format_duration, parse_duration};
pub use firewall::{BRIDGE_PREFIX, FIREWALL_TABLE, firewall_rules, replaced_table};
pub use image_ref::{ImageRef, ImageRefError};
pub use machine::{Generations, Interface, Kernel, Network, Time, sysctl_path};
pub use model::{
    Allow, Api, Attachment, Bind, ByteSize, CdiDevice, Check, Condition, Container, Cpus, Device,
    Disruption, Firewall, Gate, Health, Host, HostAddress, HostRight, Inbound, InlineFile,
    IoLimits, Kind, Lifecycle, Login, Lookup, MASKED_PATHS, Mirror, Name, Net, NetDriver,
    NetworkMode, NodeConfig, OciRuntime, Os, Platform, Port, Probe, Process, Propagation, Protocol,
    Proxy, PullPolicy, READ_ONLY_PATHS, Registry, Resources, Restart, Secret, Security, Storage,
    Traffic, Ulimit, Unhealthy, Update, UpdateOrder, UpdatePolicy, UserNamespace, Volume,
    VolumeMount, user_namespace_holder,
};
pub use parse::{DEFAULT_NET, SCHEMA, default_subnet, parse};
pub use reference::reference_page;
pub use render::{
    Body, FIREWALL_PATH, NodeFacts, OWN_FILES, Refresh, RenderedFile, Telling, host_name, refresh,
    refreshes, render, stays_until_reboot,
};
pub use schedule::{Schedule, ScheduleError};
pub use schema::json_schema;
pub use size::SizeError;
pub use window::{TimeOfDay, Weekday, Window};
