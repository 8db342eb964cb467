//! What netavark is asked for: its JSON (netavark 1.14, `network/types.rs`). Pure.

use super::super::desired::DesiredContainer;
use super::super::instance::Instance;
use super::lease::{Addresses, Joined};
use ipnet::IpNet;
use orlop_config::{BRIDGE_PREFIX, Digest, Name, NetDriver, limits::MAX_INTERFACE};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

const HASHED_DIGITS: usize = 6;
/// In front of the host's ends of the cables to containers. Not [`BRIDGE_PREFIX`]: rules take that for
/// a bridge.
pub(super) const CABLE_PREFIX: &str = "ov-";
const CABLE_OPTION: &str = "host_interface_name";
const CABLE_DIGITS: usize = 12;
/// The metric of a default route by the container's first network. The next ones have larger ones, so
/// that the first one's is used.
const FIRST_METRIC: usize = 100;

/// netavark's word for a bridge.
const BRIDGE: &str = "bridge";

/// Input of `netavark setup` and `netavark teardown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in super::super) struct Request {
    container_id: String,
    container_name: String,
    networks: BTreeMap<String, Endpoint>,
    network_info: BTreeMap<String, Network>,
    /// Never any: the rules are ours.
    port_mappings: Vec<()>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Endpoint {
    interface_name: String,
    static_ips: Vec<IpAddr>,
    static_mac: Option<String>,
    options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Network {
    name: String,
    id: String,
    driver: &'static str,
    network_interface: String,
    subnets: Vec<Subnet>,
    ipv6_enabled: bool,
    internal: bool,
    /// Never: names are ours.
    dns_enabled: bool,
    ipam_options: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Subnet {
    subnet: IpNet,
    gateway: IpAddr,
}

impl Request {
    /// The request that connects `container` with `addresses`.
    pub(in super::super) fn new(container: &DesiredContainer, addresses: &Addresses) -> Self {
        let instance = container.instance();
        let mut networks = BTreeMap::new();
        let mut network_info = BTreeMap::new();
        for (index, joined) in addresses.0.iter().enumerate() {
            let name = joined.name.to_string();
            networks.insert(name.clone(), endpoint(&instance, joined, index));
            network_info.insert(name, network(joined, index));
        }
        Self {
            container_id: Digest::of(instance.to_string().as_bytes()).hex().to_owned(),
            container_name: instance.to_string(),
            networks,
            network_info,
            port_mappings: Vec::new(),
        }
    }
}

impl Request {
    /// The bridges that it needs.
    pub(super) fn bridges(&self) -> impl Iterator<Item = &str> {
        let networks = self.network_info.values();
        let bridged = networks.filter(|network| network.driver == BRIDGE);
        bridged.map(|network| network.network_interface.as_str())
    }

    /// The host's ends of its cables.
    pub(super) fn cables(&self) -> impl Iterator<Item = &str> {
        let endpoints = self.networks.values();
        endpoints.filter_map(|endpoint| endpoint.options.get(CABLE_OPTION).map(String::as_str))
    }
}

fn endpoint(instance: &Instance, joined: &Joined, index: usize) -> Endpoint {
    let mut options = BTreeMap::new();
    if joined.net.driver == NetDriver::Bridge {
        let cable = cable_name(instance, &joined.name);
        options.insert(CABLE_OPTION.to_owned(), cable);
    }
    Endpoint {
        interface_name: format!("eth{index}"),
        static_ips: joined.at.iter().map(|place| place.address).collect(),
        static_mac: (joined.net.driver != NetDriver::Ipvlan)
            .then(|| own_mac(joined))
            .flatten(),
        options,
    }
}

fn own_mac(joined: &Joined) -> Option<String> {
    let of_address = || {
        joined
            .at
            .first()
            .map(|place| hardware_address(place.address))
    };
    joined.mac.clone().or_else(of_address)
}

/// The hardware address that goes with an IP address, always the same. With another one each time, a
/// container that takes the place of an earlier one would not be reached for up to a minute: as long
/// as its neighbours remember the other.
fn hardware_address(address: IpAddr) -> String {
    let digest = Digest::of(address.to_string().as_bytes());
    // 02: locally administered, of one interface.
    let pairs = (0..5).map(|pair| &digest.hex()[2 * pair..2 * pair + 2]);
    std::iter::once("02")
        .chain(pairs)
        .collect::<Vec<_>>()
        .join(":")
}

fn network(joined: &Joined, index: usize) -> Network {
    let (name, net) = (&joined.name, &joined.net);
    let (driver, network_interface) = match net.driver {
        NetDriver::Bridge => (BRIDGE, bridge_name(name)),
        NetDriver::Macvlan => ("macvlan", net.parent.clone().unwrap_or_default()),
        NetDriver::Ipvlan => ("ipvlan", net.parent.clone().unwrap_or_default()),
    };
    let metric = (FIRST_METRIC + index).to_string();
    let mut options = BTreeMap::from([("metric".to_owned(), metric)]);
    if let Some(mtu) = net.mtu {
        options.insert("mtu".to_owned(), mtu.to_string());
    }
    Network {
        name: name.to_string(),
        id: Digest::of(name.as_str().as_bytes()).hex().to_owned(),
        driver,
        network_interface,
        subnets: joined
            .at
            .iter()
            .map(|place| Subnet {
                subnet: place.subnet.trunc(),
                gateway: place.gateway,
            })
            .collect(),
        ipv6_enabled: joined.at.iter().any(|place| place.address.is_ipv6()),
        internal: net.internal,
        dns_enabled: false,
        ipam_options: BTreeMap::from([("driver".to_owned(), "host-local".to_owned())]),
        options,
    }
}

/// The bridge of a network: its name where it is short enough, else its beginning and a hash.
pub(super) fn bridge_name(net: &Name) -> String {
    let text = net.as_str();
    if BRIDGE_PREFIX.len() + text.len() <= MAX_INTERFACE {
        return format!("{BRIDGE_PREFIX}{text}");
    }
    let digest = Digest::of(text.as_bytes());
    let kept = MAX_INTERFACE - BRIDGE_PREFIX.len() - HASHED_DIGITS - 1;
    format!(
        "{BRIDGE_PREFIX}{}.{}",
        &text[..kept],
        &digest.hex()[..HASHED_DIGITS]
    )
}

/// The host's end of the cable of `instance` to `net`: always the same, so that it can be looked for.
pub(super) fn cable_name(instance: &Instance, net: &Name) -> String {
    // No name has a slash.
    let digest = Digest::of(format!("{instance}/{net}").as_bytes());
    format!("{CABLE_PREFIX}{}", &digest.hex()[..CABLE_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{desired_web, name};
    use super::super::lease::Leases;
    use super::*;
    use orlop_config::{Attachment, Net};

    #[test]
    fn the_request_is_as_recorded() {
        let mut desired = desired_web();
        desired.containers[0].config.networks = ["front", "six", "lan"]
            .map(|net| Attachment::plain(name(net)))
            .to_vec();
        desired.containers[0].config.networks[2].mac = Some("02:42:ac:11:00:02".to_owned());
        let mut front = Net::bridge("10.88.1.0/24".parse().unwrap());
        front.subnet6 = Some("fd00:88:1::/64".parse().unwrap());
        let mut six = Net::bridge("fd00:1::/64".parse().unwrap());
        (six.internal, six.mtu) = (true, Some(1400));
        let mut lan = Net::bridge("192.168.7.0/24".parse().unwrap());
        (lan.driver, lan.parent) = (NetDriver::Macvlan, Some("eth0".to_owned()));
        let nets = [("front", front), ("six", six), ("lan", lan)];
        let nets = nets.map(|(text, net)| (name(text), net)).into();
        let mut assigned = Leases::default().assign(&desired.containers, &nets);
        let addresses = assigned
            .remove(&Instance::first(&name("web")))
            .unwrap()
            .unwrap();
        insta::assert_json_snapshot!(Request::new(&desired_web().containers[0], &addresses));
    }

    #[test]
    fn an_address_has_one_hardware_address_and_another_address_another() {
        let [first, again, other] = ["10.88.1.2", "10.88.1.2", "10.88.1.3"]
            .map(|text| hardware_address(text.parse().unwrap()));
        assert_eq!(first, again);
        assert_ne!(first, other);
        let bytes: Vec<u8> = first
            .split(':')
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect();
        assert_eq!((bytes.len(), bytes[0]), (6, 0x02), "{first}");
    }

    #[test]
    fn bridges_have_names_that_the_kernel_takes_and_that_differ() {
        assert_eq!(bridge_name(&name("default")), "ol-default");
        assert_eq!(bridge_name(&name("abcdefghijkl")), "ol-abcdefghijkl");
        let long = [
            bridge_name(&name("abcdefghijklm")),
            bridge_name(&name("abcdefghijkln")),
        ];
        assert_ne!(long[0], long[1]);
        assert!(
            long.iter().all(|text| text.len() == MAX_INTERFACE),
            "{long:?}"
        );
    }
}
