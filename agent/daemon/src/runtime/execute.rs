//! Carries a plan out. Every step may be cut short and run again.

use super::audit::audit;
use super::bundle;
use super::carry;
use super::change::{Outcome, Outcomes};
use super::command::find;
use super::desired::{Desired, DesiredContainer, Network, SpecHash};
use super::error::{RuntimeError, Step, StepError};
use super::far_end;
use super::init_program;
use super::inside;
use super::instance::Instance;
use super::ipc;
use super::member::{Leased, Member, Role};
use super::net::{self, Addresses, Guard, Leases, Namespace, Request};
use super::places::{Places, timer_name, unit_name};
use super::plan::{Action, Layer, Plan, Successor};
use super::rising::{Rising, rising};
use super::root_mount::RootMounter;
use super::systemd::{Job, Systemd};
use super::{ids, timer, unit, user_ns};
use crate::chain::chain;
use crate::id_range::IdRange;
use futures_util::stream::{self, StreamExt};
use orlop_config::{Name, Net, OciRuntime};
use orlop_initrd::atomic_write::atomic_write;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where distributions put OCI runtimes.
const CRUN: [&str; 3] = ["/usr/bin/crun", "/usr/sbin/crun", "/usr/local/bin/crun"];
const RUNC: [&str; 3] = ["/usr/bin/runc", "/usr/sbin/runc", "/usr/local/bin/runc"];
/// So many containers are worked on at once: enough to overlap their waiting on small machines.
const AT_ONCE: usize = 4;
const UNIT_MODE: u32 = 0o644;

/// The program of an OCI runtime.
pub(super) fn oci_runtime(runtime: OciRuntime) -> Result<PathBuf, StepError> {
    match runtime {
        OciRuntime::Crun => find("crun", &CRUN),
        OciRuntime::Runc => find("runc", &RUNC),
    }
}

/// What the steps work with.
#[derive(Clone)]
pub(super) struct Executor {
    pub(super) places: Places,
    pub(super) mounter: Arc<dyn RootMounter>,
    pub(super) systemd: Systemd,
    pub(super) guard: Arc<Guard>,
}

impl Executor {
    /// Carries out `plan`: first what has to go, then what is to come. Addresses come from `leases`,
    /// which are saved before they are used.
    pub(super) async fn execute(
        &self,
        plan: &Plan,
        desired: &Desired,
        members: &[Member],
        leased: Leased,
    ) -> Outcomes {
        let mut outcomes = self.take_down(plan).await;
        self.halt_all(plan, &mut outcomes).await;
        self.remount(plan, desired, &mut outcomes).await;
        let given = leased
            .iter()
            .filter_map(|(of, leased)| Some((of.clone(), leased.as_ref().ok()?.clone())))
            .collect();
        let rising = rising(&self.places, plan, desired, leased, &mut outcomes);
        let mut ready = Vec::new();
        // Those whose user namespaces others are in come first.
        let (owners, others): (Vec<_>, Vec<_>) = rising
            .iter()
            .partition(|one| one.container.owns_user_namespace());
        let mut prepared = Vec::new();
        for some in [&owners, &others] {
            prepared.extend(all_of(some.iter().map(|one| self.prepare(one)).collect()).await);
        }
        for (rising, result) in owners.into_iter().chain(others).zip(prepared) {
            match result {
                Ok(()) if !rising.container.after().is_empty() => {
                    let name = rising.container.name.clone();
                    outcomes.insert(name, Outcome::Waiting);
                }
                Ok(()) => ready.push(rising),
                Err(error) => fail(&mut outcomes, &rising.container.name, error),
            }
        }
        self.limit_volumes(desired, &mut ready, &mut outcomes).await;
        if let Err(error) = self.settle(plan, members, &given).await {
            log::error!(
                "cannot make rules and names of the networks: {}",
                chain(&error)
            );
            for rising in ready.drain(..) {
                let name = &rising.container.name;
                let source = StepError::Unsettled(error.to_string());
                fail(
                    &mut outcomes,
                    name,
                    RuntimeError::of(name, Step::Connect)(source),
                );
            }
        }
        self.learn(&rising, &mut ready, &mut outcomes).await;
        self.start_all(ready, &mut outcomes).await;
        for (name, action) in &plan.actions {
            let outcome = match action {
                Action::Keep => Outcome::Kept,
                Action::Succeed(Successor::There) => Outcome::Succeeding,
                _ => continue,
            };
            outcomes.entry(name.clone()).or_insert(outcome);
        }
        self.remove_failed_successors(members, &outcomes).await;
        self.keep_schedules(desired, &mut outcomes).await;
        outcomes
    }

