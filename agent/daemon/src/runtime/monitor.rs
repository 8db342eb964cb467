//! The tasks that keep the picture fresh: one that listens to systemd, one for each probe.

use super::containers::blocking;
use super::error::{RuntimeError, Step};
use super::execute::{Executor, oci_runtime};
use super::health::HealthMachine;
use super::instance::Instance;
use super::live::Live;
use super::logs;
use super::once;
use super::places::{instance_of_unit, unit_name};
use super::probe::probe;
use super::survive;
use super::systemd::{Exit, Job, Systemd, UnitStatus};
use super::wish::{self, Wish};
use crate::clock;
use futures_util::StreamExt;
use nix::sys::signal::Signal;
use orlop_api::HealthState;
use orlop_config::{Health, OciRuntime, Unhealthy};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The wait before systemd is asked again after its connection broke.
const RECONNECT_WAIT: Duration = Duration::from_secs(1);
/// Signals tell of every change; this is for those that were lost.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// An OCI runtime makes a container's control group some ten milliseconds after systemd has told of its
/// start, and says nothing when it has.
const SETTLE_EVERY: Duration = Duration::from_millis(100);

/// Asks systemd for the unit of `instance`. Says whether all that there is to it has been seen.
pub(super) async fn refresh(executor: &Executor, live: &Live, instance: &Instance) -> bool {
    match executor.systemd.status(&unit_name(instance)).await {
        Ok(mut status) => {
            look_for_lost_memory(live, instance, &mut status).await;
            // Whoever started it again, systemd or the agent: its groups are new.
            let settled = status.pid.is_none() || mark(instance);
            let noted = note_done(executor, live, instance, &status).await;
            live.set_status(instance, status);
            settled && noted
        }
        Err(error) => {
            let name = &instance.container;
            log::warn!(container = name.as_str(); "cannot ask for {instance}: {error}");
            true
        }
    }
}

/// systemd says that a container's first process was killed, but not why: so the journal is asked, once
/// for each such end.
async fn look_for_lost_memory(live: &Live, instance: &Instance, status: &mut UnitStatus) {
    if status.exit != Some(Exit::Signal(Signal::SIGKILL as i32)) {
        return;
    }
    if let Some(known) = live.known_end(instance, status) {
        status.exit = Some(known);
        return;
    }
    let name = &instance.container;
    match logs::ran_out_of_memory(instance, status.started.unwrap_or_default()).await {
        Ok(true) => {
            status.exit = Some(Exit::OutOfMemory);
            log::warn!(container = name.as_str(); "{name} was out of memory, and the kernel has killed it");
        }
        Ok(false) => {}
        Err(error) => {
            log::warn!(container = name.as_str(); "cannot ask why {name} was killed: {error}");
        }
    }
}

/// Puts on record that a task has run for good, before anybody is told of its end. Says whether that is done
/// where it has to be.
async fn note_done(
    executor: &Executor,
    live: &Live,
    instance: &Instance,
    status: &UnitStatus,
) -> bool {
    let Some(done) = live.newly_done(instance, status) else {
        return true;
    };
    let name = &instance.container;
    let (places, owned, noted) = (executor.places.clone(), name.clone(), done.clone());
    match blocking(move || once::note(&places, &owned, &noted)).await {
        Ok(()) => {
            log::info!(container = name.as_str(); "task {name} has run, and will not again on this node");
            live.set_done(name, done);
            true
        }
        Err(error) => {
            log::error!(container = name.as_str(); "task {name} may run again: {error}");
            false
        }
    }
}

fn mark(instance: &Instance) -> bool {
    survive::mark(&unit_name(instance)).unwrap_or_else(|error| {
        let name = instance.container.as_str();
        log::warn!(container = name; "{name} may not live through a live swap: {error}");
        true
    })
}

async fn refresh_all(executor: &Executor, live: &Live) -> bool {
    let mut settled = true;
    for instance in live.instances() {
        settled &= refresh(executor, live, &instance).await;
    }
    settled
}

fn first_wait(settled: bool) -> Duration {
    if settled { REFRESH_EVERY } else { SETTLE_EVERY }
}

