//! `[firewall]` as rules for nft(8).

use crate::model::{Allow, Firewall, Inbound, Traffic};
use ipnet::IpNet;
use std::fmt::Write as _;

/// The table of the firewall. Nothing else is in it.
pub const FIREWALL_TABLE: &str = "orlop-firewall";

/// What the interfaces of container networks' bridges begin with.
pub const BRIDGE_PREFIX: &str = "ol-";

/// In front of every table of ours: replaces it as a whole, in the same transaction.
pub fn replaced_table(name: &str) -> String {
    // A table that is not there cannot be deleted, so it is made first.
    format!("table inet {name} {{}}\ndelete table inet {name}\n")
}

/// What is let in whatever the TOML says: a host that drops it loses its own connections, its
/// addresses, or its containers' names.
const ALWAYS: &str = "\
\t\tct state established,related accept
\t\tct state invalid drop
\t\tiifname \"lo\" accept
\t\ticmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
\t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
\t\tudp sport 67 udp dport 68 accept
";

/// The rules of the firewall, for `nft -f`: they replace those that are there, at once.
pub fn firewall_rules(firewall: &Firewall) -> String {
    let mut out = format!(
        "# [firewall] of the node's TOML.\n{}",
        replaced_table(FIREWALL_TABLE)
    );
    if firewall.inbound == Inbound::Allow {
        return out;
    }
    let _infallible = write!(
        out,
        "table inet {FIREWALL_TABLE} {{\n\tchain inbound {{\n\
         \t\ttype filter hook input priority filter; policy drop;\n{ALWAYS}\
         \t\tiifname \"{BRIDGE_PREFIX}*\" meta l4proto {{ tcp, udp }} th dport 53 accept\n"
    );
    for allow in &firewall.allow {
        let _infallible = writeln!(out, "\t\t{} accept", condition(allow));
    }
    out.push_str("\t}\n}\n");
    out
}

fn condition(allow: &Allow) -> String {
    let from = match allow.from {
        Some(IpNet::V4(net)) => format!("ip saddr {net} "),
        Some(IpNet::V6(net)) => format!("ip6 saddr {net} "),
        None => String::new(),
    };
    match allow.what {
        Traffic::Icmp => format!("{from}meta l4proto {{ icmp, ipv6-icmp }}"),
        Traffic::Ports {
            protocol,
            first,
            last,
        } if first == last => format!("{from}{protocol} dport {first}"),
        Traffic::Ports {
            protocol,
            first,
            last,
        } => format!("{from}{protocol} dport {first}-{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn rules(toml: &str) -> String {
        let text = format!("schema = 1\n{toml}");
        firewall_rules(&parse("node.toml", &text).unwrap().firewall)
    }

    #[test]
    fn the_rules_are_as_recorded() {
        insta::assert_snapshot!(rules(
            "firewall = { inbound = \"deny\", allow = [\"tcp/6443 from 10.0.0.0/8\", \"udp/5000-5010\", \
             \"icmp\", \"icmp from fd00::1\", \"tcp/22 from 192.0.2.7\"] }"
        ));
    }

    #[test]
    fn without_a_firewall_the_table_is_removed() {
        let rules = rules("");
        assert!(rules.contains("delete table inet orlop-firewall"));
        assert!(!rules.contains("chain"), "{rules}");
    }
}
