//! What operators order: stop, start, restart, kill.
//!
//! A stop is a wish that the planner looks at like at everything else it finds; so reconciling carries it
//! out, takes it up again where the agent died half-way, and does not work against it.

use super::change::{Outcome, Outcomes};
use super::command;
use super::containers::{Runtime, blocking};
use super::error::{RuntimeError, Step};
use super::execute::{Executor, fail, oci_runtime};
use super::instance::Instance;
use super::places::{timer_name, unit_name};
use super::plan::{Action, Plan};
use super::systemd::Job;
use super::wish::{self, Wish};
use super::{monitor, once};
use nix::sys::signal::Signal;
use orlop_api::{ContainerState, ContainerView};
use orlop_config::{Name, nearest};
use std::str::FromStr;
use std::time::Duration;

/// The OCI runtime sends a signal within milliseconds; this is for a loaded machine.
const KILL_LIMIT: Duration = Duration::from_secs(30);
/// The last of the kernel's signals (signal(7)).
const LAST_SIGNAL: u8 = 64;

/// A signal, as OCI runtimes take it: a name with `SIG` or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalName(String);

impl SignalName {
    /// `SIGHUP`, `HUP`, `hup` or a number from 1 to 64; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse::<u8>() {
            return (1..=LAST_SIGNAL)
                .contains(&number)
                .then(|| Self(number.to_string()));
        }
        let upper = text.to_ascii_uppercase();
        let name = match upper.starts_with("SIG") {
            true => upper,
            false => format!("SIG{upper}"),
        };
        Signal::from_str(&name).ok().map(|_| Self(name))
    }

    /// SIGKILL.
    pub fn kill() -> Self {
        Self("SIGKILL".to_owned())
    }

    /// As OCI runtimes take it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Runtime {
    /// The desired container of this name.
    pub(super) fn known(&self, name: &str) -> Result<Name, RuntimeError> {
        let names = self.inner.live.names();
        if let Some(known) = Name::new(name).filter(|name| names.contains(name)) {
            return Ok(known);
        }
        let disabled = self.last_desired().disabled;
        if let Some(known) = Name::new(name).filter(|name| disabled.contains_key(name)) {
            return Err(RuntimeError::Disabled { container: known });
        }
        let near = nearest(name, names.iter().map(Name::as_str));
        Err(RuntimeError::Unknown {
            container: name.to_owned(),
            nearest: near.and_then(Name::new),
        })
    }

    fn view_of(&self, name: &Name) -> Result<ContainerView, RuntimeError> {
        let views = self.inner.live.views();
        let view = views.into_iter().find(|view| view.name == name.as_str());
        view.ok_or_else(|| RuntimeError::Unknown {
            container: name.to_string(),
            nearest: None,
        })
    }

    /// Stops a container until it is started again, by [`Self::start`] or [`Self::restart`], another
    /// generation or a start of the machine. Returns when it has ended. Idempotent.
    ///
    /// # Errors
    /// `Unknown`; in step `Stop` where systemd does not do it. The wish stands then, and the next
    /// reconciliation goes on.
    pub async fn stop(&self, name: &str, wish: Wish) -> Result<ContainerView, RuntimeError> {
        let name = self.known(name)?;
        let _turn = self.inner.turn.lock().await;
        let (places, owned) = (self.inner.executor.places.clone(), name.clone());
        blocking(move || wish::make(&places, &owned, &wish))
            .await
            .map_err(RuntimeError::of(&name, Step::Stop))?;
        self.bring_one(&name).await?;
        self.view_of(&name)
    }

    /// Starts a container that is not at work, whatever became of it before: one that was stopped, has
    /// ended, cannot be started, or waits for its schedule. Returns when it has started.
    ///
    /// # Errors
    /// `Unknown`; in the step that failed.
    pub async fn start(&self, name: &str) -> Result<ContainerView, RuntimeError> {
        let name = self.known(name)?;
        let _turn = self.inner.turn.lock().await;
        let kept = self.bring_without_wish(&name).await?;
        let at_work = matches!(
            self.view_of(&name)?.state,
            ContainerState::Running
                | ContainerState::Starting
                | ContainerState::Restarting
                | ContainerState::Waiting
        );
        if kept && !at_work {
            self.begin_again(&name).await?;
        }
        self.view_of(&name)
    }

    /// Ends a container and starts it again; one that is not at work is started.
    ///
    /// # Errors
    /// `Unknown`; in the step that failed.
    pub async fn restart(&self, name: &str) -> Result<ContainerView, RuntimeError> {
        let name = self.known(name)?;
        let _turn = self.inner.turn.lock().await;
        let kept = self.bring_without_wish(&name).await?;
        if kept && self.view_of(&name)?.state != ContainerState::Waiting {
            self.begin_again(&name).await?;
        }
        self.view_of(&name)
    }

    /// Sends a signal to a container's first process. What it ends of is started again as its config
    /// says.
    ///
    /// # Errors
    /// `Unknown`; `NotNow` where it does not run; in step `Signal`.
    pub async fn kill(
        &self,
        name: &str,
        signal: &SignalName,
    ) -> Result<ContainerView, RuntimeError> {
        let name = self.known(name)?;
        let instance = self.inner.live.serving(&name);
        let Some(_) = self.inner.live.running(&instance) else {
            let state = self.view_of(&name)?.state;
            return Err(RuntimeError::NotNow {
                verb: "send a signal to",
                container: name,
                why: format!("it is {state}"),
            });
        };
        let runtime = self.inner.live.oci_runtime(&name);
        let of = || RuntimeError::of(&name, Step::Signal);
        let program = oci_runtime(runtime).map_err(of())?;
        let state = self.inner.executor.places.runtime_state(runtime);
        let root = format!("--root={}", state.display());
        let arguments = [
            root.as_str(),
            "kill",
            &instance.to_string(),
            signal.as_str(),
        ];
        command::run_well(&program, arguments, b"", KILL_LIMIT)
            .await
            .map_err(of())?;
        self.refresh(&name).await;
        self.view_of(&name)
    }

    /// Withdraws the wish that `name` be stopped. Says whether the container was left as it was.
    async fn bring_without_wish(&self, name: &Name) -> Result<bool, RuntimeError> {
        let (places, owned) = (self.inner.executor.places.clone(), name.clone());
        blocking(move || wish::withdraw(&places, &owned))
            .await
            .map_err(RuntimeError::of(name, Step::Start))?;
        // One that was done before this start of the machine has not been set up.
        self.forget_done(name).await?;
        let outcome = self.bring_one(name).await?;
        Ok(matches!(outcome, None | Some(Outcome::Kept)))
    }

    /// Brings the containers to what was desired last; what came of `name`.
    async fn bring_one(&self, name: &Name) -> Result<Option<Outcome>, RuntimeError> {
        let desired = self.last_desired();
        match self.bring(&desired).await?.remove(name) {
            Some(Outcome::Failed(error)) => Err(error),
            outcome => Ok(outcome),
        }
    }

    async fn begin_again(&self, name: &Name) -> Result<(), RuntimeError> {
        let (executor, instance) = (&self.inner.executor, self.inner.live.serving(name));
        let unit = unit_name(&instance);
        let stopped = executor.systemd.run_job(&unit, Job::Stop).await;
        stopped.map_err(RuntimeError::of(name, Step::Stop))?;
        // When nothing of its last run is left that could be taken for an end.
        self.forget_done(name).await?;
        let started = executor.start(&instance).await;
        self.refresh(name).await;
        started
    }

    async fn forget_done(&self, name: &Name) -> Result<(), RuntimeError> {
        self.inner.live.forget_done(name);
        let (places, owned) = (self.inner.executor.places.clone(), name.clone());
        blocking(move || once::forget(&places, &owned))
            .await
            .map_err(RuntimeError::of(name, Step::Start))
    }

    async fn refresh(&self, name: &Name) {
        let live = &self.inner.live;
        monitor::refresh(&self.inner.executor, live, &live.serving(name)).await;
    }
}

