//! `[generations]`, `[kernel]`, `[network]` and `[time]`.

use super::context::Context;
use super::section::Section;
use crate::forms::{self, Problem};
use crate::machine::{Generations, Interface, Kernel, Network, Time, sysctl_path};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

pub(super) fn generations(cx: &mut Context, root: &Section<'_>) -> Generations {
    let keep = root
        .section(cx, "generations")
        .and_then(|section| section.integer("keep"))
        .and_then(|keep| usize::try_from(keep).ok());
    keep.map_or_else(Generations::default, |keep| Generations { keep })
}

pub(super) fn kernel(cx: &mut Context, root: &Section<'_>) -> Kernel {
    let Some(kernel) = root.section(cx, "kernel") else {
        return Kernel::default();
    };
    let sysctl = kernel.text_map(cx, "sysctl", forms::sysctl_name, forms::sysctl_value);
    let mut files = BTreeMap::new();
    for name in sysctl.keys() {
        if let Some(first) = files.insert(sysctl_path(name), name) {
            let message = format!("`{first}` and `{name}` are the same sysctl");
            cx.report(
                kernel.span_of("sysctl"),
                Problem::new(message).help("remove one of the two"),
            );
        }
    }
    Kernel {
        modules: plain(kernel.texts(cx, "modules", forms::module)),
        sysctl,
    }
}

pub(super) fn network(cx: &mut Context, root: &Section<'_>) -> Network {
    let Some(network) = root.section(cx, "network") else {
        return Network::default();
    };
    let mut known_by_mac: BTreeMap<String, String> = BTreeMap::new();
    let mut interfaces = BTreeMap::new();
    for (name, section) in network.named(cx, "interface", forms::interface) {
        let matched = section.section(cx, "match");
        let mac = matched.and_then(|matched| matched.text(cx, "mac", forms::mac));
        if let Some(mac) = &mac
            && let Some(first) = known_by_mac.insert(mac.clone(), name.clone())
        {
            let message = format!("interface `{first}` is known by the address {mac} already");
            cx.report(section.span_of("match"), Problem::new(message));
        }
        interfaces.insert(name, interface(cx, &section, mac));
    }
    Network {
        dns: plain(network.texts(cx, "dns", forms::address)),
        interface: interfaces,
    }
}

fn interface(cx: &mut Context, section: &Section<'_>, mac: Option<String>) -> Interface {
    let dhcp = section.boolean("dhcp").unwrap_or(false);
    let addresses = plain(section.texts(cx, "addresses", forms::interface_address));
    let gateway = section.text(cx, "gateway", forms::address);
    if let Some(gateway) = gateway
        && !is_next_to(gateway, &addresses)
    {
        let message = format!("gateway {gateway} is in no network of the interface's `addresses`");
        let help = "write addresses with the prefix of the network that the gateway is in";
        cx.report(section.span_of("gateway"), Problem::new(message).help(help));
    }
    Interface {
        mac,
        dhcp,
        addresses,
        gateway,
    }
}

/// Whether a host with these addresses reaches `gateway` without another one's help. Every IPv6
/// host has a link-local address too.
fn is_next_to(gateway: IpAddr, addresses: &[IpNet]) -> bool {
    let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
    link_local || addresses.iter().any(|net| net.contains(&gateway))
}

pub(super) fn time(cx: &mut Context, root: &Section<'_>) -> Time {
    let Some(time) = root.section(cx, "time") else {
        return Time::default();
    };
    Time {
        servers: plain(time.texts(cx, "servers", forms::time_server)),
    }
}

fn plain<T>(read: Option<Vec<(Range<usize>, T)>>) -> Vec<T> {
    let read = read.unwrap_or_default();
    read.into_iter().map(|(_, value)| value).collect()
}
