//! Which container has which address: given once, and the same after every restart and reboot.

use super::super::desired::DesiredContainer;
use super::super::error::StepError;
use super::super::instance::Instance;
use super::super::observe::read_text;
use ipnet::IpNet;
use orlop_config::{Attachment, Name, Net};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

const FORMAT: u32 = 1;
const FILE_MODE: u32 = 0o600;

/// The addresses in each network, by container.
type Given = BTreeMap<String, BTreeMap<String, IpAddr>>;

/// Addresses by network and container: the content of `/state/orlop/leases.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Leases {
    format: u32,
    /// In each network's first subnet.
    nets: Given,
    /// In each network's second one, `subnet6`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    nets6: Given,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            format: FORMAT,
            nets: BTreeMap::new(),
            nets6: BTreeMap::new(),
        }
    }
}

/// The `n`th address after the network's own.
fn nth(subnet: &IpNet, n: u128) -> IpAddr {
    match subnet {
        IpNet::V4(net) => {
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            Ipv4Addr::from(u32::from(net.network()).saturating_add(n)).into()
        }
        IpNet::V6(net) => Ipv6Addr::from(u128::from(net.network()).saturating_add(n)).into(),
    }
}

/// A subnet, and who is in it by right.
struct Range {
    subnet: IpNet,
    gateway: IpAddr,
    /// Addresses that the config gives, by container.
    fixed: BTreeMap<String, IpAddr>,
}

impl Range {
    /// Whether `container` may have `address`.
    fn fits(&self, container: &str, address: IpAddr) -> bool {
        if let Some(fixed) = self.fixed.get(container) {
            return *fixed == address;
        }
        self.subnet.contains(&address)
            && address != self.subnet.network()
            && address != self.gateway
            // IPv6 has no broadcast address, but the last one is no loss.
            && address != self.subnet.broadcast()
            && !self.fixed.values().any(|fixed| *fixed == address)
    }

    /// The address of `container`: the fixed one, or the lowest that nobody has.
    fn free(&self, container: &str, given: &BTreeMap<String, IpAddr>) -> Option<IpAddr> {
        if let Some(fixed) = self.fixed.get(container) {
            return Some(*fixed);
        }
        let taken: BTreeSet<IpAddr> = given.values().copied().collect();
        // The gateway, the network's own address, and everybody's: among one more candidates than
        // these, one is free if the network is large enough.
        let candidates = 1..=(taken.len() + self.fixed.len() + 2) as u128;
        candidates
            .map(|n| nth(&self.subnet, n))
            .find(|address| self.fits(container, *address) && !taken.contains(address))
    }
}

/// The ranges of `net`, one or two, with the fixed addresses of `containers`.
fn ranges(name: &Name, net: &Net, containers: &[DesiredContainer]) -> Vec<Range> {
    let fixed = |second: bool| {
        let mut fixed = BTreeMap::new();
        for container in containers {
            for attachment in &container.config.networks {
                let address = if second {
                    attachment.address6.map(IpAddr::V6)
                } else {
                    attachment.address
                };
                if let Some(address) = address.filter(|_| attachment.net == *name) {
                    fixed.insert(container.instance().to_string(), address);
                }
            }
        }
        fixed
    };
    let subnets = net.subnets().into_iter().enumerate();
    subnets
        .map(|(index, (subnet, gateway))| Range {
            subnet,
            gateway,
            fixed: fixed(index > 0),
        })
        .collect()
}

impl Leases {
    /// What is on disk; nothing without the file.
    pub(in super::super) fn load(path: &Path) -> Result<Self, StepError> {
        let Some(text) = read_text(path)? else {
            return Ok(Self::default());
        };
        let leases: Self = serde_json::from_str(&text).map_err(|source| StepError::Format {
            path: path.to_owned(),
            source,
        })?;
        if leases.format != FORMAT {
            let (path, found) = (path.to_owned(), leases.format);
            return Err(StepError::NewerFormat {
                path,
                found,
                known: FORMAT,
            });
        }
        Ok(leases)
    }

