//! Judging a generation: asks the checks each second, feeds orlop-core's evaluator, ends with its
//! verdict.

pub mod probe;
mod reached;

pub use reached::Reached;

use crate::clock;
use crate::host::EventBus;
use crate::runtime::Runtime;
use futures_util::StreamExt as _;
use futures_util::future;
use futures_util::stream::{self, BoxStream, SelectAll};
use orlop_api::{CheckView, ContainerState, ContainerView, EventKind, GateView, HealthState};
use orlop_config::{Check, Name};
use orlop_core::{CheckResult, Gate, GateVerdict, Trigger, Uptime, VERDICT_LOG_LINES};
use probe::{PROBE_TIMEOUT, Seen};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// Time between two looks at each check.
const EVERY: Duration = Duration::from_secs(1);

/// How a gate ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateEnd {
    /// Everything held.
    Passed,
    /// A deadline came first.
    Failed {
        /// The check to blame, or that nobody confirmed.
        trigger: Trigger,
        /// The last log lines of the container that failed, if it is one.
        log: Vec<String>,
    },
}

/// What a gate asks.
#[derive(Clone)]
pub struct Asked {
    /// Containers and units.
    pub runtime: Runtime,
    /// Who has reached the API.
    pub reached: Arc<Reached>,
    /// Since when somebody must have: when the gate began.
    pub since: Uptime,
    /// Who has confirmed the trial.
    pub confirmed: watch::Receiver<Option<String>>,
    /// How long there is for that.
    pub within: Duration,
}

/// Results of the checks that take time, as they come, each about once a second.
type Answers = SelectAll<BoxStream<'static, (String, Seen)>>;

/// Asks until the gate has decided. `view` always holds where it stands. Dropped, it stops asking.
pub async fn judge(
    mut gate: Gate,
    asked: Asked,
    events: &EventBus,
    view: &watch::Sender<Option<GateView>>,
) -> GateEnd {
    let mut answers = ask_what_takes_time(&gate, &asked);
    let mut confirmed = asked.confirmed.clone();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => ask_at_once(&mut gate, &asked).await,
            Some((name, seen)) = answers.next() => note(&mut gate, &name, &seen),
            Ok(()) = confirmed.changed() => {}
        }
        if let Some(by) = &*confirmed.borrow_and_update() {
            gate.confirm(by);
        }
        let now = clock::uptime();
        let verdict = gate.tick(now);
        let stands = gate.view(now);
        tell_changes(&stands.checks, &told, events);
        told.clone_from(&stands.checks);
        view.send_replace(Some(stands));
        match verdict {
            GateVerdict::Pending { .. } => {}
            GateVerdict::Passed => return GateEnd::Passed,
            GateVerdict::Failed { check, detail } => {
                let log = last_lines(&gate, &check, &asked.runtime).await;
                let trigger = Trigger::Check { check, detail };
                return GateEnd::Failed { trigger, log };
            }
            GateVerdict::Unconfirmed => {
                let within_secs = asked.within.as_secs();
                let trigger = Trigger::Unconfirmed { within_secs };
                let log = Vec::new();
                return GateEnd::Failed { trigger, log };
            }
        }
    }
}

fn note(gate: &mut Gate, check: &str, seen: &Seen) {
    let result = if seen.pass {
        CheckResult::Pass
    } else {
        CheckResult::Fail
    };
    if let Err(error) = gate.on_result(check, result, &seen.detail, clock::uptime()) {
        log::error!("{error}");
    }
}

/// Tells of every check that differs from what was told, which at first is none.
fn tell_changes(checks: &[CheckView], told: &[CheckView], events: &EventBus) {
    for (index, check) in checks.iter().enumerate() {
        if told.get(index) != Some(check) && !(told.is_empty() && check.pass.is_none()) {
            log::info!(check = check.name.as_str(), pass:? = check.pass; "{}", check.detail);
            let check = check.clone();
            events.send(EventKind::Check { check });
        }
    }
}

/// Checks that are answered at once: by what the agent knows already.
fn is_known(check: &Check) -> bool {
    match check {
        Check::Container(_) | Check::Api => true,
        Check::Http { .. } | Check::Tcp(_) | Check::Exec { .. } | Check::Unit(_) => false,
    }
}

fn ask_what_takes_time(gate: &Gate, asked: &Asked) -> Answers {
    let slow = gate.checks().iter().filter(|known| !is_known(&known.check));
    stream::select_all(slow.map(|known| {
        let (name, check) = (known.name.clone(), known.check.clone());
        repeat(name, check, asked.runtime.clone())
    }))
}

/// The answers to one check, a second after each other or as late as they come.
fn repeat(name: String, check: Check, runtime: Runtime) -> BoxStream<'static, (String, Seen)> {
    let ask = move |due: Instant| {
        let (name, check, runtime) = (name.clone(), check.clone(), runtime.clone());
        async move {
            sleep_until(due).await;
            let due = Instant::now() + EVERY;
            let seen = match &check {
                Check::Http { url, status } => probe::http(url, *status).await,
                Check::Tcp(address) => probe::tcp(address).await,
                Check::Exec { container, command } => exec(&runtime, container, command).await,
                Check::Unit(unit) => ask_unit(&runtime, unit).await,
                Check::Container(_) | Check::Api => return None,
            };
            Some(((name, seen), due))
        }
    };
    stream::unfold(Instant::now(), ask).boxed()
}

