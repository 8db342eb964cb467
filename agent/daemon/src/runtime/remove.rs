//! Takes containers down: stops their instances and removes everything of them but volumes.

use super::absent::remove_file;
use super::bundle;
use super::change::{Outcome, Outcomes};
use super::command;
use super::error::{RuntimeError, Step, StepError};
use super::execute::{Executor, all_of, blocking, fail, oci_runtime};
use super::instance::{Instance, Slot};
use super::net;
use super::places::{timer_name, unit_name};
use super::plan::{Action, Plan};
use super::systemd::Job;
use orlop_config::{Name, OciRuntime};
use std::collections::BTreeMap;
use std::time::Duration;

/// Removing what a container left takes milliseconds; this is for a loaded machine.
const DELETE_LIMIT: Duration = Duration::from_secs(30);

impl Executor {
    /// Removes what is not desired or not as desired.
    pub(super) async fn take_down(&self, plan: &Plan) -> Outcomes {
        let mut going: BTreeMap<&Name, Vec<&Instance>> = BTreeMap::new();
        for instance in &plan.going {
            going.entry(&instance.container).or_default().push(instance);
        }
        let action_of = |name| plan.actions.get(name).unwrap_or(&Action::Remove);
        let removing = going
            .iter()
            .map(|(name, instances)| self.remove_all(name, instances, action_of(name)));
        let results = all_of(removing.collect()).await;
        let mut outcomes = Outcomes::new();
        let mut forgotten = false;
        for (name, result) in going.into_keys().zip(results) {
            let action = action_of(name);
            match result {
                Err(error) => fail(&mut outcomes, name, error),
                Ok(()) if *action == Action::Remove => {
                    log::info!(container = name.as_str(); "removed container {name}");
                    outcomes.insert(name.clone(), Outcome::Removed);
                }
                // Its unit is written again at once.
                Ok(()) if *action == Action::Replace => {}
                Ok(()) => forgotten = true,
            }
        }
        if (forgotten || !outcomes.is_empty())
            && let Err(error) = self.systemd.reload().await
        {
            // The files are gone; systemd merely remembers units that nobody will start.
            log::warn!("ignoring that systemd did not forget removed units: {error}");
        }
        outcomes
    }

    /// Removes the container `name`'s `instances`, and before them what is kept of it by name: an agent
    /// that came after this one was killed would not look for it without an instance.
    async fn remove_all(
        &self,
        name: &Name,
        instances: &[&Instance],
        action: &Action,
    ) -> Result<(), RuntimeError> {
        if instances.iter().any(|one| one.slot == Slot::First) {
            self.remove_timer(name).await?;
        }
        self.forget(name, action)?;
        for instance in instances {
            self.remove_instance(instance).await?;
        }
        Ok(())
    }

    /// Stops `instance` and removes everything of it but volumes. Idempotent.
    pub(super) async fn remove(&self, instance: &Instance) -> Result<(), RuntimeError> {
        if instance.slot == Slot::First {
            self.remove_timer(&instance.container).await?;
        }
        self.remove_instance(instance).await
    }

    /// To be called first, so that the timer does not start what is stopped.
    async fn remove_timer(&self, name: &Name) -> Result<(), RuntimeError> {
        let timer = timer_name(name);
        self.systemd
            .run_job(&timer, Job::Stop)
            .await
            .map_err(RuntimeError::of(name, Step::Stop))?;
        remove_file(&self.places.timer_file(name)).map_err(RuntimeError::of(name, Step::Remove))
    }

    async fn remove_instance(&self, instance: &Instance) -> Result<(), RuntimeError> {
        let (name, unit) = (&instance.container, unit_name(instance));
        let of = |step| RuntimeError::of(name, step);
        self.systemd
            .run_job(&unit, Job::Stop)
            .await
            .map_err(of(Step::Stop))?;
        self.systemd
            .reset_failed(&unit)
            .await
            .map_err(of(Step::Stop))?;
        self.delete_leftovers(instance)
            .await
            .map_err(of(Step::Remove))?;
        remove_file(&self.places.unit_file(instance)).map_err(of(Step::Remove))?;
        net::disconnect(&self.places, instance)
            .await
            .map_err(of(Step::Disconnect))?;
        let (places, owned) = (self.places.clone(), instance.clone());
        blocking(move || bundle::remove(&places, &owned), name, Step::Remove).await
    }

    /// Removes an operator's wish with the container that it was for, and the time of the last run of a
    /// task that is gone for good: another one of this name would make up for runs that it never missed.
    fn forget(&self, name: &Name, action: &Action) -> Result<(), RuntimeError> {
        let forget = || {
            if matches!(action, Action::Remove | Action::Replace) {
                remove_file(&self.places.wish(name))?;
            }
            if *action == Action::Remove {
                remove_file(&self.places.timer_stamp(name))?;
            }
            Ok(())
        };
        forget().map_err(RuntimeError::of(name, Step::Remove))
    }

    /// Removes what the OCI runtime keeps of an instance whose unit did not get to do it.
    pub(super) async fn delete_leftovers(&self, instance: &Instance) -> Result<(), StepError> {
        let id = instance.to_string();
        // Whichever ran it: it may have been another one before.
        for runtime in OciRuntime::ALL {
            let state = self.places.runtime_state(runtime);
            if state.join(&id).exists() {
                let root = format!("--root={}", state.display());
                let arguments = [root.as_str(), "delete", "--force", &id];
                command::run_well(&oci_runtime(runtime)?, arguments, b"", DELETE_LIMIT).await?;
            }
        }
        Ok(())
    }
}
