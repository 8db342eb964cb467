//! `[net.NAME]`, how containers join networks, and `[firewall]`.

use super::context::{Context, Noun, Subnet};
use super::node::name;
use super::section::Section;
use super::{DEFAULT_NET, default_subnet};
use crate::forms::{self, Problem};
use crate::limits::MAX_ALIASES;
use crate::model::{Attachment, Firewall, Inbound, Name, Net, NetDriver};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

/// What a container asks of a network, to be compared with the network when all are known.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    container: String,
    net: Name,
    /// Each wanted address, with its place, and whether it is to be in `subnet6`.
    addresses: Vec<(Range<usize>, IpAddr, bool)>,
    /// The wanted hardware address, with its place.
    mac: Option<(Range<usize>, String)>,
    /// The place of `aliases`, where there are some.
    aliases: Option<Range<usize>>,
}

/// A container that publishes ports.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    pub(crate) span: Range<usize>,
    pub(crate) nets: Vec<Name>,
}

pub(super) fn nets(cx: &mut Context, root: &Section<'_>) -> BTreeMap<Name, Net> {
    let mut out = BTreeMap::new();
    for (name, section) in root.named(cx, "net", name) {
        if let Some(net) = net(cx, &name, &section) {
            out.insert(name, net);
        }
    }
    out
}

fn net(cx: &mut Context, name: &Name, section: &Section<'_>) -> Option<Net> {
    let subnet = section.text(cx, "subnet", forms::subnet);
    let subnet6 = section.text(cx, "subnet6", forms::subnet6);
    let all = [
        ("subnet", subnet),
        ("subnet6", subnet6.map(|subnet| subnet.into())),
    ];
    for (key, net) in all {
        if let Some(net) = net {
            let (span, name) = (section.span_of(key), name.to_string());
            cx.subnets.push(Subnet { span, name, net });
        }
    }
    if subnet6.is_some() && matches!(subnet, Some(IpNet::V6(_))) {
        let problem = Problem::new("`subnet` has IPv6 addresses already");
        cx.report(
            section.span_of("subnet6"),
            problem.help("write IPv4 addresses in `subnet`, or remove `subnet6`"),
        );
    }
    let driver = driver(cx, section);
    Some(Net {
        subnet6,
        gateway: gateway(cx, section, "gateway", subnet),
        gateway6: match gateway(cx, section, "gateway6", subnet6.map(IpNet::V6)) {
            Some(IpAddr::V6(address)) => Some(address),
            _ => None,
        },
        driver,
        parent: section.text(cx, "parent", forms::interface),
        internal: section.boolean("internal").unwrap_or(false),
        dns: section.boolean("dns").unwrap_or(true) && driver == NetDriver::Bridge,
        mtu: section
            .integer("mtu")
            .and_then(|mtu| u16::try_from(mtu).ok()),
        // Last, so that a missing subnet hides no problem of the other keys.
        subnet: subnet?,
    })
}

/// The driver, and whether the keys that go with it are there.
fn driver(cx: &mut Context, section: &Section<'_>) -> NetDriver {
    let driver = match section.word("driver") {
        Some("macvlan") => NetDriver::Macvlan,
        Some("ipvlan") => NetDriver::Ipvlan,
        _ => NetDriver::Bridge,
    };
    match (driver, section.has("parent")) {
        (NetDriver::Bridge, true) => cx.report(
            section.span_of("parent"),
            Problem::new("a bridge has no `parent`")
                .help("remove it, or write `driver = \"macvlan\"`"),
        ),
        (NetDriver::Macvlan | NetDriver::Ipvlan, false) => cx.report(
            section.span_of("driver"),
            Problem::new("`parent` is missing")
                .help("name the host's interface: `parent = \"eth0\"`"),
        ),
        _ => {}
    }
    if driver != NetDriver::Bridge && section.boolean("dns") == Some(true) {
        let problem = Problem::new("names are known on bridges only");
        cx.report(
            section.span_of("dns"),
            problem.help("remove it; the name server is on the host, which this driver's containers do not reach"),
        );
    }
    driver
}

fn gateway(
    cx: &mut Context,
    section: &Section<'_>,
    key: &str,
    subnet: Option<IpNet>,
) -> Option<IpAddr> {
    let address = section.text(cx, key, forms::address)?;
    let Some(subnet) = subnet else {
        if key == "gateway6" && !section.has("subnet6") {
            let problem = Problem::new("`gateway6` has no effect without `subnet6`");
            cx.report(
                section.span_of(key),
                problem.help("add `subnet6`, or remove it"),
            );
        }
        return None;
    };
    if let Some(why) = unusable(&subnet, address) {
        cx.report(section.span_of(key), why);
        return None;
    }
    Some(address)
}

