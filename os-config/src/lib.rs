//! The node's TOML: types, line-precise diagnostics, validation, rendering. Pure.
//!
//! This crate cannot do I/O: text comes in, types, diagnostics and file contents go out.

mod digest;
mod image_ref;
mod model;

pub use digest::{Digest, DigestError, RootDigest};
pub use image_ref::{ImageRef, ImageRefError};
pub use model::{
    Api, ByteSize, Check, Container, Cpus, Gate, Health, Host, Name, Net, NodeConfig, Os, Port,
    Probe, Protocol, Registry, Restart, Update, UpdatePolicy, Volume, VolumeMount,
};