    /// Writes them. Returns after fsync of file and directory.
    pub(in super::super) fn save(&self, path: &Path) -> Result<(), StepError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|source| StepError::Format {
            path: path.to_owned(),
            source,
        })?;
        orlop_initrd::atomic_write::atomic_write(path, &bytes, FILE_MODE)
            .map_err(StepError::file("write", path))
    }

    /// Gives the instance of each of `containers` an address in each subnet of its networks, keeps those given before
    /// that still fit, and takes back those of everybody else. What a container gets depends on
    /// the containers before it only, so one that finds no room harms no other.
    pub(in super::super) fn assign(
        &mut self,
        containers: &[DesiredContainer],
        nets: &BTreeMap<Name, Net>,
    ) -> BTreeMap<Instance, Result<Addresses, StepError>> {
        let known: BTreeMap<&Name, Vec<Range>> = nets
            .iter()
            .map(|(name, net)| (name, ranges(name, net, containers)))
            .collect();
        for (index, given) in [&mut self.nets, &mut self.nets6].into_iter().enumerate() {
            release(given, index, containers, &known);
        }
        containers
            .iter()
            .map(|container| {
                let assigned = self.assign_one(container, nets, &known);
                (container.instance(), assigned)
            })
            .collect()
    }

    fn assign_one(
        &mut self,
        container: &DesiredContainer,
        nets: &BTreeMap<Name, Net>,
        known: &BTreeMap<&Name, Vec<Range>>,
    ) -> Result<Addresses, StepError> {
        let mut addresses = Addresses::default();
        for Attachment {
            net, aliases, mac, ..
        } in container.networks()
        {
            let (Some(settings), Some(ranges)) = (nets.get(&net), known.get(&net)) else {
                return Err(StepError::NoNetwork(net));
            };
            let mut at = Vec::new();
            for (given, range) in [&mut self.nets, &mut self.nets6].into_iter().zip(ranges) {
                let given = given.entry(net.to_string()).or_default();
                let name = &container.instance().to_string();
                let address = match given.get(name) {
                    Some(address) => *address,
                    None => range
                        .free(name, given)
                        .ok_or_else(|| StepError::NoAddress {
                            net: net.clone(),
                            subnet: range.subnet.to_string(),
                        })?,
                };
                given.insert(name.clone(), address);
                at.push(Place {
                    subnet: range.subnet,
                    gateway: range.gateway,
                    address,
                });
            }
            addresses.0.push(Joined {
                name: net,
                net: settings.clone(),
                at,
                mac,
                aliases,
            });
        }
        Ok(addresses)
    }
}

/// Takes back what is not wanted any more, in the subnets number `index`.
fn release(
    given: &mut Given,
    index: usize,
    containers: &[DesiredContainer],
    known: &BTreeMap<&Name, Vec<Range>>,
) {
    let wanted: BTreeSet<(String, String)> = containers
        .iter()
        .flat_map(|c| {
            c.networks()
                .into_iter()
                .map(|one| (one.net.to_string(), c.instance().to_string()))
        })
        .collect();
    for (net, leases) in &mut *given {
        let range = Name::new(net).and_then(|name| known.get(&name)?.get(index));
        leases.retain(|container, address| {
            wanted.contains(&(net.clone(), container.clone()))
                && range.is_some_and(|range| range.fits(container, *address))
        });
    }
    given.retain(|_, leases| !leases.is_empty());
}

/// An address of a container in a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(in super::super) subnet: IpNet,
    pub(in super::super) gateway: IpAddr,
    pub(in super::super) address: IpAddr,
}

/// A network that a container has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Joined {
    pub(in super::super) name: Name,
    pub(in super::super) net: Net,
    /// One, or one of IPv4 and one of IPv6.
    pub(in super::super) at: Vec<Place>,
    /// Its hardware address, where the config gives one.
    pub(in super::super) mac: Option<String>,
    pub(in super::super) aliases: Vec<String>,
}

/// A container's networks and its addresses in each, in the order of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Addresses(pub(in super::super) Vec<Joined>);

impl Addresses {
    /// All of them.
    pub(in super::super) fn all(&self) -> impl Iterator<Item = IpAddr> {
        self.0
            .iter()
            .flat_map(|joined| joined.at.iter().map(|place| place.address))
    }

    /// The address that probes use.
    pub(in super::super) fn first(&self) -> Option<IpAddr> {
        self.all().next()
    }

    /// Where the networks' name servers answer.
    /// The node, as the first network reaches it.
    pub(in super::super) fn first_gateway(&self) -> Option<IpAddr> {
        self.0.first()?.at.first().map(|place| place.gateway)
    }

