//! Which container has which address: given once, and the same after every restart and reboot.

use super::desired::DesiredContainer;
use super::error::StepError;
use super::observe::read_text;
use ipnet::IpNet;
use orlop_config::{Name, Net};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

const FORMAT: u32 = 1;
const FILE_MODE: u32 = 0o600;

/// Addresses by network and container: the content of `/state/orlop/leases.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leases {
    format: u32,
    nets: BTreeMap<String, BTreeMap<String, IpAddr>>,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            format: FORMAT,
            nets: BTreeMap::new(),
        }
    }
}

/// The address of the bridge itself: the first of the network.
pub(super) fn gateway(subnet: &IpNet) -> IpAddr {
    nth(subnet, 1)
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

fn is_usable(subnet: &IpNet, address: IpAddr) -> bool {
    subnet.contains(&address)
        && address != subnet.network()
        && address != gateway(subnet)
        // IPv6 has no broadcast address, but the last one is no loss.
        && address != subnet.broadcast()
}

impl Leases {
    /// What is on disk; nothing without the file.
    pub(super) fn load(path: &Path) -> Result<Self, StepError> {
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
    pub(super) fn save(&self, path: &Path) -> Result<(), StepError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|source| StepError::Format {
            path: path.to_owned(),
            source,
        })?;
        orlop_initrd::atomic_write::atomic_write(path, &bytes, FILE_MODE)
            .map_err(StepError::file("write", path))
    }

    /// Gives each of `containers` an address in each of its networks, keeps those given before
    /// that still fit, and takes back those of everybody else. What a container gets depends on
    /// the containers before it only, so one that finds no room harms no other.
    pub(super) fn assign(
        &mut self,
        containers: &[DesiredContainer],
        nets: &BTreeMap<Name, Net>,
    ) -> BTreeMap<Name, Result<Addresses, StepError>> {
        self.release(containers, nets);
        containers
            .iter()
            .map(|container| (container.name.clone(), self.assign_one(container, nets)))
            .collect()
    }

    fn release(&mut self, containers: &[DesiredContainer], nets: &BTreeMap<Name, Net>) {
        let wanted: BTreeSet<(String, String)> = containers
            .iter()
            .flat_map(|c| {
                c.networks()
                    .into_iter()
                    .map(|net| (net.to_string(), c.name.to_string()))
            })
            .collect();
        for (net, leases) in &mut self.nets {
            let subnet = Name::new(net)
                .and_then(|name| nets.get(&name))
                .map(|net| net.subnet);
            leases.retain(|container, address| {
                wanted.contains(&(net.clone(), container.clone()))
                    && subnet.is_some_and(|subnet| is_usable(&subnet, *address))
            });
        }
        self.nets.retain(|_, leases| !leases.is_empty());
    }

    fn assign_one(
        &mut self,
        container: &DesiredContainer,
        nets: &BTreeMap<Name, Net>,
    ) -> Result<Addresses, StepError> {
        let mut addresses = Addresses::default();
        for name in container.networks() {
            let net = nets
                .get(&name)
                .ok_or_else(|| StepError::NoNetwork(name.clone()))?;
            let leases = self.nets.entry(name.to_string()).or_default();
            let address = match leases.get(container.name.as_str()) {
                Some(address) => *address,
                None => free(&net.subnet, leases).ok_or_else(|| StepError::NoAddress {
                    net: name.clone(),
                    subnet: net.subnet.to_string(),
                })?,
            };
            leases.insert(container.name.to_string(), address);
            addresses.0.push((name, net.subnet, address));
        }
        Ok(addresses)
    }
}

/// The lowest usable address that nobody has.
fn free(subnet: &IpNet, leases: &BTreeMap<String, IpAddr>) -> Option<IpAddr> {
    let taken: BTreeSet<IpAddr> = leases.values().copied().collect();
    // Among one more candidates than there are leases, one is free if the network is large enough.
    let candidates = 2..=(taken.len() as u128 + 2);
    candidates
        .map(|n| nth(subnet, n))
        .find(|a| is_usable(subnet, *a) && !taken.contains(a))
}

/// A container's networks and its address in each, in the order of the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Addresses(pub(super) Vec<(Name, IpNet, IpAddr)>);

impl Addresses {
    /// The address that probes use.
    pub(super) fn first(&self) -> Option<IpAddr> {
        self.0.first().map(|(_, _, address)| *address)
    }

    /// Where the networks' name servers answer.
    pub(super) fn name_servers(&self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().map(|(_, subnet, _)| gateway(subnet))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{desired_web, name};
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
        BTreeMap::from([(
            name("default"),
            Net {
                subnet: subnet.parse().unwrap(),
            },
        )])
    }

    fn given(leases: &mut Leases, names: &[&str], subnet: &str) -> Vec<Option<String>> {
        let assigned = leases.assign(&containers(names), &nets(subnet));
        let first = |name: &&str| {
            let addresses = assigned[&Name::new(name).unwrap()].as_ref().ok()?;
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
