//! The files under `/etc` that the TOML decides.
//!
//! Every file is there whatever the TOML says, but for those of [`OWN_FILES`], so that rendering a second
//! TOML over the first leaves nothing of it behind.

mod network;
mod refresh;

pub use refresh::{Refresh, Telling, refresh, refreshes, stays_until_reboot};

use crate::firewall::firewall_rules;
use crate::model::NodeConfig;

/// What a node knows about itself that its TOML does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// The machine id: 32 hex digits, the same for the life of the state partition.
    pub machine_id: String,
}

/// One file to be written, or link to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedFile {
    /// Absolute path.
    pub path: String,
    /// What to put there, in the place of whatever is there.
    pub body: Body,
}

/// What a rendered file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A regular file of `root:root`.
    File {
        /// Permission bits.
        mode: u32,
        /// All of its content.
        content: String,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to, relative to its own directory.
        target: String,
    },
}

const HOSTNAME: &str = "/etc/hostname";
const HOSTS: &str = "/etc/hosts";
const LOCALTIME: &str = "/etc/localtime";
/// Not by the name of the image's own file, which it would hide.
const SYSCTL: &str = "/etc/sysctl.d/90-orlop-node.conf";
const MODULES: &str = "/etc/modules-load.d/90-orlop-node.conf";
const RESOLVED: &str = "/etc/systemd/resolved.conf.d/90-orlop-node.conf";
const TIMESYNCD: &str = "/etc/systemd/timesyncd.conf.d/90-orlop-node.conf";

/// Files below `/etc` that are ours by directory and beginning of their name, and that not every
/// TOML has: one that is not rendered is to be removed.
pub const OWN_FILES: [(&str, &str); 1] = [(network::DIR, network::INTERFACE_PREFIX)];
/// The rules of the firewall, which `orlop-firewall.service` applies before there is a network.
pub const FIREWALL_PATH: &str = "/etc/orlop/firewall.nft";

const WORLD_READABLE: u32 = 0o644;
const DEFAULT_TIMEZONE: &str = "UTC";
const ID_DIGITS: usize = 8;

/// The host name that a node goes by: of its TOML, else made from its machine id.
pub fn host_name(config: &NodeConfig, facts: &NodeFacts) -> String {
    match &config.host.name {
        Some(name) => name.clone(),
        None => format!(
            "orlop-{}",
            facts.machine_id.chars().take(ID_DIGITS).collect::<String>()
        ),
    }
}

/// The files that `config` decides, sorted by path. The same input gives the same bytes.
pub fn render(config: &NodeConfig, facts: &NodeFacts) -> Vec<RenderedFile> {
    let name = host_name(config, facts);
    let timezone = config.host.timezone.as_deref().unwrap_or(DEFAULT_TIMEZONE);
    let mut files = vec![
        file(HOSTNAME, format!("{name}\n")),
        file(HOSTS, hosts(&name)),
        RenderedFile {
            path: LOCALTIME.to_owned(),
            body: Body::Symlink {
                target: format!("../usr/share/zoneinfo/{timezone}"),
            },
        },
        file(MODULES, lines(&config.kernel.modules)),
        file(SYSCTL, sysctls(config)),
        file(RESOLVED, network::resolved(&config.network)),
        file(TIMESYNCD, timesyncd(&config.time.servers)),
        file(FIREWALL_PATH, firewall_rules(&config.firewall)),
    ];
    let networks = network::networks(&config.network).into_iter();
    files.extend(networks.map(|(name, content)| file(&format!("{}{name}", network::DIR), content)));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn file(path: &str, content: String) -> RenderedFile {
    RenderedFile {
        path: path.to_owned(),
        body: Body::File {
            mode: WORLD_READABLE,
            content,
        },
    }
}

fn lines(words: &[String]) -> String {
    words.iter().map(|word| format!("{word}\n")).collect()
}

/// sysctl.d(5).
fn sysctls(config: &NodeConfig) -> String {
    let settings = config.kernel.sysctl.iter();
    settings
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect()
}

/// timesyncd.conf(5).
fn timesyncd(servers: &[String]) -> String {
    match servers {
        [] => "[Time]\n".to_owned(),
        some => format!("[Time]\nNTP={}\n", some.join(" ")),
    }
}

fn hosts(name: &str) -> String {
    // A name with a domain is also known by its first part, as hostname(1) expects.
    let names = match name.split_once('.') {
        Some((short, _)) => format!("{name} {short}"),
        None => name.to_owned(),
    };
    format!("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {names}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn rendered(toml: &str) -> String {
        let config = parse("node.toml", toml).unwrap();
        let facts = NodeFacts {
            machine_id: "0123456789abcdef0123456789abcdef".to_owned(),
        };
        let mut out = String::new();
        for file in render(&config, &facts) {
            match file.body {
                Body::File { mode, content } => {
                    out.push_str(&format!("== {} {mode:o}\n{content}", file.path));
                }
                Body::Symlink { target } => {
                    out.push_str(&format!("== {} -> {target}\n", file.path))
                }
            }
        }
        out
    }

    #[test]
    fn a_bare_toml_gives_a_name_from_the_machine_id_utc_and_dhcp() {
        insta::assert_snapshot!(rendered("schema = 1"));
    }

    #[test]
    fn host_decides_name_hosts_and_time_zone() {
        insta::assert_snapshot!(rendered(
            "schema = 1\nhost = { name = \"edge-17.example.com\", timezone = \"Europe/Berlin\" }"
        ));
    }

    #[test]
    fn kernel_network_and_time_have_a_file_each_and_every_interface_its_own() {
        insta::assert_snapshot!(rendered(
            r#"
schema = 1
[kernel]
modules = ["br_netfilter", "wireguard"]
sysctl = { "net.ipv4.ip_forward" = "1", "vm.max_map_count" = "262144" }
[network]
dns = ["10.0.0.2", "fd00::2"]
[network.interface.eth0]
dhcp = true
[network.interface.uplink]
match = { mac = "52-54-00-AB-CD-EF" }
addresses = ["10.0.0.17/24", "fd00::17/64"]
gateway = "10.0.0.1"
[network.interface.spare]
[time]
servers = ["ntp.example.com", "10.0.0.3"]
"#
        ));
    }
}
