//! Name servers, names and platforms of containers.

use super::Problem;
use super::machine::address;
use crate::model::{HostAddress, Platform};

/// The word for the node's own address.
const HOST_GATEWAY: &str = "host-gateway";

/// What a name of `hosts` stands for.
pub(crate) fn host_address(text: &str) -> Result<HostAddress, Problem> {
    if text == HOST_GATEWAY {
        return Ok(HostAddress::HostGateway);
    }
    address(text).map(HostAddress::Address).map_err(|problem| {
        problem.help("write an address, such as \"10.0.0.5\", or \"host-gateway\" for the node")
    })
}

/// What an image must be for.
pub(crate) fn platform(text: &str) -> Result<Platform, Problem> {
    Platform::new(text).ok_or_else(|| {
        Problem::new(format!("`{text}` is not a platform of Linux"))
            .help("write `linux/` and an architecture, such as \"linux/386\" or \"linux/arm/v7\"")
    })
}
