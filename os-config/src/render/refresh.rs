//! What takes its settings from which rendered file, and so has to be told when that file changes.

use super::network::DIR as NETWORK_DIR;
use super::{
    FIREWALL_PATH, HOSTNAME, HOSTS, LOCALTIME, MODULES, NodeFacts, RESOLVED, RenderedFile, SYSCTL,
    TIMESYNCD, render,
};
use crate::model::NodeConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What has to be told of a changed file, in the order in which they are told: modules bring
/// sysctls along, and name and time servers are asked over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refresh {
    /// The kernel gets the host name.
    HostName,
    /// The kernel gets the rules of the firewall.
    Firewall,
    /// systemd-modules-load runs again.
    Modules,
    /// systemd-sysctl runs again.
    Sysctl,
    /// systemd-networkd reads its files again; what does not change keeps its addresses.
    Network,
    /// systemd-resolved reads its files again.
    Resolver,
    /// systemd-timesyncd starts anew.
    TimeSync,
}

/// How a unit is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// By its own reload: its process goes on. One that does not run is left alone.
    Reload,
    /// By a restart. One that does not run is left alone.
    Restart,
    /// A unit that does its work and ends: it does it again, also where it failed.
    RunAgain,
}

impl Refresh {
    /// The unit that is told, and how; none where it is the kernel.
    pub fn unit(self) -> Option<(&'static str, Telling)> {
        match self {
            Self::HostName | Self::Firewall => None,
            Self::Modules => Some(("systemd-modules-load.service", Telling::RunAgain)),
            Self::Sysctl => Some(("systemd-sysctl.service", Telling::RunAgain)),
            Self::Network => Some(("systemd-networkd.service", Telling::Reload)),
            Self::Resolver => Some(("systemd-resolved.service", Telling::Reload)),
            Self::TimeSync => Some(("systemd-timesyncd.service", Telling::Restart)),
        }
    }
}

impl fmt::Display for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit() {
            None if *self == Self::Firewall => f.write_str("sets the firewall"),
            None => f.write_str("sets the host name"),
            Some((unit, Telling::Reload)) => write!(f, "reloads {}", bare(unit)),
            Some((unit, Telling::Restart | Telling::RunAgain)) => {
                write!(f, "restarts {}", bare(unit))
            }
        }
    }
}

fn bare(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
}

/// What has to be told that the file at `path` has changed, appeared or gone.
///
/// PID 1 watches `/etc/localtime`, and resolved looks at `/etc/hosts` before each answer, so nobody
/// has to be told of those.
pub fn refresh(path: &str) -> Option<Refresh> {
    match path {
        HOSTNAME => Some(Refresh::HostName),
        FIREWALL_PATH => Some(Refresh::Firewall),
        HOSTS | LOCALTIME => None,
        MODULES => Some(Refresh::Modules),
        SYSCTL => Some(Refresh::Sysctl),
        RESOLVED => Some(Refresh::Resolver),
        TIMESYNCD => Some(Refresh::TimeSync),
        path if path.starts_with(NETWORK_DIR) => Some(Refresh::Network),
        _ => None,
    }
}

/// What has to be told when a machine goes from one config to another.
pub fn refreshes(from: &NodeConfig, to: &NodeConfig) -> BTreeSet<Refresh> {
    // The same for both, and so without effect on the difference.
    let facts = NodeFacts {
        machine_id: String::new(),
    };
    let by_path = |config| -> BTreeMap<String, RenderedFile> {
        let files = render(config, &facts).into_iter();
        files.map(|file| (file.path.clone(), file)).collect()
    };
    let (old, new) = (by_path(from), by_path(to));
    let paths: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .filter_map(|path| refresh(path))
        .collect()
}

/// What of `from` stays in force until the machine restarts, although `to` does not have it.
pub fn stays_until_reboot(from: &NodeConfig, to: &NodeConfig) -> Vec<String> {
    let gone = |name: &&String| !to.kernel.modules.contains(name);
    let modules = from.kernel.modules.iter().filter(gone);
    modules.map(|name| format!("module {name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn told(from: &str, to: &str) -> Vec<String> {
        let read = |text: &str| parse("node.toml", &format!("schema = 1\n{text}")).unwrap();
        let told = refreshes(&read(from), &read(to));
        told.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_reads_a_changed_file_is_told() {
        let base = "host.name = \"a\"\n";
        for (change, expected) in [
            ("host.timezone = \"Europe/Berlin\"", &[][..]),
            ("host.labels = { site = \"b\" }", &[]),
            (
                "kernel.sysctl = { \"net.ipv4.ip_forward\" = \"1\" }",
                &["restarts systemd-sysctl"],
            ),
            (
                "kernel.modules = [\"br_netfilter\"]",
                &["restarts systemd-modules-load"],
            ),
            (
                "network.dns = [\"10.0.0.2\"]",
                &["reloads systemd-resolved"],
            ),
            (
                "network.interface.eth1.dhcp = true",
                &["reloads systemd-networkd"],
            ),
            (
                "time.servers = [\"ntp.lab\"]",
                &["restarts systemd-timesyncd"],
            ),
            ("firewall.inbound = \"deny\"", &["sets the firewall"]),
            ("[container.web]\nimage = \"web:1\"", &[]),
        ] {
            assert_eq!(told(base, &format!("{base}{change}")), expected, "{change}");
            assert_eq!(told(&format!("{base}{change}"), base), expected, "{change}");
        }
        assert_eq!(told(base, "host.name = \"b\""), ["sets the host name"]);
    }

    #[test]
    fn modules_come_before_the_sysctls_that_they_bring() {
        let both = "[kernel]\nmodules = [\"br_netfilter\"]\n\
                    sysctl = { \"net.bridge.bridge-nf-call-iptables\" = \"1\" }";
        assert_eq!(
            told("", both),
            ["restarts systemd-modules-load", "restarts systemd-sysctl"]
        );
    }

    #[test]
    fn a_module_that_is_taken_out_stays_loaded() {
        let read = |text: &str| parse("node.toml", text).unwrap();
        let with = read("schema = 1\nkernel.modules = [\"a\", \"b\"]");
        let without = read("schema = 1\nkernel.modules = [\"b\"]");
        assert_eq!(stays_until_reboot(&with, &without), ["module a"]);
        assert_eq!(stays_until_reboot(&without, &with), Vec::<String>::new());
    }

    #[test]
    fn every_rendered_file_is_known_here() {
        let text = "schema = 1\nnetwork.interface.eth1.dhcp = true";
        let facts = NodeFacts {
            machine_id: String::new(),
        };
        for file in render(&parse("node.toml", text).unwrap(), &facts) {
            let nobody = matches!(file.path.as_str(), HOSTS | LOCALTIME);
            assert_eq!(refresh(&file.path).is_none(), nobody, "{}", file.path);
        }
    }
}
