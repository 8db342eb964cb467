//! Name servers, names and platforms of containers.

use super::Problem;
use super::machine::address;
use crate::model::{HostAddress, Platform};

/// The word for the node's own address.
const HOST_GATEWAY: &str = "host-gateway";
/// Longest option of a resolver, in bytes.
const MAX_DNS_OPTION: usize = 64;

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

/// An option of a resolver, `name` or `name:number` (resolv.conf(5)).
pub(crate) fn dns_option(text: &str) -> Result<String, Problem> {
    let (name, number) = match text.split_once(':') {
        Some((name, number)) => (name, Some(number)),
        None => (text, None),
    };
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let fits = text.len() <= MAX_DNS_OPTION
        && !name.is_empty()
        && name.bytes().all(is_word)
        && number.is_none_or(is_number);
    if fits {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(format!("`{text}` is not an option of a resolver"))
            .help("such as \"ndots:2\", \"timeout:1\" or \"rotate\""),
    )
}
