//! Lets an instance of a container take the place of another: while it comes up, the one before it serves.

use super::absent::remove_file;
use super::containers::blocking;
use super::desired::DesiredContainer;
use super::error::{RuntimeError, Step, StepError};
use super::execute::Executor;
use super::instance::{Instance, Slot};
use super::live::{Coming, Live};
use super::places::Places;
use super::plan::{Action, Plan};
use orlop_api::{ContainerState, HealthState};
use orlop_config::{Health, Name};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// One without a probe is well when it has run for so long.
const STEADY: Duration = Duration::from_secs(3);
/// Connections that were on their way to the old instance when names and ports moved are taken by it within
/// this. A handshake that loses its first packet is repeated after a second (RFC 6298).
const ON_THEIR_WAY: Duration = Duration::from_secs(2);
/// What there is for a start beside the time that a probe may take: as a unit has.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What is to be thought of an instance that comes up.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Wait for the next look, or for so long.
    Wait(Option<Duration>),
    /// It may take the other's place.
    Well,
    /// It never will: why.
    Unwell(String),
}

/// Judges an instance, which has run since `ran_for` ago if it runs.
fn judge(coming: &Coming, ran_for: Duration) -> Verdict {
    let unwell = || Verdict::Unwell(coming.detail.clone());
    match (coming.state, coming.health) {
        _ if coming.restarts > 0 => {
            Verdict::Unwell(format!("it has ended once already; {}", coming.detail))
        }
        (ContainerState::Running, HealthState::Healthy) => Verdict::Well,
        (ContainerState::Running, HealthState::Unhealthy) => {
            Verdict::Unwell(format!("it is unhealthy; {}", coming.detail))
        }
        (ContainerState::Running, HealthState::Starting) => Verdict::Wait(None),
        (ContainerState::Running, HealthState::None) => match STEADY.saturating_sub(ran_for) {
            Duration::ZERO => Verdict::Well,
            rest => Verdict::Wait(Some(rest)),
        },
        (ContainerState::Preparing | ContainerState::Waiting | ContainerState::Starting, _) => {
            Verdict::Wait(None)
        }
        (
            ContainerState::Restarting
            | ContainerState::Completed
            | ContainerState::Scheduled
            | ContainerState::Stopped
            | ContainerState::Exited
            | ContainerState::Failed
            | ContainerState::Disabled,
            _,
        ) => unwell(),
    }
}

/// How long an instance that has been started may take until its probe has decided.
fn longest(health: Option<&Health>) -> Duration {
    let probe = health.map_or(STEADY, |health| {
        health.start + (health.every + health.timeout) * health.retries.saturating_add(1)
    });
    START_LIMIT + probe
}

/// An instance that comes up beside another.
pub(super) struct Succession {
    pub(super) executor: Executor,
    pub(super) live: Arc<Live>,
    /// Held by whoever changes containers. Whoever holds it may end this.
    pub(super) turn: Arc<Mutex<()>>,
    pub(super) container: DesiredContainer,
}

