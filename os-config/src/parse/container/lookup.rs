//! How a container finds others by name, and how its image is had.

use super::super::context::Context;
use super::super::section::Section;
use crate::forms::{self, Problem};
use crate::model::{HostAddress, Lookup, NetworkMode, Platform, PullPolicy};

/// Name servers and search domains that the resolvers of C libraries look at (resolv.conf(5), `MAXNS`, `MAXDNSRCH`).
const MAX_SERVERS: usize = 3;
const MAX_DOMAINS: usize = 6;

/// `mode` is whose network the container is in.
pub(super) fn lookup(
    cx: &mut Context,
    section: &Section<'_>,
    mode: Option<&NetworkMode>,
) -> Lookup {
    let dns = section.texts(cx, "dns", forms::address).unwrap_or_default();
    let domains = section.texts(cx, "dns_search", forms::host_name);
    let domains = domains.unwrap_or_default();
    let dns_options = section.texts(cx, "dns_options", forms::dns_option);
    let dns_options = dns_options.unwrap_or_default();
    for (key, count, most) in [
        ("dns", dns.len(), MAX_SERVERS),
        ("dns_search", domains.len(), MAX_DOMAINS),
    ] {
        if count > most {
            let problem = Problem::new(format!("`{key}` has {count} entries"));
            let problem = problem.help(format!("programs look at the first {most} only"));
            cx.report(section.span_of(key), problem);
        }
    }
    let hosts = section.pairs(cx, "hosts", forms::alias, forms::host_address);
    let elsewhere = match mode {
        Some(NetworkMode::None) => Some("without a network"),
        Some(NetworkMode::Container(_)) => Some("in another container's network"),
        None => None,
    };
    if let Some(elsewhere) = elsewhere {
        if section.has("dns") {
            let problem = Problem::new(format!("`dns` has no effect {elsewhere}"));
            cx.report(section.span_of("dns"), problem.help("remove it"));
        }
        let gateways = hosts
            .iter()
            .filter(|pair| pair.value == HostAddress::HostGateway);
        for pair in gateways {
            let problem = Problem::new(format!("there is no `host-gateway` {elsewhere}"));
            cx.report(pair.value_at.clone(), problem.help("write an address"));
        }
    }
    Lookup {
        dns: dns.into_iter().map(|(_, server)| server).collect(),
        dns_search: domains.into_iter().map(|(_, domain)| domain).collect(),
        dns_options: dns_options.into_iter().map(|(_, option)| option).collect(),
        hosts: hosts
            .into_iter()
            .map(|pair| (pair.name, pair.value))
            .collect(),
    }
}

pub(super) fn pull(section: &Section<'_>) -> PullPolicy {
    match section.word("pull") {
        Some("missing") => PullPolicy::Missing,
        Some("never") => PullPolicy::Never,
        _ => PullPolicy::Always,
    }
}

pub(super) fn platform(cx: &mut Context, section: &Section<'_>) -> Option<Platform> {
    let platform = section.text(cx, "platform", forms::platform);
    platform.filter(|platform| platform.as_str() != Platform::NATIVE)
}
