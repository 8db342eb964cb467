//! What netavark is asked for: its JSON (netavark 1.14, `network/types.rs`). Pure.

use super::desired::DesiredContainer;
use super::lease::{Addresses, gateway};
use ipnet::IpNet;
use orlop_config::{Digest, Name, Protocol};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The longest name of an interface: IFNAMSIZ without its final NUL.
const LONGEST_INTERFACE: usize = 15;
const BRIDGE_PREFIX: &str = "ol-";
const HASHED_DIGITS: usize = 6;

/// Input of `netavark setup` and `netavark teardown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Request {
    container_id: String,
    container_name: String,
    networks: BTreeMap<String, Endpoint>,
    network_info: BTreeMap<String, Network>,
    port_mappings: Vec<PortMapping>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Endpoint {
    interface_name: String,
    static_ips: Vec<IpAddr>,
    /// None in a request that an agent before this one wrote.
    static_mac: Option<String>,
    aliases: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Network {
    name: String,
    id: String,
    driver: String,
    network_interface: String,
    subnets: Vec<Subnet>,
    ipv6_enabled: bool,
    internal: bool,
    dns_enabled: bool,
    ipam_options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Subnet {
    subnet: IpNet,
    gateway: IpAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PortMapping {
    container_port: u16,
    host_port: u16,
    host_ip: String,
    protocol: String,
    range: u16,
}

impl Request {
    /// The request that connects `container` with `addresses`.
    pub(super) fn new(container: &DesiredContainer, addresses: &Addresses) -> Self {
        let mut networks = BTreeMap::new();
        let mut network_info = BTreeMap::new();
        for (index, (net, subnet, address)) in addresses.0.iter().enumerate() {
            let endpoint = Endpoint {
                interface_name: format!("eth{index}"),
                static_ips: vec![*address],
                static_mac: Some(hardware_address(*address)),
                aliases: Vec::new(),
            };
            networks.insert(net.to_string(), endpoint);
            network_info.insert(net.to_string(), network(net, subnet));
        }
        Self {
            container_id: Digest::of(container.name.as_str().as_bytes())
                .hex()
                .to_owned(),
            container_name: container.name.to_string(),
            networks,
            network_info,
            port_mappings: container.config.ports.iter().map(port_mapping).collect(),
        }
    }
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

fn network(net: &Name, subnet: &IpNet) -> Network {
    Network {
        name: net.to_string(),
        id: Digest::of(net.as_str().as_bytes()).hex().to_owned(),
        driver: "bridge".to_owned(),
        network_interface: bridge_name(net),
        subnets: vec![Subnet {
            subnet: subnet.trunc(),
            gateway: gateway(subnet),
        }],
        ipv6_enabled: matches!(subnet, IpNet::V6(_)),
        internal: false,
        dns_enabled: true,
        ipam_options: BTreeMap::from([("driver".to_owned(), "host-local".to_owned())]),
    }
}

fn port_mapping(port: &orlop_config::Port) -> PortMapping {
    PortMapping {
        container_port: port.container,
        host_port: port.host,
        host_ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        protocol: match port.protocol {
            Protocol::Tcp => "tcp".to_owned(),
            Protocol::Udp => "udp".to_owned(),
        },
        range: 1,
    }
}

/// The bridge of a network: its name where it is short enough, else its beginning and a hash.
pub(super) fn bridge_name(net: &Name) -> String {
    let text = net.as_str();
    if BRIDGE_PREFIX.len() + text.len() <= LONGEST_INTERFACE {
        return format!("{BRIDGE_PREFIX}{text}");
    }
    let digest = Digest::of(text.as_bytes());
    let kept = LONGEST_INTERFACE - BRIDGE_PREFIX.len() - HASHED_DIGITS - 1;
    format!(
        "{BRIDGE_PREFIX}{}.{}",
        &text[..kept],
        &digest.hex()[..HASHED_DIGITS]
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{desired_web, name};
    use super::*;

    #[test]
    fn the_request_is_as_recorded() {
        let addresses = Addresses(vec![
            (
                name("front"),
                "10.88.1.0/24".parse().unwrap(),
                "10.88.1.2".parse().unwrap(),
            ),
            (
                name("six"),
                "fd00:1::/64".parse().unwrap(),
                "fd00:1::2".parse().unwrap(),
            ),
        ]);
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
    fn a_request_of_an_earlier_agent_is_still_read() {
        let addresses = Addresses(vec![(
            name("front"),
            "10.88.1.0/24".parse().unwrap(),
            "10.88.1.2".parse().unwrap(),
        )]);
        let request = Request::new(&desired_web().containers[0], &addresses);
        let mut old = serde_json::to_value(&request).unwrap();
        let endpoint = old["networks"]["front"].as_object_mut().unwrap();
        assert!(endpoint.remove("static_mac").is_some());
        let read: Request = serde_json::from_value(old).unwrap();
        assert_eq!(read.networks["front"].static_mac, None);
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
            long.iter().all(|text| text.len() == LONGEST_INTERFACE),
            "{long:?}"
        );
    }
}
