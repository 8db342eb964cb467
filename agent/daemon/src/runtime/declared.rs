//! What is declared, as far as others than the runtime ask for it: images, networks and who joins them.

use super::containers::Runtime;
use super::desired::ImageRecord;
use orlop_config::{Attachment, Name, Net};
use std::collections::BTreeMap;

impl Runtime {
    /// Which image each container has.
    pub fn images(&self) -> Vec<(Name, ImageRecord)> {
        let containers = self.last_desired().containers.into_iter();
        containers.map(|one| (one.name, one.image)).collect()
    }

    /// Every network, and whether the config declares it: one is there without.
    pub fn networks(&self) -> BTreeMap<Name, (Net, bool)> {
        let desired = self.last_desired();
        let all = desired.all_nets().into_iter();
        all.map(|(name, net)| {
            let declared = desired.nets.contains_key(&name);
            (name, (net, declared))
        })
        .collect()
    }

    /// Every joining of a container to a network, with all addresses that the container has.
    pub fn members(&self) -> Vec<(Name, Attachment, Vec<String>)> {
        let views = self.inner.live.views();
        let addresses = |name: &Name| {
            let view = views.iter().find(|view| view.name == name.as_str());
            view.map(|view| view.addresses.clone()).unwrap_or_default()
        };
        let mut all = Vec::new();
        for one in self.last_desired().containers {
            for joined in one.networks() {
                all.push((one.name.clone(), joined, addresses(&one.name)));
            }
        }
        all
    }
}