async fn exec(runtime: &Runtime, container: &Name, command: &[String]) -> Seen {
    match runtime.exec(container, command, PROBE_TIMEOUT).await {
        Ok(()) => Seen::pass("exit status: 0"),
        Err(why) => Seen::fail(why),
    }
}

async fn ask_unit(runtime: &Runtime, unit: &str) -> Seen {
    match timeout(PROBE_TIMEOUT, runtime.unit(unit)).await {
        Ok(Ok((pass, detail))) => Seen { pass, detail },
        Ok(Err(why)) => Seen::fail(why),
        Err(_) => Seen::fail(format!("no answer within {PROBE_TIMEOUT:?}")),
    }
}

async fn ask_at_once(gate: &mut Gate, asked: &Asked) {
    let known: Vec<(String, Check)> = gate
        .checks()
        .iter()
        .filter(|known| is_known(&known.check))
        .map(|known| (known.name.clone(), known.check.clone()))
        .collect();
    if known.is_empty() {
        return;
    }
    let views = asked.runtime.views().await;
    for (name, check) in known {
        let seen = match check {
            Check::Container(container) => {
                see(views.iter().find(|view| view.name == container.as_str()))
            }
            _ => asked.reached.since(asked.since),
        };
        note(gate, &name, &seen);
    }
}

/// A container passes when its own probe says so, or, without a probe, when it runs; a task when it
/// has ended well or waits for its next time.
fn see(view: Option<&ContainerView>) -> Seen {
    let Some(view) = view else {
        return Seen {
            pass: false,
            detail: "not there".to_owned(),
        };
    };
    let pass = match (view.state, view.health) {
        (ContainerState::Running, HealthState::Healthy | HealthState::None)
        | (ContainerState::Completed | ContainerState::Scheduled, _) => true,
        (
            ContainerState::Running
            | ContainerState::Preparing
            | ContainerState::Waiting
            | ContainerState::Starting
            | ContainerState::Restarting
            | ContainerState::Stopped
            | ContainerState::Exited
            | ContainerState::Failed
            | ContainerState::Disabled,
            _,
        ) => false,
    };
    let words = words(view.state, view.health);
    let detail = match view.detail.is_empty() || pass {
        true => words,
        false => format!("{words}: {}", view.detail),
    };
    Seen { pass, detail }
}

/// `running healthy`: state and health, as events and gate checks say it.
pub fn words(state: ContainerState, health: HealthState) -> String {
    let state = state.as_str();
    match health {
        HealthState::None => state.to_owned(),
        HealthState::Starting => format!("{state}, no result of its probe yet"),
        HealthState::Healthy => format!("{state}, healthy"),
        HealthState::Unhealthy => format!("{state}, unhealthy"),
    }
}

/// The last log lines of what is to blame: of the container that `check` names, else of every
/// container's the newest.
async fn last_lines(gate: &Gate, check: &str, runtime: &Runtime) -> Vec<String> {
    let blamed = gate
        .checks()
        .iter()
        .find(|known| known.name == check)
        .map(|known| &known.check);
    let names: Vec<Name> = match blamed {
        Some(
            Check::Container(name)
            | Check::Exec {
                container: name, ..
            },
        ) => vec![name.clone()],
        _ => runtime
            .views()
            .await
            .iter()
            .filter_map(|view| Name::new(&view.name))
            .collect(),
    };
    let each = VERDICT_LOG_LINES / names.len().max(1);
    let several = names.len() > 1;
    let read = names
        .iter()
        .map(|name| runtime.last_lines(name, each.max(1) as u32));
    let mut lines = Vec::new();
    for (name, read) in names.iter().zip(future::join_all(read).await) {
        match read {
            Ok(read) if several => {
                lines.extend(read.into_iter().map(|line| format!("{name}: {line}")));
            }
            Ok(read) => lines.extend(read),
            Err(error) => log::warn!("ignoring for the verdict: {}", error.chain()),
        }
    }
    lines.truncate(VERDICT_LOG_LINES);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_api::ImageView;

    fn view(state: ContainerState, health: HealthState, detail: &str) -> ContainerView {
        ContainerView {
            name: "web".into(),
            state,
            health,
            detail: detail.into(),
            image: ImageView {
                reference: String::new(),
                manifest: String::new(),
                root: String::new(),
                version: None,
            },
            pid: None,
            restarts: 0,
            addresses: Vec::new(),
            ports: Vec::new(),
            started: None,
            labels: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn a_container_passes_when_it_runs_and_its_probe_does_not_object() {
        use ContainerState::{Restarting, Running};
        use HealthState::{Healthy, None, Starting, Unhealthy};
        for (state, health, detail, pass, words) in [
            (Running, None, "", true, "running"),
            (Running, Healthy, "status 200", true, "running, healthy"),
            (
                Running,
                Starting,
                "",
                false,
                "running, no result of its probe yet",
            ),
            (
                Running,
                Unhealthy,
                "status 500",
                false,
                "running, unhealthy: status 500",
            ),
            (
                Restarting,
                None,
                "exit status 1",
                false,
                "restarting: exit status 1",
            ),
        ] {
            let seen = see(Some(&view(state, health, detail)));
            assert_eq!(
                seen,
                Seen {
                    pass,
                    detail: words.to_owned()
                }
            );
        }
        assert!(!see(Option::None).pass);
    }
}
