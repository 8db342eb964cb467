//! `[net.NAME]`, how a container joins one, and `[firewall]`.

use super::{Name, Protocol};
use ipnet::{IpNet, Ipv6Net};
use serde::{Serialize, Serializer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `[net.NAME]`: a container network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Net {
    /// Its addresses. Between /8 and /29 for IPv4, /64 for IPv6.
    pub subnet: IpNet,
    /// IPv6 addresses beside those of an IPv4 `subnet`, a /64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet6: Option<Ipv6Net>,
    /// The gateway in `subnet`: the bridge's own address, or the router of a macvlan or ipvlan. None
    /// is the first address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The gateway in `subnet6`; none is the first address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway6: Option<Ipv6Addr>,
    /// What it is made of.
    #[serde(skip_serializing_if = "is_default")]
    pub driver: NetDriver,
    /// The host's interface that a macvlan or ipvlan is on; none with a bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Whether nothing gets out of it, nor in from outside.
    #[serde(skip_serializing_if = "is_default")]
    pub internal: bool,
    /// Whether its containers know each other by name.
    #[serde(skip_serializing_if = "is_true")]
    pub dns: bool,
    /// Largest packet, in bytes; none is what the host's default route has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
}

/// What is left out of the serialised form keeps the digests of containers that do not use a newer
/// key as they were, so that a newer agent replaces none of them.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_true(value: &bool) -> bool {
    *value
}

/// What a network is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NetDriver {
    /// A bridge of its own on the host, with NAT to the outside.
    #[default]
    Bridge,
    /// Interfaces with hardware addresses of their own on the wire of `parent`.
    Macvlan,
    /// Interfaces that share the hardware address of `parent`.
    Ipvlan,
}

impl Net {
    /// A bridge with these addresses and defaults for the rest.
    pub fn bridge(subnet: IpNet) -> Self {
        Self {
            subnet,
            subnet6: None,
            gateway: None,
            gateway6: None,
            driver: NetDriver::Bridge,
            parent: None,
            internal: false,
            dns: true,
            mtu: None,
        }
    }

    /// Every subnet with its gateway: one, or an IPv4 and an IPv6 one.
    pub fn subnets(&self) -> Vec<(IpNet, IpAddr)> {
        let first = self.gateway.unwrap_or_else(|| first_address(&self.subnet));
        let mut all = vec![(self.subnet, first)];
        if let Some(subnet6) = self.subnet6 {
            let subnet = IpNet::V6(subnet6);
            let gateway = self.gateway6.map(IpAddr::V6);
            all.push((subnet, gateway.unwrap_or_else(|| first_address(&subnet))));
        }
        all
    }
}

/// The first address that a host may have.
fn first_address(subnet: &IpNet) -> IpAddr {
    match subnet {
        IpNet::V4(net) => Ipv4Addr::from(u32::from(net.network()).saturating_add(1)).into(),
        IpNet::V6(net) => Ipv6Addr::from(u128::from(net.network()).saturating_add(1)).into(),
    }
}

/// How a container joins a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The network.
    pub net: Name,
    /// Its address in the network's `subnet`; none is one that the agent gives.
    pub address: Option<IpAddr>,
    /// Its address in the network's `subnet6`; none is one that the agent gives.
    pub address6: Option<Ipv6Addr>,
    /// Its hardware address, `02:42:ac:11:00:02` in lower case; none is one that goes with its address.
    pub mac: Option<String>,
    /// Further names that it has in this network.
    pub aliases: Vec<String>,
}

impl Attachment {
    /// Joined without anything particular.
    pub fn plain(net: Name) -> Self {
        Self {
            net,
            address: None,
            address6: None,
            mac: None,
            aliases: Vec::new(),
        }
    }
}

impl Serialize for Attachment {
    /// A bare name where that says it all, as in the TOML.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::plain(self.net.clone()) {
            return self.net.serialize(serializer);
        }
        let parts = (&self.net, self.address, self.address6, &self.aliases);
        match &self.mac {
            // As it was before there was the key: containers do not change by it.
            None => parts.serialize(serializer),
            Some(mac) => (parts, mac).serialize(serializer),
        }
    }
}

/// `[firewall]`: what reaches the host itself from outside. Published ports are open by being
/// published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Firewall {
    /// What happens to what no rule allows.
    pub inbound: Inbound,
    /// What is let in with `inbound = "deny"`.
    pub allow: Vec<Allow>,
}

/// What happens to what no rule allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Inbound {
    /// It is let in.
    #[default]
    Allow,
    /// It is dropped.
    Deny,
}

/// Something that is let in, `tcp/6443 from 10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Allow {
    /// What.
    pub what: Traffic,
    /// Where from; none is anywhere.
    pub from: Option<IpNet>,
}

/// Kinds of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Traffic {
    /// To these ports of the host, both ends included.
    Ports {
        /// By which protocol.
        protocol: Protocol,
        /// The first port.
        first: u16,
        /// The last port.
        last: u16,
    },
    /// ICMP and ICMPv6: pings. What IPv6 itself needs, and errors for connections that are open, are
    /// let in always.
    Icmp,
}

impl Firewall {
    /// Whether somebody outside the host can connect to this TCP port.
    pub fn lets_in_tcp(&self, port: u16) -> bool {
        let allowed = |allow: &Allow| match allow.what {
            Traffic::Ports {
                protocol,
                first,
                last,
            } => protocol == Protocol::Tcp && (first..=last).contains(&port),
            Traffic::Icmp => false,
        };
        self.inbound == Inbound::Allow || self.allow.iter().any(allowed)
    }
}
