//! A close look at single containers.

use super::containers::{Runtime, blocking};
use super::desired::DesiredContainer;
use super::error::{RuntimeError, Step, StepError};
use super::group::group_of;
use super::instance::Instance;
use super::observe::read_text;
use super::places::{Places, unit_name};
use super::spec::unit_group;
use super::systemd::{Exit, UnitStatus};
use super::{ids, process, usage};
use crate::clock;
use orlop_api::{
    ContainerDetail, ContainerStats, ContainerView, MountView, ProbeView, ProcessView,
};
use orlop_config::Name;
use serde::Deserialize;

const MICROS_PER_MILLI: u64 = 1000;
/// Why a container is in the host's user namespace that is not meant to be.
const FROM_BEFORE: &str = "it is not set up, or was by an earlier agent";

/// Of a bundle's spec, what is told of it. The whole of it as types would be a tenth of the agent's program.
#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    mounts: Vec<Mount>,
}

#[derive(Deserialize)]
struct Mount {
    destination: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    options: Vec<String>,
}

/// What is known of a container without a look at the machine.
pub(super) struct Known {
    pub(super) container: DesiredContainer,
    pub(super) view: ContainerView,
    pub(super) status: UnitStatus,
    pub(super) probes: Vec<ProbeView>,
}

impl Runtime {
    /// Everything about a container.
    ///
    /// # Errors
    /// `Unknown`; in step `Observe` where its bundle cannot be read.
    pub async fn inspect(&self, name: &str) -> Result<ContainerDetail, RuntimeError> {
        let name = self.known(name)?;
        let known = self.inner.live.known(&name);
        let known = known.ok_or_else(|| RuntimeError::Unknown {
            container: name.to_string(),
            nearest: None,
        })?;
        let (places, owned) = (
            self.inner.executor.places.clone(),
            known.container.instance(),
        );
        let look = move || Ok((mounts(&places, &owned)?, ids::of(&places, &owned)?));
        let (mounts, range) = blocking(look)
            .await
            .map_err(RuntimeError::of(&name, Step::Observe))?;
        let why = self
            .last_desired()
            .why_hosts_user_namespace(&known.container);
        let unit = unit_name(&known.container.instance());
        let config = serde_json::to_value(&known.container.config);
        Ok(ContainerDetail {
            config: config.expect("plain data with string keys serialises"),
            command: process::arguments(&known.container).unwrap_or_default(),
            mounts,
            tty: known.container.config.process.tty,
            stdin: known.container.config.process.stdin,
            cgroup: unit_group(&unit).display().to_string(),
            unit,
            userns: match (range, why) {
                (Some(_), _) => String::new(),
                (None, Some(why)) => why,
                (None, None) => FROM_BEFORE.to_owned(),
            },
            host_ids: range.map(|range| range.to_string()),
            last_exit: known.status.exit.map(words),
            probes: known.probes,
            view: known.view,
        })
    }

    /// One sample of what these containers use, or all where none is named, in the order of their names.
    ///
    /// # Errors
    /// `Unknown`; in step `Observe`.
    pub async fn stats(&self, names: &[String]) -> Result<Vec<ContainerStats>, RuntimeError> {
        let mut known = names
            .iter()
            .map(|name| self.known(name))
            .collect::<Result<Vec<Name>, _>>()?;
        if known.is_empty() {
            known = self.inner.live.names();
        }
        known.sort();
        known.dedup();
        let known: Vec<Instance> = known
            .iter()
            .map(|name| self.inner.live.serving(name))
            .collect();
        let sample = move || {
            let at = clock::uptime().0 * MICROS_PER_MILLI;
            let sample = |instance: &Instance| {
                let group = group_of(&unit_name(instance));
                usage::stats(instance.container.as_str(), &group, at)
            };
            known.iter().map(sample).collect()
        };
        blocking(sample)
            .await
            .map_err(RuntimeError::all(Step::Observe))
    }

    /// The processes of a container, by their numbers.
    ///
    /// # Errors
    /// `Unknown`; in step `Observe`.
    pub async fn processes(&self, name: &str) -> Result<Vec<ProcessView>, RuntimeError> {
        let name = self.known(name)?;
        let group = group_of(&unit_name(&self.inner.live.serving(&name)));
        blocking(move || usage::processes(&group))
            .await
            .map_err(RuntimeError::of(&name, Step::Observe))
    }
}

fn words(exit: Exit) -> String {
    match exit {
        Exit::Status(status) => format!("exit status {status}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::OutOfMemory => "out of memory".to_owned(),
    }
}

/// What the OCI runtime was told to mount; nothing where there is no bundle.
fn mounts(places: &Places, instance: &Instance) -> Result<Vec<MountView>, StepError> {
    let path = places.spec(instance);
    let Some(text) = read_text(&path)? else {
        return Ok(Vec::new());
    };
    let spec: Spec =
        serde_json::from_str(&text).map_err(|source| StepError::Format { path, source })?;
    Ok(spec.mounts.into_iter().map(MountView::from).collect())
}

impl From<Mount> for MountView {
    fn from(mount: Mount) -> MountView {
        MountView {
            path: mount.destination,
            kind: mount.kind,
            source: mount.source,
            options: mount.options,
        }
    }
}
