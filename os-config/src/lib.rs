//! The node's TOML: types, line-precise diagnostics, validation, rendering. Pure.
//!
//! This crate cannot do I/O: text comes in, types, diagnostics and file contents go out.

mod diagnostic;
mod digest;
mod duration;
mod forms;
mod image_ref;
mod keys;
pub mod limits;
mod model;
mod parse;
mod reference;
mod render;
mod schema;
mod size;
mod spec;

pub use diagnostic::{Colour, Diagnostic, Diagnostics};
pub use digest::{Digest, DigestError, RootDigest};
pub use duration::{DurationError, format_duration, parse_duration};
pub use image_ref::{ImageRef, ImageRefError};
pub use model::{
    Api, ByteSize, Check, Container, Cpus, Gate, Health, Host, Name, Net, NodeConfig, Os, Port,
    Probe, Protocol, Registry, Restart, Update, UpdatePolicy, Volume, VolumeMount,
};
pub use parse::{DEFAULT_NET, SCHEMA, default_subnet, parse};
pub use reference::reference_page;
pub use render::{Body, NodeFacts, RenderedFile, host_name, render};
pub use schema::json_schema;
pub use size::SizeError;
