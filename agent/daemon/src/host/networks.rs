//! The container networks as callers see them.

use super::shared::Shared;
use orlop_api::{NetworkMember, NetworkView, SubnetView};
use orlop_config::{Name, Net, NetDriver};
use std::net::IpAddr;

/// Every network of the config in force, and the one that is there without being declared.
pub(super) fn list(shared: &Shared) -> Vec<NetworkView> {
    let runtime = shared.live.runtime();
    let (nets, members) = (runtime.networks(), runtime.members());
    let views = nets.into_iter().map(|(name, (net, declared))| {
        let of_net = members.iter().filter(|(_, joined, _)| joined.net == name);
        let containers = of_net.map(|(container, joined, addresses)| NetworkMember {
            name: container.to_string(),
            addresses: inside(&net, addresses),
            aliases: joined.aliases.clone(),
        });
        let containers = containers.collect();
        view(&name, &net, declared, containers)
    });
    views.collect()
}

fn view(name: &Name, net: &Net, declared: bool, containers: Vec<NetworkMember>) -> NetworkView {
    let driver = match net.driver {
        NetDriver::Bridge => "bridge",
        NetDriver::Macvlan => "macvlan",
        NetDriver::Ipvlan => "ipvlan",
    };
    let subnets = net.subnets().into_iter();
    let subnets = subnets.map(|(subnet, gateway)| SubnetView {
        subnet: subnet.to_string(),
        gateway: gateway.to_string(),
    });
    NetworkView {
        name: name.to_string(),
        driver: driver.to_owned(),
        subnets: subnets.collect(),
        parent: net.parent.clone(),
        internal: net.internal,
        dns: net.dns,
        declared,
        containers,
    }
}

/// Those of a container's addresses that are in this network.
fn inside(net: &Net, addresses: &[String]) -> Vec<String> {
    let subnets = net.subnets();
    let is_inside = |text: &&String| {
        let address = text.parse::<IpAddr>();
        address.is_ok_and(|address| subnets.iter().any(|(subnet, _)| subnet.contains(&address)))
    };
    addresses.iter().filter(is_inside).cloned().collect()
}