    pub(in super::super) fn name_servers(&self) -> impl Iterator<Item = IpAddr> {
        self.0
            .iter()
            .filter(|joined| joined.net.dns)
            .flat_map(|joined| joined.at.iter().map(|place| place.gateway))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{desired_web, name};
    use super::*;

    fn containers(names: &[&str]) -> Vec<DesiredContainer> {
        let web = desired_web().containers.remove(0);
        names
            .iter()
            .map(|text| DesiredContainer {
                name: name(text),
                ..web.clone()
            })
            .collect()
    }

    fn nets(subnet: &str) -> BTreeMap<Name, Net> {
        BTreeMap::from([(name("default"), Net::bridge(subnet.parse().unwrap()))])
    }

    fn given(leases: &mut Leases, names: &[&str], subnet: &str) -> Vec<Option<String>> {
        let assigned = leases.assign(&containers(names), &nets(subnet));
        let first = |name: &&str| {
            let addresses = assigned[&Instance::first(&Name::new(name).unwrap())]
                .as_ref()
                .ok()?;
            addresses.first().map(|address| address.to_string())
        };
        names.iter().map(first).collect()
    }

    #[test]
    fn an_address_stays_with_its_container_and_a_free_one_is_used_again() {
        let mut leases = Leases::default();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            given(&mut leases, &["a", "b", "c"], "10.1.0.0/24"),
            [some("10.1.0.2"), some("10.1.0.3"), some("10.1.0.4")]
        );
        assert_eq!(
            given(&mut leases, &["new", "c"], "10.1.0.0/24"),
            [some("10.1.0.2"), some("10.1.0.4")]
        );
        assert_eq!(
            given(&mut leases, &["c"], "10.2.0.0/24"),
            [some("10.2.0.2")]
        );
    }

    #[test]
    fn a_full_network_refuses_the_last_and_harms_nobody() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let given = given(&mut Leases::default(), &names, "10.1.0.0/29");
        let expected = [2, 3, 4, 5, 6].map(|n| Some(format!("10.1.0.{n}")));
        assert_eq!(given[..5], expected);
        assert_eq!(given[5], None);
    }

    #[test]
    fn ipv6_networks_work_alike() {
        let given = given(&mut Leases::default(), &["a"], "fd00:1::/64");
        assert_eq!(given, [Some("fd00:1::2".to_owned())]);
    }

    #[test]
    fn a_fixed_address_is_its_containers_alone_and_both_families_are_given() {
        let mut all = containers(&["a", "b", "c"]);
        let mut leases = Leases::default();
        let mut net = Net::bridge("10.1.0.0/24".parse().unwrap());
        net.subnet6 = Some("fd00:1::/64".parse().unwrap());
        net.gateway = Some("10.1.0.2".parse().unwrap());
        let nets = BTreeMap::from([(name("default"), net)]);
        let given = |leases: &mut Leases, all: &[DesiredContainer]| -> Vec<String> {
            let assigned = leases.assign(all, &nets);
            let of = |c: &DesiredContainer| {
                let addresses = assigned[&c.instance()].as_ref().unwrap().all();
                addresses
                    .map(|one| one.to_string())
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            all.iter().map(of).collect()
        };
        let first = [
            "10.1.0.1 fd00:1::2",
            "10.1.0.3 fd00:1::3",
            "10.1.0.4 fd00:1::4",
        ];
        assert_eq!(given(&mut leases, &all), first);
        // The last one gets the address that the first one has.
        let mut attachment = Attachment::plain(name("default"));
        attachment.address = Some("10.1.0.1".parse().unwrap());
        attachment.address6 = Some("fd00:1::9".parse().unwrap());
        all[2].config.networks = vec![attachment];
        let second = [
            "10.1.0.4 fd00:1::2",
            "10.1.0.3 fd00:1::3",
            "10.1.0.1 fd00:1::9",
        ];
        assert_eq!(given(&mut leases, &all), second);
        assert_eq!(given(&mut leases, &all), second);
    }

    #[test]
    fn leases_come_back_from_disk_and_a_newer_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("leases.json");
        assert_eq!(Leases::load(&path).unwrap(), Leases::default());
        let mut leases = Leases::default();
        given(&mut leases, &["a", "b"], "10.1.0.0/24");
        leases.save(&path).unwrap();
        assert_eq!(Leases::load(&path).unwrap(), leases);
        std::fs::write(&path, r#"{"format":2,"nets":{}}"#).unwrap();
        assert!(matches!(
            Leases::load(&path),
            Err(StepError::NewerFormat { found: 2, .. })
        ));
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(Leases::load(&path), Err(StepError::Format { .. })));
    }

    #[test]
    fn the_format_on_disk_is_as_recorded() {
        let mut leases = Leases::default();
        given(&mut leases, &["a"], "10.1.0.0/24");
        insta::assert_json_snapshot!(leases, @r#"
        {
          "format": 1,
          "nets": {
            "default": {
              "a": "10.1.0.2"
            }
          }
        }
        "#);
    }
}