/// Why a host cannot have `address` in `subnet`.
fn unusable(subnet: &IpNet, address: IpAddr) -> Option<Problem> {
    if !subnet.contains(&address) {
        let problem = Problem::new(format!("{address} is not in {subnet}"));
        return Some(problem.help("take an address of the network"));
    }
    if address == subnet.network() || address == subnet.broadcast() {
        let problem = Problem::new(format!("{address} is an end of {subnet}"));
        return Some(problem.help("take an address between the first and the last"));
    }
    None
}

/// `networks` of a container: an array of names, or a table. In the order of the file.
pub(super) fn attachments(
    cx: &mut Context,
    container: &Name,
    section: &Section<'_>,
) -> Vec<Attachment> {
    let mut all: Vec<(Range<usize>, Attachment)> = Vec::new();
    for (span, net) in section.texts(cx, "networks", name).unwrap_or_default() {
        all.push((span, Attachment::plain(net)));
    }
    for (net, section) in section.named(cx, "networks", name) {
        let span = section.span();
        all.push((span, attachment(cx, container, net, &section)));
    }
    all.sort_by_key(|(span, _)| span.start);
    let mut seen: BTreeSet<Name> = BTreeSet::new();
    for (span, attachment) in &all {
        let net = &attachment.net;
        cx.refer(Noun::Net, net.as_str(), span.clone());
        if !seen.insert(net.clone()) {
            let problem = Problem::new(format!("network `{net}` is named twice"));
            cx.report(span.clone(), problem.help("remove one of the two"));
        }
    }
    all.into_iter().map(|(_, attachment)| attachment).collect()
}

fn attachment(cx: &mut Context, container: &Name, net: Name, section: &Section<'_>) -> Attachment {
    let address = section.text(cx, "address", forms::address);
    let address6 = section.text(cx, "address6", forms::address6);
    let aliases = section
        .texts(cx, "aliases", forms::alias)
        .unwrap_or_default();
    let mac = section.text(cx, "mac", forms::unicast_mac);
    if let Some((span, _)) = aliases.get(MAX_ALIASES) {
        let problem = Problem::new(format!("there are more than {MAX_ALIASES} aliases"));
        cx.report(span.clone(), problem);
    }
    let places = [
        ("address", address, false),
        ("address6", address6.map(IpAddr::V6), true),
    ];
    cx.attached.push(Attached {
        container: container.to_string(),
        net: net.clone(),
        addresses: places
            .into_iter()
            .filter_map(|(key, address, second)| Some((section.span_of(key), address?, second)))
            .collect(),
        mac: mac.clone().map(|mac| (section.span_of("mac"), mac)),
        aliases: (!aliases.is_empty()).then(|| section.span_of("aliases")),
    });
    Attachment {
        net,
        address,
        address6,
        mac,
        aliases: aliases.into_iter().map(|(_, alias)| alias).collect(),
    }
}

/// Reports what containers ask of networks that those do not have.
pub(super) fn report_attachments(cx: &mut Context, nets: &BTreeMap<Name, Net>) {
    let mut attached = std::mem::take(&mut cx.attached);
    report_macs(cx, nets, &mut attached);
    attached.sort_by_key(|one| one.addresses.first().map(|(span, ..)| span.start));
    let mut holders: BTreeMap<(Name, IpAddr), String> = BTreeMap::new();
    for one in attached {
        let Some(net) = known(nets, &one.net) else {
            continue;
        };
        if let Some(span) = one.aliases
            && !net.dns
        {
            let problem = Problem::new(format!("network `{}` has no names", one.net));
            cx.report(span, problem.help("remove the aliases, or `dns = false`"));
        }
        for (span, address, second) in one.addresses {
            let key = (one.net.clone(), address);
            if let Some(why) = not_to_be_had(&net, address, second) {
                cx.report(span, why);
            } else if let Some(holder) = holders.insert(key, one.container.clone()) {
                let problem = Problem::new(format!("{address} is taken by container `{holder}`"));
                cx.report(span, problem.help("take another address, or leave it out"));
            }
        }
    }
    report_publishers(cx, nets);
}

