//! The files under `/etc` that the TOML decides.
//!
//! Every file is there whatever the TOML says, so that rendering a second TOML over the first leaves
//! nothing of it behind.

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

const WORLD_READABLE: u32 = 0o644;
const DEFAULT_TIMEZONE: &str = "UTC";
const ID_DIGITS: usize = 8;

/// DHCP on every ethernet interface, by the names that udev and the kernel give them. Containers'
/// interfaces have other names, so networkd leaves those alone. `KeepConfiguration=` keeps addresses
/// and routes while networkd is stopped, which a live swap does (systemd.network(5)); the host name
/// is the TOML's alone.
const ETHERNET: &str = "\
[Match]
Name=en* eth*

[Network]
DHCP=yes
KeepConfiguration=dynamic-on-stop

[DHCPv4]
UseHostname=no

[DHCPv6]
UseHostname=no
";

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
        file("/etc/hostname", format!("{name}\n")),
        file("/etc/hosts", hosts(&name)),
        RenderedFile {
            path: "/etc/localtime".to_owned(),
            body: Body::Symlink {
                target: format!("../usr/share/zoneinfo/{timezone}"),
            },
        },
        file(
            "/etc/systemd/network/50-orlop-ethernet.network",
            ETHERNET.to_owned(),
        ),
    ];
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
}