/// Follows the units of all containers, for ever.
pub(super) async fn watch(executor: Executor, live: Arc<Live>) {
    loop {
        match Systemd::changed_units().await {
            Ok(changed) => {
                let mut changed = std::pin::pin!(changed);
                let mut wait = first_wait(refresh_all(&executor, &live).await);
                loop {
                    match tokio::time::timeout(wait, changed.next()).await {
                        Ok(Some(unit)) => {
                            if let Some(instance) = instance_of_unit(&unit) {
                                wait = wait
                                    .min(first_wait(refresh(&executor, &live, &instance).await));
                            }
                        }
                        Ok(None) => break,
                        Err(_) if refresh_all(&executor, &live).await => wait = REFRESH_EVERY,
                        // Where `spec_patch` names another group, there will never be one.
                        Err(_) => wait = (wait * 2).min(REFRESH_EVERY),
                    }
                }
                log::warn!("systemd's signals ended; listening again");
            }
            Err(error) => log::warn!("cannot listen to systemd, trying again: {error}"),
        }
        tokio::time::sleep(RECONNECT_WAIT).await;
    }
}

/// What a probe works with.
#[derive(Clone)]
pub(super) struct Prober {
    pub(super) live: Arc<Live>,
    pub(super) executor: Executor,
}

/// Probes `instance` as long as the task lives, and starts it again where its config says so. The start
/// period begins when the task first sees the container's process.
pub(super) fn spawn_probe(
    prober: Prober,
    instance: Instance,
    runtime: OciRuntime,
    health: Health,
    wake: Arc<Notify>,
) -> JoinHandle<()> {
    let Prober { live, executor } = prober;
    let state = executor.places.runtime_state(runtime);
    tokio::spawn(async move {
        let mut current: Option<(u32, HealthMachine)> = None;
        loop {
            let Some((pid, address)) = live.running(&instance) else {
                current = None;
                wake.notified().await;
                continue;
            };
            let mut machine = match current.take() {
                Some((before, machine)) if before == pid => machine,
                _ => HealthMachine::new(&health, Instant::now()),
            };
            let before = machine.state();
            let result = match oci_runtime(runtime) {
                Ok(program) => probe(&health, &instance, address, &program, &state).await,
                Err(error) => Err(error.to_string()),
            };
            machine.on(result, Instant::now());
            live.set_health(&instance, pid, machine.state(), machine.detail());
            let now_unhealthy =
                before != machine.state() && machine.state() == HealthState::Unhealthy;
            // One that is to take another's place never will now.
            let comes = live.coming(&instance).is_some();
            if now_unhealthy && !comes {
                match health.unhealthy {
                    Unhealthy::None => {}
                    Unhealthy::Restart => {
                        start_again(&executor.systemd, &instance, machine.detail()).await;
                    }
                    Unhealthy::Stop => halt(&executor, &live, &instance, machine.detail()).await,
                }
            }
            let wait = machine.wait();
            current = Some((pid, machine));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = wake.notified() => {}
            }
        }
    })
}

async fn start_again(systemd: &Systemd, instance: &Instance, why: &str) {
    let name = &instance.container;
    log::warn!(container = name.as_str(); "starting {name} again, which is unhealthy: {why}");
    if let Err(error) = systemd.run_job(&unit_name(instance), Job::Restart).await {
        log::error!(container = name.as_str(); "cannot start {name} again: {error}");
    }
}

/// Stops what is not well, as an operator would: it stays stopped while this generation runs.
async fn halt(executor: &Executor, live: &Live, instance: &Instance, why: &str) {
    let name = &instance.container;
    log::warn!(container = name.as_str(); "stopping {name}, which is unhealthy: {why}");
    let wish = Wish {
        by: format!("its probe, which failed: {why}"),
        at: clock::now().0,
        generation: live.generation(),
    };
    let (places, owned, wished) = (executor.places.clone(), name.clone(), wish.clone());
    let stopped = async {
        let made = blocking(move || wish::make(&places, &owned, &wished)).await;
        made.map_err(RuntimeError::of(name, Step::Stop))?;
        live.set_wish(name, wish);
        executor.halt(instance).await
    };
    if let Err(error) = stopped.await {
        log::error!(container = name.as_str(); "{}", error.chain());
    }
}