    async fn settle(
        &self,
        plan: &Plan,
        members: &[Member],
        given: &BTreeMap<Instance, Addresses>,
    ) -> Result<(), StepError> {
        self.note_serving(plan)?;
        self.guard.settle(members, given).await
    }

    /// Removes what was to take another's place and could not even be started.
    async fn remove_failed_successors(&self, members: &[Member], outcomes: &Outcomes) {
        for member in members.iter().filter(|member| member.role == Role::Comes) {
            let name = &member.container.name;
            if matches!(outcomes.get(name), Some(Outcome::Failed(_)))
                && let Err(error) = self.remove(&member.container.instance()).await
            {
                log::error!(container = name.as_str(); "{}", error.chain());
            }
        }
    }

    /// Starts the timers of tasks that were at work while a live swap took these away.
    async fn keep_schedules(&self, desired: &Desired, outcomes: &mut Outcomes) {
        let with_schedule = desired
            .containers
            .iter()
            .filter(|container| container.config.lifecycle.schedule.is_some());
        for container in with_schedule {
            let name = &container.name;
            if matches!(outcomes.get(name), Some(Outcome::Kept))
                && let Err(error) = self.start_timer(name).await
            {
                fail(outcomes, name, error);
            }
        }
    }

    async fn start_timer(&self, name: &Name) -> Result<(), RuntimeError> {
        let started = self.systemd.run_job(&timer_name(name), Job::Start).await;
        started.map_err(RuntimeError::of(name, Step::Start))
    }

    /// Mounts again the roots of running containers that have lost theirs, and keeps their network
    /// namespaces again.
    async fn remount(&self, plan: &Plan, desired: &Desired, outcomes: &mut Outcomes) {
        let is_carried = |name: &Name| plan.actions.get(name) == Some(&Action::Remount);
        let all = desired.containers.iter();
        let mut carried = Vec::new();
        for container in all.filter(|container| is_carried(&container.name)) {
            match self.process_of(container).await {
                Ok(pid) => carried.push((container, pid)),
                Err(error) => fail(outcomes, &container.name, error),
            }
        }
        // What is shared is kept by whoever runs in it, before it is made anew for those that do not. These
        // need the user namespaces that others have.
        carried.sort_by_key(|(container, pid)| (pid.is_none(), !container.owns_user_namespace()));
        for (container, pid) in carried {
            match self.carry_over(container, pid, desired).await {
                Ok(()) => drop(outcomes.insert(container.name.clone(), Outcome::Kept)),
                Err(error) => fail(outcomes, &container.name, error),
            }
        }
    }

    /// Its process, where it runs.
    async fn process_of(&self, container: &DesiredContainer) -> Result<Option<u32>, RuntimeError> {
        let status = self.systemd.status(&unit_name(&container.instance())).await;
        let status = status.map_err(RuntimeError::of(&container.name, Step::MountRoot))?;
        Ok(inside::process(container, &status, &self.places))
    }

    /// Copies the programs of the OS that runs now that `container` needs for its next start.
    async fn provide_programs(&self, container: &DesiredContainer) -> Result<(), RuntimeError> {
        let (places, owned) = (self.places.clone(), container.clone());
        let work = move || {
            let provide = || {
                if owned.config.process.init {
                    init_program::provide(&places)?;
                }
                far_end::provide(&owned, &places)
            };
            provide().map_err(RuntimeError::of(&owned.name, Step::MountRoot))
        };
        blocking(work, &container.name, Step::MountRoot).await
    }

