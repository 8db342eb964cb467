//! The running machine: what plans do to it besides files.

use crate::booted::Boot;
use crate::chain::chain;
use crate::paths::Paths;
use crate::problems::{Problems, Topic};
use crate::runtime::{
    Desired, DesiredContainer, ImageRecord, ImageRun, Outcome, RootMounter, Runtime,
};
use crate::switch::Running;
use crate::systemd::Systemd;
use crate::{config, faults, next_root, records, render, sysctl};
use orlop_api::{Fault, FaultKind};
use orlop_config::{Api, Container, Digest, NodeConfig, Refresh, RootDigest, UpdateOrder};
use orlop_core::{ContainerImage, Generation, GenerationId};
use orlop_image::Store;
use std::collections::BTreeSet;
use std::error::Error;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// Label of an image's version (OCI image specification 1.1, annotations.md).
const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// This machine. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    paths: Paths,
    store: Store,
    runtime: Runtime,
    problems: Arc<Problems>,
    boot: Boot,
    api: watch::Sender<Api>,
}

/// Lets the runtime mount images from the store.
struct StoreMounter(Store);

impl RootMounter for StoreMounter {
    fn mount_with_upper(
        &self,
        root: &RootDigest,
        upper: &Path,
        work: &Path,
        ids: Option<BorrowedFd<'_>>,
        target: &Path,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.mount_with_upper(root, upper, work, ids, target)?)
    }
}

/// The port by which the runtime takes root file systems from `store`.
pub fn mounter(store: &Store) -> Arc<dyn RootMounter> {
    Arc::new(StoreMounter(store.clone()))
}

impl Live {
    /// The machine at `paths`.
    pub fn new(
        paths: Paths,
        store: Store,
        runtime: Runtime,
        problems: Arc<Problems>,
        boot: Boot,
    ) -> Self {
        let (api, _) = watch::channel(Api::default());
        Self {
            paths,
            store,
            runtime,
            problems,
            boot,
            api,
        }
    }

    /// The containers' runtime.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// `[api]` of the config in force, whenever it changes.
    pub fn api(&self) -> watch::Receiver<Api> {
        self.api.subscribe()
    }

    /// Puts a config in force: `/etc`, what depends on it, and the remote API.
    ///
    /// # Errors
    /// `Internal` where `/etc` cannot be written.
    pub async fn enforce(&self, config: &NodeConfig) -> Result<(), Fault> {
        self.enforce_and_tell(config, BTreeSet::new()).await
    }

