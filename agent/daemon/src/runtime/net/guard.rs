//! Keeps what the networks need besides links as it shall be: rules, names, and links that were lost.

use super::super::desired::{DesiredContainer, Network};
use super::super::error::StepError;
use super::super::inside;
use super::super::instance::Instance;
use super::super::member::{Member, Role};
use super::super::observe::mount_points;
use super::super::places::{Places, unit_name};
use super::super::systemd::Systemd;
use super::connect::{connect_again, set_up};
use super::lease::Addresses;
use super::name_server::{self, Tended};
use super::names::name_files;
use super::netavark::{Request, bridge_name, cable_name};
use super::netns::{self, Namespace};
use super::nft::Tables;
use super::rules::{self, Publisher};
use super::{bridges, rules::TABLE};
use orlop_config::{FIREWALL_TABLE, Name, NetDriver};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Mutex;

/// How often a look is taken: one question to the kernel and a few small files.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The guard.
pub(in super::super) struct Guard {
    places: Places,
    systemd: Systemd,
    tables: Tables,
    wanted: Mutex<Wanted>,
}

#[derive(Default)]
struct Wanted {
    members: BTreeMap<Instance, (Member, Addresses)>,
}

impl Wanted {
    /// Those that names and ports lead to.
    fn serving(&self) -> impl Iterator<Item = (&DesiredContainer, &Addresses)> {
        let all = self.members.values();
        all.filter(|(member, _)| member.role == Role::Serves)
            .map(|(member, addresses)| (&member.container, addresses))
    }

    fn rules(&self) -> String {
        let publishers: Vec<_> = self.serving().map(publisher).collect();
        rules::rules(&publishers)
    }

    /// Lets names and ports lead to `instance`, and not to its sibling.
    fn lead_to(&mut self, instance: &Instance) {
        for (of, role) in [(instance, Role::Serves), (&instance.sibling(), Role::Comes)] {
            if let Some((member, _)) = self.members.get_mut(of) {
                member.role = role;
            }
        }
    }

    /// Every bridge with its network, and every cable with its bridge.
    fn links(&self) -> (BTreeMap<String, Name>, BTreeMap<String, String>) {
        let (mut bridges, mut cables) = (BTreeMap::new(), BTreeMap::new());
        for (instance, (_, addresses)) in &self.members {
            for (cable, bridge, net) in cables_of(instance, addresses) {
                bridges.insert(bridge.clone(), net);
                cables.insert(cable, bridge);
            }
        }
        (bridges, cables)
    }
}

/// The cables of an instance, each with bridge and network.
fn cables_of(instance: &Instance, addresses: &Addresses) -> Vec<(String, String, Name)> {
    let joined = addresses.0.iter();
    joined
        .filter(|joined| joined.net.driver == NetDriver::Bridge)
        .map(|joined| {
            let net = &joined.name;
            (cable_name(instance, net), bridge_name(net), net.clone())
        })
        .collect()
}

impl Guard {
    pub(in super::super) fn new(places: Places, systemd: Systemd) -> Self {
        Self {
            places,
            systemd,
            tables: Tables::default(),
            wanted: Mutex::default(),
        }
    }

    /// Whether the rules and links that this process sees are those of the node: not so for a node
    /// that is a directory, as in tests.
    fn is_in_charge(&self) -> bool {
        self.places == Places::node()
    }

    /// Puts the host's firewall in place.
    pub(in super::super) async fn set_firewall(&self, rules: String) -> Result<(), StepError> {
        if self.is_in_charge() {
            self.tables.put(FIREWALL_TABLE, rules).await?;
        }
        Ok(())
    }

    /// Makes rules and names those of `members`, and removes links that nobody needs. Called when all
    /// of its links are made, before what is new is started: who connects to a port before that is refused, and
    /// not led to where nobody is, which costs a second of waiting. Idempotent.
    pub(in super::super) async fn settle(
        &self,
        members: &[Member],
        given: &BTreeMap<Instance, Addresses>,
    ) -> Result<(), StepError> {
        if !self.is_in_charge() {
            return Ok(());
        }
        let mut wanted = self.wanted.lock().await;
        wanted.members = members
            .iter()
            .filter_map(|member| {
                let instance = member.container.instance();
                let addresses = given.get(&instance)?.clone();
                Some((instance, (member.clone(), addresses)))
            })
            .collect();
        let (bridges, cables) = wanted.links();
        bridges::sweep(&bridges.keys().chain(cables.keys()).cloned().collect())?;
        // At the same time: each waits for programs.
        let (put, tended) = tokio::join!(
            self.tables.put(TABLE, wanted.rules()),
            self.tend_names(&wanted)
        );
        put.and(tended).map(drop)
    }