    async fn carry_over(
        &self,
        container: &DesiredContainer,
        pid: Option<u32>,
        desired: &Desired,
    ) -> Result<(), RuntimeError> {
        let (name, instance) = (&container.name, container.instance());
        self.provide_programs(container).await?;
        let Some(pid) = pid else {
            // It waits for its next start.
            let hash = desired.hash(container);
            let range = ids::of(&self.places, &instance);
            let range = range.map_err(RuntimeError::of(name, Step::MountRoot))?;
            self.mount(container, &hash, Layer::Keep, range).await?;
            return self.keep_ids(container).await;
        };
        let (places, owned) = (self.places.clone(), container.clone());
        let work = move || {
            keep_all(&places, &owned, pid).map_err(RuntimeError::of(&owned.name, Step::MountRoot))
        };
        blocking(work, name, Step::MountRoot).await
    }

    async fn mount(
        &self,
        container: &DesiredContainer,
        hash: &SpecHash,
        layer: Layer,
        range: Option<IdRange>,
    ) -> Result<(), RuntimeError> {
        let (places, mounter) = (self.places.clone(), Arc::clone(&self.mounter));
        let (owned, hash) = (container.clone(), hash.clone());
        let work = move || bundle::mount_root(&places, &*mounter, &owned, &hash, layer, range);
        blocking(work, &container.name, Step::MountRoot).await
    }

    /// Makes the user namespace that it would have with a network, where it has none, and what it shares with
    /// others.
    async fn keep_ids(&self, container: &DesiredContainer) -> Result<(), RuntimeError> {
        let (places, owned) = (self.places.clone(), container.clone());
        let work = move || {
            let make = || {
                if owned.owns_user_namespace() {
                    user_ns::ensure(&places, &owned.instance())?;
                }
                if owned.lends_ipc() {
                    ipc::ensure(&places, &owned)?;
                }
                Ok(())
            };
            make().map_err(RuntimeError::of(&owned.name, Step::Connect))
        };
        blocking(work, &container.name, Step::Connect).await
    }

    /// Everything up to the unit file, which is written last: a unit file stands for the whole.
    async fn prepare(&self, rising: &Rising<'_>) -> Result<(), RuntimeError> {
        let container = rising.container;
        let (name, instance) = (&container.name, container.instance());
        let (layer, range) = (rising.layer, rising.range);
        self.mount(container, &rising.layer_hash, layer, range)
            .await?;
        let (places, owned) = (self.places.clone(), container.clone());
        let (addresses, secrets) = (rising.addresses.clone(), rising.secrets.clone());
        let work = move || bundle::write_bundle(&places, &owned, &addresses, &secrets);
        blocking(work, name, Step::WriteBundle).await?;
        audit(container);
        let connected = if container.network() == Network::Joined {
            let request = Request::new(container, &rising.addresses);
            net::connect(&self.places, container, &request).await
        } else {
            net::disconnect(&self.places, &instance).await
        };
        connected.map_err(RuntimeError::of(name, Step::Connect))?;
        self.keep_ids(container).await?;
        self.write_unit(container, &rising.hash)
            .map_err(RuntimeError::of(name, Step::WriteUnit))
    }

    fn write_unit(&self, container: &DesiredContainer, hash: &SpecHash) -> Result<(), StepError> {
        let places = &self.places;
        let program = oci_runtime(container.config.runtime)?;
        let text = unit::container_unit(container, hash, places, &program);
        std::fs::create_dir_all(&places.units).map_err(StepError::file("create", &places.units))?;
        write_unit_file(&places.slice_file(), &unit::slice_unit())?;
        if let Some(schedule) = &container.config.lifecycle.schedule {
            let text = timer::timer_unit(&container.name, schedule);
            write_unit_file(&places.timer_file(&container.name), &text)?;
        }
        write_unit_file(&places.unit_file(&container.instance()), &text)
    }

    async fn start_all(&self, ready: Vec<&Rising<'_>>, outcomes: &mut Outcomes) {
        let starting = ready.iter().map(|rising| self.set_off(rising)).collect();
        for (rising, result) in ready.into_iter().zip(all_of(starting).await) {
            let name = &rising.container.name;
            match result {
                Ok(()) => {
                    let instance = rising.container.instance();
                    log::info!(container = name.as_str(); "started container {instance}");
                    let outcome = match rising.action {
                        Action::Replace => Outcome::Replaced,
                        Action::Succeed(_) => Outcome::Succeeding,
                        _ => Outcome::Started,
                    };
                    outcomes.insert(name.clone(), outcome);
                }
                Err(error) => fail(outcomes, name, error),
            }
        }
    }

