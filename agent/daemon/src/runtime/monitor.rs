//! The tasks that keep the picture fresh: one that listens to systemd, one for each probe.

use super::execute::oci_runtime;
use super::health::HealthMachine;
use super::live::Live;
use super::logs;
use super::places::{Places, name_of_unit, unit_name};
use super::probe::probe;
use super::survive;
use super::systemd::{Exit, Job, Systemd, UnitStatus};
use futures_util::StreamExt;
use nix::sys::signal::Signal;
use orlop_api::HealthState;
use orlop_config::{Health, Name, OciRuntime, Unhealthy};
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

/// Asks systemd for the unit of `name`. Says whether all that there is to it has been seen.
pub(super) async fn refresh(systemd: &Systemd, live: &Live, name: &Name) -> bool {
    match systemd.status(&unit_name(name)).await {
        Ok(mut status) => {
            look_for_lost_memory(live, name, &mut status).await;
            // Whoever started it again, systemd or the agent: its groups are new.
            let settled = status.pid.is_none() || mark(name);
            live.set_status(name, status);
            settled
        }
        Err(error) => {
            log::warn!(container = name.as_str(); "cannot ask for {name}: {error}");
            true
        }
    }
}

/// systemd says that a container's first process was killed, but not why: so the journal is asked, once
/// for each such end.
async fn look_for_lost_memory(live: &Live, name: &Name, status: &mut UnitStatus) {
    if status.exit != Some(Exit::Signal(Signal::SIGKILL as i32)) {
        return;
    }
    if let Some(known) = live.known_end(name, status) {
        status.exit = Some(known);
        return;
    }
    match logs::ran_out_of_memory(name, status.started.unwrap_or_default()).await {
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

fn mark(name: &Name) -> bool {
    survive::mark(&unit_name(name)).unwrap_or_else(|error| {
        let name = name.as_str();
        log::warn!(container = name; "{name} may not live through a live swap: {error}");
        true
    })
}

async fn refresh_all(systemd: &Systemd, live: &Live) -> bool {
    let mut settled = true;
    for name in live.names() {
        settled &= refresh(systemd, live, &name).await;
    }
    settled
}

fn first_wait(settled: bool) -> Duration {
    if settled { REFRESH_EVERY } else { SETTLE_EVERY }
}

/// Follows the units of all containers, for ever.
pub(super) async fn watch(systemd: Systemd, live: Arc<Live>) {
    loop {
        match Systemd::changed_units().await {
            Ok(changed) => {
                let mut changed = std::pin::pin!(changed);
                let mut wait = first_wait(refresh_all(&systemd, &live).await);
                loop {
                    match tokio::time::timeout(wait, changed.next()).await {
                        Ok(Some(unit)) => {
                            if let Some(name) = name_of_unit(&unit) {
                                wait = wait.min(first_wait(refresh(&systemd, &live, &name).await));
                            }
                        }
                        Ok(None) => break,
                        Err(_) if refresh_all(&systemd, &live).await => wait = REFRESH_EVERY,
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
    pub(super) systemd: Systemd,
    pub(super) places: Places,
}

/// Probes `name` as long as the task lives, and starts it again where its config says so. The start
/// period begins when the task first sees the container's process.
pub(super) fn spawn_probe(
    prober: Prober,
    name: Name,
    runtime: OciRuntime,
    health: Health,
    wake: Arc<Notify>,
) -> JoinHandle<()> {
    let Prober {
        live,
        systemd,
        places,
    } = prober;
    let state = places.runtime_state(runtime);
    tokio::spawn(async move {
        let mut current: Option<(u32, HealthMachine)> = None;
        loop {
            let Some((pid, address)) = live.running(&name) else {
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
                Ok(program) => probe(&health, &name, address, &program, &state).await,
                Err(error) => Err(error.to_string()),
            };
            machine.on(result, Instant::now());
            live.set_health(&name, pid, machine.state(), machine.detail());
            let now_unhealthy =
                before != machine.state() && machine.state() == HealthState::Unhealthy;
            if now_unhealthy && health.unhealthy == Unhealthy::Restart {
                start_again(&systemd, &name, machine.detail()).await;
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

async fn start_again(systemd: &Systemd, name: &Name, why: &str) {
    log::warn!(container = name.as_str(); "starting {name} again, which is unhealthy: {why}");
    if let Err(error) = systemd.run_job(&unit_name(name), Job::Restart).await {
        log::error!(container = name.as_str(); "cannot start {name} again: {error}");
    }
}
