//! What the parser gathers on its way through the file: findings, and what they refer to.

use super::network::{Attached, Publisher};
use crate::diagnostic::{Finding, nearest};
use crate::forms::Problem;
use crate::limits::{MAX_CONTAINERS, MAX_DIAGNOSTICS};
use crate::model::{Condition, Name, Port, Protocol};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// The built-in network that a container without networks joins.
pub(crate) const DEFAULT_NET: &str = "default";

/// What can be declared under a name and referred to elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Noun {
    Container,
    Net,
    Secret,
    Volume,
}

/// Who holds a port of the host.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) span: Range<usize>,
    /// `container \`web\`` or `the API`.
    pub(crate) holder: String,
    pub(crate) port: Port,
}

/// A declared subnet.
#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    pub(crate) span: Range<usize>,
    pub(crate) name: String,
    pub(crate) net: IpNet,
}

/// One container that depends on another.
#[derive(Clone, Debug)]
pub(crate) struct Tie {
    /// Where it says so.
    pub(crate) span: Range<usize>,
    pub(crate) from: Name,
    pub(crate) to: Name,
    pub(crate) how: TieKind,
}

/// How one container depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TieKind {
    /// It is started after the other has come to this.
    After(Condition),
    /// It is in the other's network.
    Network,
    /// It shares the other's IPC.
    Ipc,
    /// With itself: nobody may be in its network or share its IPC.
    Alone,
}

/// Everything gathered so far.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) findings: Vec<Finding>,
    pub(crate) published: Vec<Published>,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) attached: Vec<Attached>,
    pub(crate) publishers: Vec<Publisher>,
    /// Which container waits for which, and those that share another's network.
    pub(crate) ties: Vec<Tie>,
    declared: BTreeMap<Noun, BTreeSet<String>>,
    /// Declared with `enabled = false`.
    disabled: BTreeSet<String>,
    /// Whether what is read now may refer to these.
    pub(crate) refers_to_disabled: bool,
    /// Whether the API is told to listen, well or badly.
    pub(crate) api_listens: bool,
}

/// How much had been claimed at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims {
    published: usize,
    attached: usize,
    publishers: usize,
    ties: usize,
}

impl Noun {
    /// The key of the table that declares it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Net => "net",
            Self::Secret => "secret",
            Self::Volume => "volume",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Net => "network",
            Self::Secret => "secret",
            Self::Volume => "volume",
        }
    }
}

impl Context {
    /// Knows what `root` declares, also where a declaration itself is wrong: a name that is there
    /// is no dangling reference.
    pub(crate) fn new(root: &DeTable<'_>) -> Self {
        let mut declared = BTreeMap::new();
        for noun in [Noun::Container, Noun::Net, Noun::Secret, Noun::Volume] {
            let table = root
                .get(noun.key())
                .and_then(|value| value.get_ref().as_table());
            let mut names: BTreeSet<String> = table
                .map(|table| table.keys().map(|key| key.get_ref().to_string()).collect())
                .unwrap_or_default();
            if noun == Noun::Net {
                names.insert(DEFAULT_NET.to_owned());
            }
            declared.insert(noun, names);
        }
        Self {
            findings: Vec::new(),
            published: Vec::new(),
            subnets: Vec::new(),
            attached: Vec::new(),
            publishers: Vec::new(),
            ties: Vec::new(),
            declared,
            disabled: disabled(root),
            refers_to_disabled: false,
            api_listens: root
                .get("api")
                .and_then(|value| value.get_ref().as_table())
                .is_some_and(|api| api.contains_key("listen")),
        }
    }

    /// Notes a problem.
    pub(crate) fn report(&mut self, span: Range<usize>, problem: Problem) {
        self.findings.push(Finding {
            span,
            message: problem.message,
            help: problem.help,
        });
    }