    /// Starts the container, or the timer that will.
    async fn set_off(&self, rising: &Rising<'_>) -> Result<(), RuntimeError> {
        let name = &rising.container.name;
        if rising.container.config.lifecycle.schedule.is_none() {
            return self.start(&rising.container.instance()).await;
        }
        self.start_timer(name).await
    }

    /// Lets systemd know the units of all that are set up, also of those that are started later.
    async fn learn(
        &self,
        rising: &[Rising<'_>],
        ready: &mut Vec<&Rising<'_>>,
        outcomes: &mut Outcomes,
    ) {
        let is_set_up = |rising: &&Rising<'_>| {
            !matches!(
                outcomes.get(&rising.container.name),
                Some(Outcome::Failed(_))
            )
        };
        let set_up: Vec<Instance> = rising
            .iter()
            .filter(is_set_up)
            .map(|rising| rising.container.instance())
            .collect();
        let units = set_up
            .iter()
            .flat_map(|instance| [unit_name(instance), timer_name(&instance.container)]);
        let units: Vec<String> = units
            .filter(|unit| self.places.units.join(unit).exists())
            .collect();
        let Err(error) = self.systemd.learn(&units).await else {
            return;
        };
        ready.clear();
        let result = error.to_string();
        for instance in &set_up {
            let (name, unit) = (&instance.container, unit_name(instance));
            let result = result.clone();
            let error = RuntimeError::of(name, Step::Reload)(StepError::Job { unit, result });
            fail(outcomes, name, error);
        }
    }

    /// Starts the unit of `instance`, which is set up and which systemd has read.
    pub(super) async fn start(&self, instance: &Instance) -> Result<(), RuntimeError> {
        let unit = unit_name(instance);
        let start = async {
            self.systemd.reset_failed(&unit).await?;
            self.delete_leftovers(instance).await?;
            self.systemd.run_job(&unit, Job::Start).await
        };
        start
            .await
            .map_err(RuntimeError::of(&instance.container, Step::Start))
    }
}

/// Mounts the root of `container` again, whose process is `pid`, and keeps its namespaces again, those too that
/// are another's.
fn keep_all(places: &Places, container: &DesiredContainer, pid: u32) -> Result<(), StepError> {
    let instance = container.instance();
    carry::mount_root_of(pid, &container.image.root, &places.rootfs(&instance))?;
    let netns = places.netns_file(&container.address_holder());
    net::keep_namespace(Namespace::Net, &netns, pid)?;
    if ids::of(places, &instance)?.is_some() {
        let userns = places.userns_file(&container.user_namespace());
        net::keep_namespace(Namespace::User, &userns, pid)?;
    }
    ipc::keep_again(places, container, pid)
}

/// Runs all of `work`, some at once; the results are in its order.
pub(super) async fn all_of<T>(work: Vec<impl Future<Output = T>>) -> Vec<T> {
    stream::iter(work).buffered(AT_ONCE).collect().await
}

pub(super) fn fail(outcomes: &mut Outcomes, name: &Name, error: RuntimeError) {
    log::error!(container = name.as_str(); "{}", error.chain());
    outcomes.insert(name.clone(), Outcome::Failed(error));
}

/// Gives addresses, and keeps them on disk.
pub(super) fn lease(
    places: &Places,
    containers: &[DesiredContainer],
    nets: &BTreeMap<Name, Net>,
) -> Result<Leased, StepError> {
    let path = places.leases();
    let before = Leases::load(&path)?;
    let mut leases = before.clone();
    let assigned = leases.assign(containers, nets);
    if leases != before {
        std::fs::create_dir_all(&places.records)
            .map_err(StepError::file("create", &places.records))?;
        leases.save(&path)?;
    }
    Ok(assigned)
}

/// A file that is so already stays, so that systemd need not read it again.
fn write_unit_file(path: &Path, text: &str) -> Result<(), StepError> {
    if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    atomic_write(path, text.as_bytes(), UNIT_MODE).map_err(StepError::file("write", path))
}

/// Runs `work` where it may block.
pub(super) async fn blocking(
    work: impl FnOnce() -> Result<(), RuntimeError> + Send + 'static,
    name: &Name,
    step: Step,
) -> Result<(), RuntimeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(RuntimeError::of(name, step)(StepError::Worker(error))),
    }
}