/// Reports hardware addresses that two have on one wire, and those that no interface of the network can have.
fn report_macs(cx: &mut Context, nets: &BTreeMap<Name, Net>, attached: &mut [Attached]) {
    attached.sort_by_key(|one| one.mac.as_ref().map(|(span, _)| span.start));
    let mut holders: BTreeMap<(String, &str), &str> = BTreeMap::new();
    for one in attached.iter() {
        let (Some((span, mac)), Some(net)) = (&one.mac, known(nets, &one.net)) else {
            continue;
        };
        let wire = match (net.driver, net.parent) {
            (NetDriver::Ipvlan, _) => {
                let message = "the interfaces of an ipvlan have the hardware address of the host";
                let help = "remove it, or write `driver = \"macvlan\"`";
                cx.report(span.clone(), Problem::new(message).help(help));
                continue;
            }
            // Two networks may be on the wire of one interface. No name of a network has a `/`.
            (NetDriver::Macvlan, Some(parent)) => format!("/{parent}"),
            _ => one.net.to_string(),
        };
        if let Some(holder) = holders.insert((wire, mac), &one.container) {
            let problem = Problem::new(format!("{mac} is taken by container `{holder}`"));
            cx.report(
                span.clone(),
                problem.help("take another one, or leave it out"),
            );
        }
    }
}

fn known(nets: &BTreeMap<Name, Net>, name: &Name) -> Option<Net> {
    match nets.get(name) {
        Some(net) => Some(net.clone()),
        None => (name.as_str() == DEFAULT_NET).then(|| Net::bridge(default_subnet())),
    }
}

/// Why a container cannot have `address` in the first or `second` subnet of `net`.
fn not_to_be_had(net: &Net, address: IpAddr, second: bool) -> Option<Problem> {
    let subnets = net.subnets();
    let Some((subnet, gateway)) = subnets.get(usize::from(second)) else {
        let problem = Problem::new("the network has no `subnet6`");
        return Some(problem.help("give it one, or leave this out"));
    };
    if address == *gateway {
        let problem = Problem::new(format!("{address} is the gateway's own address"));
        return Some(problem.help("take another address, or leave it out"));
    }
    unusable(subnet, address)
}

/// Published ports need a network that the outside reaches.
fn report_publishers(cx: &mut Context, nets: &BTreeMap<Name, Net>) {
    for publisher in std::mem::take(&mut cx.publishers) {
        let reached = publisher.nets.is_empty()
            || publisher.nets.iter().any(|name| {
                known(nets, name).is_none_or(|net| net.driver == NetDriver::Bridge && !net.internal)
            });
        if !reached {
            let problem = Problem::new("no network of the container takes published ports");
            cx.report(
                publisher.span,
                problem.help("join a bridge that is not `internal`, or remove the ports"),
            );
        }
    }
}

pub(super) fn firewall(cx: &mut Context, root: &Section<'_>) -> Firewall {
    let Some(section) = root.section(cx, "firewall") else {
        return Firewall::default();
    };
    let inbound = match section.word("inbound") {
        Some("deny") => Inbound::Deny,
        _ => Inbound::Allow,
    };
    let allow = section.texts(cx, "allow", forms::allow).unwrap_or_default();
    if inbound == Inbound::Allow && !allow.is_empty() {
        let problem = Problem::new("`allow` has no effect: everything is let in");
        cx.report(
            section.span_of("allow"),
            problem.help("add `inbound = \"deny\"`, or remove `allow`"),
        );
    }
    Firewall {
        inbound,
        allow: allow.into_iter().map(|(_, allow)| allow).collect(),
    }
}

/// Reports an API that the firewall lets nobody reach: whoever applied that could not take it back.
pub(super) fn report_locked_out(
    cx: &mut Context,
    root: &Section<'_>,
    firewall: &Firewall,
    listen: Option<std::net::SocketAddr>,
) {
    let Some(listen) = listen.filter(|address| !address.ip().is_loopback()) else {
        return;
    };
    if firewall.lets_in_tcp(listen.port()) {
        return;
    }
    let problem = Problem::new(format!(
        "the firewall lets nobody reach the API on port {}",
        listen.port()
    ));
    let help = format!(
        "add \"tcp/{}\" to `firewall.allow`, with `from SUBNET` if you like",
        listen.port()
    );
    cx.report(root.span_of("firewall"), problem.help(help));
}