    /// Lets names and ports lead to `instance` from now on, and not to its sibling: the ports in one step.
    /// Connections that are open go on. Idempotent; where it fails they lead where they did.
    pub(in super::super) async fn hand_over(&self, instance: &Instance) -> Result<(), StepError> {
        if !self.is_in_charge() {
            return Ok(());
        }
        let mut wanted = self.wanted.lock().await;
        wanted.lead_to(instance);
        let put = self.tables.put(TABLE, wanted.rules()).await;
        let led = match put {
            Ok(()) => self.tend_names(&wanted).await.map(drop),
            Err(error) => Err(error),
        };
        if led.is_err() {
            wanted.lead_to(&instance.sibling());
            if let Err(error) = self.tables.put(TABLE, wanted.rules()).await {
                log::error!("cannot lead back to {}: {error}", instance.container);
            }
        }
        led
    }

    /// Looks whether everything is still there, and makes again what is not.
    async fn look(&self) {
        match self.tables.look().await {
            Ok(mended) => {
                for table in mended {
                    log::warn!("the rules of table {table} were gone or changed; put again");
                }
            }
            Err(error) => log::warn!("cannot look at the rules: {error}"),
        }
        let wanted = self.wanted.lock().await;
        for (member, addresses) in wanted.members.values() {
            let container = &member.container;
            if let Err(error) = self.look_at_links(container, addresses).await {
                let name = &container.name;
                log::warn!(container = name.as_str(); "cannot connect {name} again: {error}");
            }
        }
        match self.tend_names(&wanted).await {
            Ok(Tended::Well | Tended::Told | Tended::Stopped) => {}
            Ok(Tended::Started) => log::warn!("the name server was gone; started again"),
            Ok(Tended::Replaced) => log::info!("the name server is that of this OS image now"),
            Err(error) => log::warn!("cannot look after the name server: {error}"),
        }
    }

    /// Names are served in networks whose bridge is there: on another the server cannot listen, and
    /// it would not begin at all.
    async fn tend_names(&self, wanted: &Wanted) -> Result<Tended, StepError> {
        let there = bridges::own_links()?;
        let (bridges, _) = wanted.links();
        let nets: BTreeSet<Name> = bridges
            .into_iter()
            .filter_map(|(bridge, net)| there.contains(&bridge).then_some(net))
            .collect();
        let files = name_files(&nets, wanted.serving());
        name_server::tend(&self.places, &self.systemd, &files).await
    }

    /// Connects a running container again that has lost its namespace's name or a cable.
    async fn look_at_links(
        &self,
        container: &DesiredContainer,
        addresses: &Addresses,
    ) -> Result<(), StepError> {
        let (name, instance) = (&container.name, &container.instance());
        let places = &self.places;
        // Nobody else has links of its own. A unit file stands for one that is set up to its end.
        if container.network() != Network::Joined || !places.unit_file(instance).exists() {
            return Ok(());
        }
        let cables = cables_of(instance, addresses);
        let plugged =
            |(cable, bridge, _): &(String, String, Name)| bridges::is_plugged(cable, bridge);
        let netns = places.netns_file(instance);
        let kept = mount_points()?.contains(&netns);
        let connected = cables.iter().all(plugged);
        if kept && connected {
            return Ok(());
        }
        let status = self.systemd.status(&unit_name(instance)).await?;
        let process = inside::process(container, &status, places);
        if let (true, Some(pid)) = (connected, process) {
            return netns::keep_new(Namespace::Net, &netns, pid);
        }
        log::warn!(container = name.as_str(); "{name} has lost its network; connecting it again");
        let request = Request::new(container, addresses);
        match process {
            Some(pid) => connect_again(places, container, &request, pid).await,
            // systemd may start it at any time, without the agent.
            None => set_up(places, container, &request).await,
        }
    }
}

fn publisher<'a>((container, addresses): (&'a DesiredContainer, &'a Addresses)) -> Publisher<'a> {
    Publisher {
        name: &container.name,
        ports: &container.config.ports,
        addresses,
    }
}

/// Takes a look every two seconds, but not while `turn` is held: then all is being made anyway. Ends
/// with the guard.
pub(in super::super) async fn watch(guard: Weak<Guard>, turn: Arc<Mutex<()>>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(guard) = guard.upgrade().filter(|guard| guard.is_in_charge()) else {
            return;
        };
        if let Ok(_turn) = turn.try_lock() {
            guard.look().await;
        }
    }
}