impl Succession {
    /// Waits until the instance is well, and lets it take the other's place; or removes it.
    pub(super) async fn see_through(self) {
        let Self {
            executor,
            live,
            turn,
            container,
        } = self;
        let (name, instance) = (container.name.clone(), container.instance());
        let limit = longest(container.config.health.as_ref());
        let why = match tokio::time::timeout(limit, well(&live, &instance)).await {
            Ok(Ok(())) => {
                let _turn = turn.lock().await;
                match executor.hand_over(&live, &instance).await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Ok(Err(None)) => return,
            Ok(Err(Some(why))) => unwell(&name, why),
            Err(_) => unwell(&name, format!("it has not come up within {limit:?}")),
        };
        log::error!(container = name.as_str(); "{}", why.chain());
        let _turn = turn.lock().await;
        live.give_up(&instance, why.chain());
        if let Err(error) = executor.remove(&instance).await {
            log::error!(container = name.as_str(); "{}", error.chain());
        }
    }
}

fn unwell(name: &Name, why: String) -> RuntimeError {
    RuntimeError::of(name, Step::Succeed)(StepError::Unwell(why))
}

/// Returns when `instance` is well. Fails with the reason why it is not, or with none where there is
/// nothing to wait for any more.
async fn well(live: &Live, instance: &Instance) -> Result<(), Option<String>> {
    let mut looks = live.looks();
    let mut running_since = None;
    loop {
        let coming = live.coming(instance).ok_or(None)?;
        if coming.state == ContainerState::Running {
            running_since.get_or_insert_with(Instant::now);
        }
        let ran_for = running_since.map_or(Duration::ZERO, |since| since.elapsed());
        match judge(&coming, ran_for) {
            Verdict::Well => return Ok(()),
            Verdict::Unwell(why) => return Err(Some(why)),
            Verdict::Wait(None) => looks.changed().await.map_err(|_| None)?,
            // Either way there is something to look at.
            Verdict::Wait(Some(time)) => drop(tokio::time::timeout(time, looks.changed()).await),
        }
    }
}

impl Executor {
    /// Lets `instance`, which is well, take the place of its sibling, and removes that. Once names and
    /// ports lead to `instance` this is done, whatever becomes of the other: the next reconciliation
    /// removes what is left of it.
    async fn hand_over(&self, live: &Live, instance: &Instance) -> Result<(), RuntimeError> {
        let name = &instance.container;
        let of = || RuntimeError::of(name, Step::Succeed);
        // First the rules, then the note: an agent that dies between the two lets the old one serve
        // again, which is still there.
        self.guard.hand_over(instance).await.map_err(of())?;
        let (places, owned) = (self.places.clone(), instance.clone());
        let noted = blocking(move || note(&places, &owned)).await;
        if let Err(error) = noted {
            if let Err(error) = self.guard.hand_over(&instance.sibling()).await {
                log::error!(container = name.as_str(); "cannot lead back to {name}: {error}");
            }
            return Err(of()(error));
        }
        live.take_over(instance);
        log::info!(container = name.as_str(); "a new instance of container {name} serves");
        tokio::time::sleep(ON_THEIR_WAY).await;
        if let Err(error) = self.remove(&instance.sibling()).await {
            log::error!(container = name.as_str(); "{}", error.chain());
        }
        Ok(())
    }

    /// Writes down which instances serve by `plan`: those of containers that nothing comes up beside.
    pub(super) fn note_serving(&self, plan: &Plan) -> Result<(), StepError> {
        for (name, action) in &plan.actions {
            match (action, plan.slots.get(name)) {
                (Action::Succeed(_), _) => {}
                (_, Some(slot)) => note(&self.places, &Instance::new(name, *slot))?,
                (_, None) => note(&self.places, &Instance::first(name))?,
            }
        }
        Ok(())
    }
}

/// Writes down that `instance` serves. In `/run`: after a start of the machine there is but one. Idempotent.
fn note(places: &Places, instance: &Instance) -> Result<(), StepError> {
    let path = places.second(&instance.container);
    match instance.slot {
        Slot::First => remove_file(&path),
        Slot::Second => {
            let dir = places.seconds();
            std::fs::create_dir_all(&dir).map_err(StepError::file("create", &dir))?;
            std::fs::write(&path, b"").map_err(StepError::file("write", &path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    fn coming(state: ContainerState, health: HealthState) -> Coming {
        Coming {
            state,
            health,
            restarts: 0,
            detail: "words".into(),
        }
    }

    #[test]
    fn one_with_a_probe_is_what_its_probe_says() {
        for (health, verdict) in [
            (HealthState::Starting, Verdict::Wait(None)),
            (HealthState::Healthy, Verdict::Well),
            (
                HealthState::Unhealthy,
                Verdict::Unwell("it is unhealthy; words".into()),
            ),
        ] {
            let coming = coming(ContainerState::Running, health);
            assert_eq!(judge(&coming, Duration::MAX), verdict);
        }
    }

    #[test]
    fn one_without_a_probe_has_to_run_for_a_while() {
        let coming = coming(ContainerState::Running, HealthState::None);
        let half = STEADY / 2;
        assert_eq!(judge(&coming, half), Verdict::Wait(Some(half)));
        assert_eq!(judge(&coming, STEADY), Verdict::Well);
    }

    #[test]
    fn one_that_ends_is_not_well_though_it_is_started_again() {
        for state in [
            ContainerState::Restarting,
            ContainerState::Exited,
            ContainerState::Failed,
        ] {
            let verdict = judge(&coming(state, HealthState::Starting), Duration::ZERO);
            assert_eq!(verdict, Verdict::Unwell("words".into()), "{state}");
        }
        let again = Coming {
            restarts: 1,
            ..coming(ContainerState::Running, HealthState::Healthy)
        };
        assert!(matches!(judge(&again, STEADY), Verdict::Unwell(_)));
    }

    #[test]
    fn who_serves_is_written_down_and_taken_back() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let first = Instance::first(&name("web"));
        for instance in [
            first.clone(),
            first.sibling(),
            first.sibling(),
            first.clone(),
        ] {
            note(&places, &instance).unwrap();
            let second = places.second(&name("web")).exists();
            assert_eq!(second, instance.slot == Slot::Second);
        }
    }
}
