//! Devices by the names of the Container Device Interface (tags.cncf.io/container-device-interface, SPEC.md): what
//! their vendors' specs on this machine say that a container needs. All blocking but [`hooks`] and [`mounts`].

mod catalogue;
mod error;
mod grants;
mod oci;
mod spec;
mod yaml;

pub(super) use error::CdiError;
pub(super) use grants::Grants;
pub(super) use oci::{hooks, mounts};

#[cfg(test)]
mod tests;
