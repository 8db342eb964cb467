//! Judging a generation: asks the checks each second, feeds orlop-core's evaluator, ends with its
//! verdict.

pub mod probe;

use crate::clock;
use crate::host::EventBus;
use crate::runtime::Runtime;
use futures_util::StreamExt as _;
use futures_util::future;
use futures_util::stream::{self, BoxStream, SelectAll};
use orlop_api::{CheckView, ContainerState, ContainerView, EventKind, GateView, HealthState};
use orlop_config::{Check, Name};
use orlop_core::{CheckResult, Gate, GateVerdict, VERDICT_LOG_LINES};
use probe::Seen;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Time between two looks at each check.
const EVERY: Duration = Duration::from_secs(1);

/// How a gate ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateEnd {
    /// Everything held.
    Passed,
    /// The deadline came first.
    Failed {
        /// The check to blame.
        check: String,
        /// Its last result.
        detail: String,
        /// The last log lines of the container that failed, if it is one.
        log: Vec<String>,
    },
}

/// Results of the checks that ask the network, as they come, each about once a second.
type Answers = SelectAll<BoxStream<'static, (String, Seen)>>;

/// Asks until the gate has decided. `view` always holds where it stands. Dropped, it stops asking.
pub async fn judge(
    mut gate: Gate,
    runtime: Runtime,
    events: &EventBus,
    view: &watch::Sender<Option<GateView>>,
) -> GateEnd {
    let mut answers = ask_the_network(&gate);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let answer = tokio::select! {
            _ = ticks.tick() => None,
            Some(answer) = answers.next() => Some(answer),
        };
        let before: Vec<CheckView> = gate.checks().iter().map(|check| check.view()).collect();
        match answer {
            Some((name, seen)) => note(&mut gate, &name, &seen),
            None => ask_containers(&mut gate, &runtime).await,
        }
        let now = clock::uptime();
        let verdict = gate.tick(now);
        view.send_replace(Some(gate.view(now)));
        tell_changes(&gate, &before, events);
        match verdict {
            GateVerdict::Pending { .. } => {}
            GateVerdict::Passed => return GateEnd::Passed,
            GateVerdict::Failed { check, detail } => {
                let log = last_lines(&gate, &check, &runtime).await;
                return GateEnd::Failed { check, detail, log };
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

fn tell_changes(gate: &Gate, before: &[CheckView], events: &EventBus) {
    for (check, before) in gate.checks().iter().zip(before) {
        let check = check.view();
        if check.pass != before.pass || check.detail != before.detail {
            log::info!(check = check.name.as_str(), pass:? = check.pass; "{}", check.detail);
            events.send(EventKind::Check { check });
        }
    }
}

fn ask_the_network(gate: &Gate) -> Answers {
    let asked = gate.checks().iter().filter_map(|check| match &check.check {
        Check::Container(_) => None,
        network => Some(repeat(check.name.clone(), network.clone())),
    });
    stream::select_all(asked)
}

/// The answers to one check, a second after each other or as late as they come.
fn repeat(name: String, check: Check) -> BoxStream<'static, (String, Seen)> {
    let ask = move |due: Instant| {
        let (name, check) = (name.clone(), check.clone());
        async move {
            sleep_until(due).await;
            let due = Instant::now() + EVERY;
            let seen = match &check {
                Check::Http { url, status } => probe::http(url, *status).await,
                Check::Tcp(address) => probe::tcp(address).await,
                Check::Container(_) => return None,
            };
            Some(((name, seen), due))
        }
    };
    stream::unfold(Instant::now(), ask).boxed()
}

async fn ask_containers(gate: &mut Gate, runtime: &Runtime) {
    let asked: Vec<(String, Name)> = gate
        .checks()
        .iter()
        .filter_map(|check| match &check.check {
            Check::Container(name) => Some((check.name.clone(), name.clone())),
            Check::Http { .. } | Check::Tcp(_) => None,
        })
        .collect();
    if asked.is_empty() {
        return;
    }
    let views = runtime.views().await;
    for (check, name) in asked {
        let seen = see(views.iter().find(|view| view.name == name.as_str()));
        note(gate, &check, &seen);
    }
}

/// A container passes when its own probe says so, or, without a probe, when it runs.
fn see(view: Option<&ContainerView>) -> Seen {
    let Some(view) = view else {
        return Seen {
            pass: false,
            detail: "not there".to_owned(),
        };
    };
    let pass = match (view.state, view.health) {
        (ContainerState::Running, HealthState::Healthy | HealthState::None) => true,
        (
            ContainerState::Running
            | ContainerState::Preparing
            | ContainerState::Starting
            | ContainerState::Restarting
            | ContainerState::Exited
            | ContainerState::Failed,
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
        Some(Check::Container(name)) => vec![name.clone()],
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
