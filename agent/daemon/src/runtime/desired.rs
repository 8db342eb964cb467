//! What containers there shall be.

use super::instance::{Instance, Slot};
use orlop_config::{
    Attachment, Condition, Container, Digest, HostRight, Name, Net, NetworkMode, PullPolicy,
    RootDigest, Secret, UpdateOrder, UserNamespace, Volume, starts_beside, user_namespace_holder,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All containers that the node shall run, and what they share.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The generation that they are of. Wishes of operators last no longer than it runs.
    pub generation: u64,
    /// The containers.
    pub containers: Vec<DesiredContainer>,
    /// Those that are not enabled, with their images as the config names them.
    pub disabled: BTreeMap<Name, String>,
    /// The declared networks; `default` is there without being declared.
    pub nets: BTreeMap<Name, Net>,
    /// The declared volumes.
    pub volumes: BTreeMap<Name, Volume>,
    /// The declared secrets.
    pub secrets: BTreeMap<Name, Secret>,
    /// What else may be found at work: containers of other generations, as these describe them. One that
    /// is replaced start-first serves on as it was described.
    pub others: Vec<Desired>,
}

/// One container that shall run.
#[derive(Clone, Debug)]
pub struct DesiredContainer {
    /// Its name.
    pub name: Name,
    /// Its part of the TOML.
    pub config: Container,
    /// Its image, resolved and in the store.
    pub image: ImageRecord,
    /// Where its instance is.
    pub(super) slot: Slot,
    /// Where that of the container is whose network it shares.
    pub(super) holder_slot: Slot,
    /// What else it has in common with others.
    pub(super) common: Common,
}

/// What containers have in common, by the instance whose it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Common {
    /// Whose IPC it shares, or its own where others share it; none where nobody does.
    pub(super) ipc: Option<Instance>,
    /// Whose user namespace it is in, where it is not in the host's.
    pub(super) userns: Option<Instance>,
}

/// An image in the store, as far as the runtime needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// As the config names it.
    pub reference: String,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// The root file system.
    pub root: RootDigest,
    /// What the image says about running it.
    pub run: ImageRun,
}

/// The `config` object of an OCI image configuration (OCI image specification 1.1, config.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageRun {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments after the entrypoint, or the whole command without one.
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// `user`, `uid`, `user:group`, `uid:gid`; empty is root.
    pub user: String,
    /// Working directory; empty is `/`.
    pub working_dir: String,
    /// Signal that asks it to stop: `SIGQUIT` or a number.
    pub stop_signal: Option<String>,
    /// The image's version label (`org.opencontainers.image.version`), for people.
    pub version: Option<String>,
}

/// Digest over everything that makes up a container as it runs: two with the same hash need no
/// restart to go from one to the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecHash(String);

/// Counted up when the runtime makes something else out of the same input, so that containers
/// are replaced once by a newer agent where they must be.
const RECIPE: u32 = 1;

/// Stands in the hash of a container for others that share its IPC.
const LENDS_IPC: &str = "lends ipc";

#[derive(Serialize)]
struct Hashed<'a> {
    recipe: u32,
    name: &'a Name,
    config: &'a Container,
    root: &'a RootDigest,
    run: &'a ImageRun,
    nets: BTreeMap<&'a Name, &'a Net>,
}

impl SpecHash {
    /// The hash of `container` in `nets`.
    pub(super) fn of(container: &DesiredContainer, nets: &BTreeMap<Name, Net>) -> Self {
        let nets = container
            .networks()
            .iter()
            .filter_map(|one| nets.get_key_value(&one.net))
            .collect();
        // `orlop_config::Container` names its image by reference: a tag that moves changes the
        // root digest, and a reference that is merely written otherwise changes nothing that runs.
        let mut config = container.config.clone();
        config.image = orlop_config::ImageRef::Layout {
            dir: String::new(),
            tag: None,
        };
        // A probe is asked from outside; changing it must not restart what is probed.
        config.health = None;
        // Published ports are rules on the host.
        config.ports = Vec::new();
        // So is what the agent alone goes by, or people.
        config.lifecycle.after.clear();
        config.lifecycle.essential = true;
        config.lifecycle.update = UpdateOrder::StopFirst;
        config.labels.clear();
        // The image is known by its root.
        config.pull = PullPolicy::default();
        config.platform = None;
        let hashed = Hashed {
            recipe: RECIPE,
            name: &container.name,
            config: &config,
            root: &container.image.root,
            run: &container.image.run,
            nets,
        };
        let bytes = serde_json::to_vec(&hashed).expect("plain data with string keys serialises");
        Self(Digest::of(&bytes).hex().to_owned())
    }