    /// What `word` was most likely meant to be. Likeness costs time, so in a flood of problems most
    /// get no suggestion, and no more candidates are looked at than a node can have containers.
    pub(crate) fn suggest<'a>(
        &self,
        word: &str,
        candidates: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        const ENOUGH: usize = MAX_DIAGNOSTICS * 10;
        if self.findings.len() > ENOUGH {
            return None;
        }
        nearest(word, candidates.take(MAX_CONTAINERS))
    }

    /// Notes a problem where `name` is not declared.
    pub(crate) fn refer(&mut self, noun: Noun, name: &str, span: Range<usize>) {
        let Some(names) = self.declared.get(&noun) else {
            return;
        };
        if names.contains(name) {
            if noun == Noun::Container && !self.refers_to_disabled && self.disabled.contains(name) {
                let problem = Problem::new(format!("container `{name}` is not enabled"));
                let help = "remove its `enabled = false`, or what needs it here";
                self.report(span, problem.help(help));
            }
            return;
        }
        let help = match self.suggest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it as `[{}.{name}]`", noun.key()),
        };
        let message = format!("there is no {} `{name}`", noun.word());
        self.report(span, Problem::new(message).help(help));
    }

    /// How much has been claimed so far.
    pub(crate) fn claims(&self) -> Claims {
        Claims {
            published: self.published.len(),
            attached: self.attached.len(),
            publishers: self.publishers.len(),
            ties: self.ties.len(),
        }
    }

    /// Gives up what was claimed after `claims`.
    pub(crate) fn give_up(&mut self, claims: &Claims) {
        self.published.truncate(claims.published);
        self.attached.truncate(claims.attached);
        self.publishers.truncate(claims.publishers);
        self.ties.truncate(claims.ties);
    }

    /// Notes every port of the host that two hold.
    pub(crate) fn report_port_clashes(&mut self) {
        let mut published = std::mem::take(&mut self.published);
        published.sort_by_key(|entry| entry.span.start);
        let mut held: BTreeMap<Protocol, Vec<Published>> = BTreeMap::new();
        for entry in published {
            let holders = held.entry(entry.port.protocol).or_default();
            let clash = holders.iter().find(|first| {
                ports_meet(&first.port, &entry.port) && addresses_meet(first, &entry)
            });
            if let Some(first) = clash {
                let message = format!(
                    "port {}/{} of the host is taken by {}",
                    first.port.host.max(entry.port.host),
                    entry.port.protocol,
                    first.holder
                );
                let help = "take another port of the host, or another address".to_owned();
                self.report(entry.span.clone(), Problem::new(message).help(help));
            }
            holders.push(entry);
        }
    }

    /// Notes every network whose addresses another has too.
    pub(crate) fn report_subnet_clashes(&mut self, default_net: IpNet) {
        let mut subnets = std::mem::take(&mut self.subnets);
        subnets.sort_by_key(|subnet| subnet.span.start);
        let mut seen = Vec::new();
        if !subnets.iter().any(|subnet| subnet.name == DEFAULT_NET) {
            seen.push((DEFAULT_NET.to_owned(), default_net));
        }
        for subnet in subnets {
            let clash = seen
                .iter()
                .find(|(_, net)| net.contains(&subnet.net) || subnet.net.contains(net));
            if let Some((name, net)) = clash {
                let message = format!("subnet {} overlaps {net} of network `{name}`", subnet.net);
                let help = "give each network addresses of its own";
                self.report(subnet.span.clone(), Problem::new(message).help(help));
            }
            seen.push((subnet.name, subnet.net));
        }
    }
}

/// The containers that say that they are not enabled.
fn disabled(root: &DeTable<'_>) -> BTreeSet<String> {
    let containers = root.get(Noun::Container.key());
    let containers = containers.and_then(|value| value.get_ref().as_table());
    let is_off = |container: &&DeValue<'_>| {
        let enabled = container.as_table().and_then(|table| table.get("enabled"));
        enabled.and_then(|value| value.get_ref().as_bool()) == Some(false)
    };
    let named = containers.into_iter().flat_map(DeTable::iter);
    named
        .filter(|(_, container)| is_off(&container.get_ref()))
        .map(|(name, _)| name.get_ref().to_string())
        .collect()
}

/// Whether two entries have a port of the host in common.
fn ports_meet(a: &Port, b: &Port) -> bool {
    a.host <= b.last_host() && b.host <= a.last_host()
}

/// Whether two holders of the same port number hold it on a common address.
fn addresses_meet(a: &Published, b: &Published) -> bool {
    let (Some(a), Some(b)) = (a.port.host_ip, b.port.host_ip) else {
        return true;
    };
    a == b || covers(a, b) || covers(b, a)
}

/// `::` is every address (sockets are dual-stack), `0.0.0.0` every one of IPv4.
fn covers(wide: IpAddr, narrow: IpAddr) -> bool {
    wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
}