impl Executor {
    /// Stops what operators want stopped. Everything of it stays, for its next start.
    pub(super) async fn halt_all(&self, plan: &Plan, outcomes: &mut Outcomes) {
        for (name, action) in &plan.actions {
            if *action != Action::Stop {
                continue;
            }
            let slot = plan.slots.get(name).copied().unwrap_or_default();
            match self.halt(&Instance::new(name, slot)).await {
                Ok(()) => {
                    log::info!(container = name.as_str(); "stopped container {name}");
                    outcomes.insert(name.clone(), Outcome::Stopped);
                }
                Err(error) => fail(outcomes, name, error),
            }
        }
    }

    /// Stops one instance, whatever would start it again.
    pub(super) async fn halt(&self, instance: &Instance) -> Result<(), RuntimeError> {
        let (name, unit) = (&instance.container, unit_name(instance));
        let halt = async {
            // First, so that it does not start what is stopped.
            self.systemd.run_job(&timer_name(name), Job::Stop).await?;
            self.systemd.run_job(&unit, Job::Stop).await?;
            // How it ended is no failure: it was told to.
            self.systemd.reset_failed(&unit).await
        };
        halt.await.map_err(RuntimeError::of(name, Step::Stop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_names_and_numbers_and_nothing_else() {
        for (text, signal) in [
            ("SIGHUP", Some("SIGHUP")),
            ("hup", Some("SIGHUP")),
            ("9", Some("9")),
            ("64", Some("64")),
            ("0", None),
            ("65", None),
            ("-9", None),
            ("SIGNONE", None),
            ("--all", None),
            ("", None),
        ] {
            let parsed = SignalName::parse(text);
            assert_eq!(parsed.as_ref().map(SignalName::as_str), signal, "{text}");
        }
    }
}