    /// That of the same container in a user namespace of its own. An agent that knows of none takes it for
    /// another container, and makes it anew.
    pub(super) fn in_own_user_namespace(&self) -> Self {
        Self(
            Digest::of(format!("user namespace\n{}", self.0).as_bytes())
                .hex()
                .to_owned(),
        )
    }

    /// `text` as found in a unit file; anything is accepted, for it is only compared.
    pub(super) fn found(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whose network a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network<'a> {
    /// Its own, which joins networks.
    Joined,
    /// Its own, which joins none.
    None,
    /// The host's.
    Host,
    /// That of this container.
    Of(&'a Name),
}

impl DesiredContainer {
    /// A container where every one begins.
    pub fn new(name: Name, config: Container, image: ImageRecord) -> Self {
        Self {
            name,
            config,
            image,
            slot: Slot::First,
            holder_slot: Slot::First,
            common: Common::default(),
        }
    }

    /// Its instance.
    pub(super) fn instance(&self) -> Instance {
        Instance::new(&self.name, self.slot)
    }

    /// Whose network it is in.
    pub(super) fn network(&self) -> Network<'_> {
        if self.config.security.host.contains(&HostRight::Network) {
            return Network::Host;
        }
        match &self.config.network {
            Some(NetworkMode::Container(other)) => Network::Of(other),
            Some(NetworkMode::None) => Network::None,
            None => Network::Joined,
        }
    }

    /// Whose addresses it is reached by.
    pub(super) fn address_holder(&self) -> Instance {
        match self.network() {
            Network::Of(other) => Instance::new(other, self.holder_slot),
            Network::Joined | Network::None | Network::Host => self.instance(),
        }
    }

    /// Whose IPC it shares, or its own where others share it.
    pub(super) fn shared_ipc(&self) -> Option<&Instance> {
        self.common.ipc.as_ref()
    }

    /// Whether others share its IPC.
    pub(super) fn lends_ipc(&self) -> bool {
        self.shared_ipc() == Some(&self.instance())
    }

    /// Whose user namespace it is in, where it is not in the host's.
    pub(super) fn user_namespace(&self) -> Instance {
        let holder = self.common.userns.clone();
        holder.unwrap_or_else(|| self.address_holder())
    }

    /// Whether no other container's user namespace is its own.
    pub(super) fn owns_user_namespace(&self) -> bool {
        self.user_namespace() == self.instance()
    }

    /// What others must have come to before it is started.
    pub(super) fn after(&self) -> &BTreeMap<Name, Condition> {
        &self.config.lifecycle.after
    }

    /// Networks to join, in order; none where it has no network to join them with.
    pub(super) fn networks(&self) -> Vec<Attachment> {
        if self.network() != Network::Joined {
            return Vec::new();
        }
        if self.config.networks.is_empty() {
            return vec![Attachment::plain(default_net_name())];
        }
        self.config.networks.clone()
    }
}

impl Desired {
    /// Why `container`, one of these, is in the host's user namespace; nothing where it is in its own, or in
    /// that of the container whose network it shares.
    pub(super) fn why_hosts_user_namespace(&self, container: &DesiredContainer) -> Option<String> {
        if container.config.security.userns == UserNamespace::Host {
            return Some("`userns = \"host\"`".to_owned());
        }
        if let Some((_, what)) = container.config.needs_hosts_user_namespace() {
            return Some(what);
        }
        let shared = match container.network() {
            Network::Of(_) => "network",
            Network::Joined | Network::None | Network::Host => "IPC",
        };
        // The config allows no circles.
        let holder = self.of_name(container.config.shares_user_namespace_of()?)?;
        let why = self.why_hosts_user_namespace(holder)?;
        Some(format!("the {shared} of {}: {why}", holder.name))
    }

    /// The container of this name.
    pub(super) fn of_name(&self, name: &Name) -> Option<&DesiredContainer> {
        self.containers.iter().find(|one| one.name == *name)
    }