    /// The same, where it is known that `refresh` has to be told: an agent that was killed between
    /// writing and telling finds no file that differs any more.
    async fn enforce_and_tell(
        &self,
        config: &NodeConfig,
        mut refresh: BTreeSet<Refresh>,
    ) -> Result<(), Fault> {
        let ours = self.paths.are_the_machines();
        let mut problems = match ours {
            true => sysctl::keep_and_give_back(&self.paths, config),
            false => Vec::new(),
        };
        let changed = render::into_etc(&self.paths, config)
            .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))?;
        refresh.extend(
            changed
                .iter()
                .filter_map(|path| orlop_config::refresh(path)),
        );
        // Also without a change: PID 1 reads the file before it is rendered.
        render::take_host_name(&self.paths, config);
        if ours {
            for (unit, telling) in refresh.into_iter().filter_map(Refresh::unit) {
                if let Err(error) = Systemd.tell(unit, telling).await {
                    problems.push(chain(&error));
                }
            }
            problems.extend(sysctl::differences(&self.paths, config));
        }
        let rules = orlop_config::firewall_rules(&config.firewall);
        // Also without a change: others may have removed them.
        if let Err(error) = self.runtime.set_firewall(rules).await {
            problems.push(format!(
                "cannot put the firewall in place: {}",
                chain(&error)
            ));
        }
        self.problems.set(Topic::Machine, problems);
        self.api.send_if_modified(|api| {
            let differs = *api != config.api;
            api.clone_from(&config.api);
            differs
        });
        Ok(())
    }

    fn refuse_in_a_directory(&self) -> Result<(), Fault> {
        if self.paths.are_the_machines() {
            return Ok(());
        }
        let message = "cannot restart the machine: this node is a directory of it";
        Err(Fault::new(FaultKind::Refused, message))
    }

    /// Brings the containers to those of `generation`. A container that cannot be had is told as a
    /// problem and is the gate's business; the others go on. True where all is as it shall be.
    ///
    /// # Errors
    /// Where nothing could be done to any container.
    pub async fn reconcile(&self, generation: &Generation) -> Result<bool, Fault> {
        let config = config::on_record(&self.paths, &generation.config)?;
        let mut problems = Vec::new();
        let mut desired = self.desired(generation, &config, &mut problems);
        let start_first = |one: &Container| one.lifecycle.update == UpdateOrder::StartFirst;
        if config.container.values().any(start_first) {
            desired.others = self.others(generation.id);
        }
        let outcomes = self.runtime.reconcile(&desired).await?;
        for (name, outcome) in &outcomes {
            match outcome {
                Outcome::Failed(error) => problems.push(error.chain()),
                Outcome::Kept => {}
                Outcome::Started
                | Outcome::Waiting
                | Outcome::Replaced
                | Outcome::Succeeding
                | Outcome::Stopped
                | Outcome::Removed => {
                    log::info!(container = name.as_str(); "container {name}: {outcome:?}");
                }
            }
        }
        let whole = problems.is_empty();
        self.problems.set(Topic::Containers, problems);
        Ok(whole)
    }

    /// The containers of every generation on record but one: by them it is known what runs. What cannot be
    /// read of them any more is replaced like what nobody knows.
    fn others(&self, but: GenerationId) -> Vec<Desired> {
        let mut unread = Vec::new();
        let generations = records::generations(&self.paths, &mut unread);
        let others = generations.values().filter(|other| other.id != but);
        let described = others.filter_map(|other| {
            let config = config::on_record(&self.paths, &other.config).ok()?;
            Some(self.desired(other, &config, &mut unread))
        });
        let described = described.collect();
        for problem in unread {
            log::debug!("ignoring of another generation: {problem}");
        }
        described
    }

    /// The containers of `generation` as its config describes them.
    fn desired(
        &self,
        generation: &Generation,
        config: &NodeConfig,
        problems: &mut Vec<String>,
    ) -> Desired {
        let mut containers = Vec::new();
        for (name, container) in &config.container {
            let Some(image) = generation.containers.get(name.as_str()) else {
                problems.push(format!(
                    "cannot start container {name}: generation {} has no image for it",
                    generation.id
                ));
                continue;
            };
            match self.image(image) {
                Ok(image) => {
                    containers.push(DesiredContainer::new(
                        name.clone(),
                        container.clone(),
                        image,
                    ));
                }
                Err(fault) => problems.push(format!("cannot start container {name}: {fault}")),
            }
        }
        Desired {
            generation: generation.id.0,
            containers,
            disabled: config
                .disabled
                .iter()
                .map(|(name, container)| (name.clone(), container.image.to_string()))
                .collect(),
            nets: config.net.clone(),
            volumes: config.volume.clone(),
            secrets: config.secret.clone(),
            others: Vec::new(),
        }
    }

    fn image(&self, image: &ContainerImage) -> Result<ImageRecord, Fault> {
        let record = self
            .store
            .record(&image.manifest)
            .map_err(|e| faults::of_store(&e))?;
        let record = record.ok_or_else(|| {
            let message = format!("the store does not have image {}", image.reference);
            Fault::new(FaultKind::NotFound, message)
        })?;
        let run = record.runtime;
        Ok(ImageRecord {
            // The same image may have been pulled by another name.
            reference: image.reference.clone(),
            manifest: image.manifest.clone(),
            root: image.root.clone(),
            run: ImageRun {
                entrypoint: run.entrypoint,
                cmd: run.cmd,
                env: run.env,
                user: run.user,
                working_dir: run.working_dir,
                stop_signal: run.stop_signal,
                version: run.labels.get(VERSION_LABEL).cloned(),
            },
        })
    }
}

impl Running for Live {
    async fn render_etc(&self, digest: &Digest, refresh: &BTreeSet<Refresh>) -> Result<(), Fault> {
        let config = config::on_record(&self.paths, digest)?;
        self.enforce_and_tell(&config, refresh.clone()).await
    }

    async fn replace_containers(
        &self,
        generation: GenerationId,
        stop: &[String],
        start: &[String],
    ) -> Result<(), Fault> {
        log::info!(stop = stop.len(), start = start.len(); "containers of generation {generation}");
        let mut problems = Vec::new();
        let generations = records::generations(&self.paths, &mut problems);
        let generation = generations.get(&generation).ok_or_else(|| {
            let message = format!("cannot find the record of generation {generation}");
            Fault::new(FaultKind::Internal, message)
        })?;
        // The runtime compares what runs with what shall run, so it stops and starts just those
        // that the plan names.
        self.reconcile(generation).await.map(drop)
    }

    async fn swap_root(&self, root: &RootDigest) -> Result<(), Fault> {
        self.refuse_in_a_directory()?;
        let internal = |message| Fault::new(FaultKind::Internal, message);
        let (paths, boot, root) = (self.paths.clone(), self.boot.clone(), root.clone());
        spawn_blocking(move || next_root::make_ready(&paths, &boot, &root))
            .await
            .map_err(|error| internal(format!("cannot make the next root: {error}")))?
            .map_err(|error| internal(chain(&error)))?;
        if let Err(error) = Systemd.soft_reboot().await {
            if let Err(left) = next_root::discard(&self.paths) {
                log::warn!("ignoring: {}", chain(&left));
            }
            return Err(internal(chain(&error)));
        }
        Ok(())
    }

    async fn reboot(&self) -> Result<(), Fault> {
        self.refuse_in_a_directory()?;
        Systemd
            .reboot()
            .await
            .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))
    }
}