    /// Whether others share the IPC of `name`.
    fn lends_ipc(&self, name: &Name) -> bool {
        let mut all = self.containers.iter();
        all.any(|one| one.config.security.ipc.as_ref() == Some(name))
    }

    /// The hash of `container`, one of these, in the host's user namespace, with that of everything outside of it that makes it up:
    /// whose network it is in, with whom it shares IPC, and where its secrets come from.
    pub(super) fn hash(&self, container: &DesiredContainer) -> SpecHash {
        let own = SpecHash::of(container, &self.all_nets());
        let mut more: Vec<String> = Vec::new();
        for name in container.config.storage.secrets.values() {
            more.push(match self.secrets.get(name) {
                Some(Secret::File(path)) => format!("file {path}"),
                Some(Secret::Credential) => format!("credential {name}"),
                None => format!("no {name}"),
            });
        }
        if let Network::Of(other) = container.network() {
            let other = self.containers.iter().find(|one| one.name == *other);
            // Nobody shares the network of one that shares another's.
            let hash = other.map(|other| SpecHash::of(other, &self.all_nets()));
            more.extend(hash.map(|hash| hash.0));
        }
        if self.lends_ipc(&container.name) {
            more.push(LENDS_IPC.to_owned());
        }
        if let Some(other) = &container.config.security.ipc {
            // Nobody shares the IPC of one that shares another's.
            let hash = self.of_name(other).map(|other| self.hash(other));
            more.extend(hash.map(|hash| hash.0));
        }
        if more.is_empty() {
            return own;
        }
        more.push(own.0);
        SpecHash(Digest::of(more.join("\n").as_bytes()).hex().to_owned())
    }

    /// The container of another generation that runs by the hash `found` where `container` of this one is
    /// to take its place start-first; none where it is to be stopped first, or nobody describes it.
    pub(super) fn predecessor(
        &self,
        container: &DesiredContainer,
        found: &SpecHash,
    ) -> Option<DesiredContainer> {
        let described = std::iter::once(self).chain(&self.others).find_map(|other| {
            let of_name = |one: &&DesiredContainer| one.name == container.name;
            let one = other.containers.iter().find(of_name)?;
            let plain = other.hash(one);
            let is_found = plain == *found || plain.in_own_user_namespace() == *found;
            is_found.then_some((other, one))
        });
        let (other, old) = described?;
        let beside = starts_beside(&old.config, &other.nets, &container.config, &self.nets);
        beside.then(|| old.clone())
    }

    /// Takes over where each container's instance is.
    pub(super) fn take_slots(&mut self, slots: &BTreeMap<Name, Slot>) {
        let of = |name: &Name| slots.get(name).copied().unwrap_or_default();
        let common: Vec<Common> = self
            .containers
            .iter()
            .map(|one| self.common(one, of))
            .collect();
        for (container, common) in self.containers.iter_mut().zip(common) {
            container.common = common;
            container.slot = of(&container.name);
            if let Some(NetworkMode::Container(other)) = &container.config.network {
                container.holder_slot = of(other);
            }
        }
    }

    fn common(&self, container: &DesiredContainer, of: impl Fn(&Name) -> Slot) -> Common {
        let instance = |name: &Name| Instance::new(name, of(name));
        let lends = self.lends_ipc(&container.name).then_some(&container.name);
        let find = |name: &Name| self.of_name(name).map(|one| &one.config);
        Common {
            ipc: container
                .config
                .security
                .ipc
                .as_ref()
                .or(lends)
                .map(instance),
            userns: user_namespace_holder(&container.name, find).map(instance),
        }
    }

    /// Every network there is, the built-in one too.
    pub(super) fn all_nets(&self) -> BTreeMap<Name, Net> {
        let mut nets = self.nets.clone();
        nets.entry(default_net_name()).or_insert_with(default_net);
        nets
    }
}

/// The built-in network's name.
fn default_net_name() -> Name {
    Name::new("default").expect("`default` is a name")
}

/// The built-in network: 10.89.0.0/24 (CONFIG.md).
fn default_net() -> Net {
    let subnet = ipnet::Ipv4Net::new(std::net::Ipv4Addr::new(10, 89, 0, 0), 24);
    Net::bridge(subnet.expect("24 is a prefix length").into())
}
