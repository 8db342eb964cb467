//! What the driver is asked for: refused, rehearsed, or made a job and begun.

use super::super::shared::{Ask, Shared};
use super::super::{first, images};
use super::{Driver, Pending};
use crate::chain::chain;
use crate::ops::{Caller, Pinning, Started};
use crate::stage::{self, Wanted};
use crate::switch::SwitchError;
use crate::systemd::Systemd;
use crate::{config, faults};
use orlop_api::{
    Fault, FaultKind, Freed, HeldView, JobId, Operation, Phase, Progress, StageRequest,
};
use orlop_core::{Asker, Event, GenerationId, Goal, IllegalEvent, Then, held_views};
use tokio::sync::oneshot;

fn asker(caller: &Caller) -> Asker {
    match caller {
        Caller::Agent => Asker::Agent,
        Caller::Local { .. } | Caller::Certificate { .. } => Asker::Operator,
    }
}

/// An answer that nobody waits for any more (the client is gone) changes nothing.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        log::debug!("ignoring that whoever asked is gone");
    }
}

impl Driver {
    pub(super) async fn take_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Stage {
                request,
                then,
                operation,
                caller,
                reply,
            } => match self.prepare_stage(&request, then, operation, &caller).await {
                Ok(id) => {
                    answer(reply, Ok(id));
                    self.take_or_log(Event::StageRequested { then }).await;
                }
                Err(fault) => answer(reply, Err(fault)),
            },
            Ask::Apply {
                mode,
                confirm,
                dry_run,
                caller,
                reply,
            } => {
                let event = Event::ApplyRequested { mode, confirm };
                let goal = Goal::Apply { mode, confirm };
                let asked = (Operation::Apply, event, goal);
                self.switch_to(asked, dry_run, &caller, reply).await;
            }
            Ask::RollBack {
                to,
                mode,
                dry_run,
                caller,
                reply,
            } => {
                let name = caller.to_string();
                let goal = Goal::RollBack {
                    to,
                    mode,
                    caller: name.clone(),
                };
                let event = Event::RollBackRequested {
                    to,
                    mode,
                    caller: name,
                };
                let asked = (Operation::RollBack, event, goal);
                self.switch_to(asked, dry_run, &caller, reply).await;
            }
            Ask::Confirm { caller, reply } => answer(reply, self.confirm(&caller).await),
            Ask::Release {
                digest,
                caller,
                reply,
            } => answer(reply, self.release(digest, &caller).await),
            Ask::Pin {
                generation,
                pinning,
                caller,
                reply,
            } => answer(reply, self.pin(generation, pinning, &caller).await),
            Ask::Free { image, reply } => answer(reply, self.free(image.as_deref()).await),
            Ask::Stop { reply } => {
                self.stop().await;
                answer(reply, ());
            }
        }
    }

    /// Notes that the trial may stay. Its gate goes on as it is.
    async fn confirm(&mut self, caller: &Caller) -> Result<(), Fault> {
        let name = caller.to_string();
        let goal = Goal::Confirm {
            caller: name.clone(),
        };
        self.switch
            .note(&goal)
            .await
            .map_err(|error| faults::of_switch(&error))?;
        self.shared.confirmed.send_replace(Some(name));
        Ok(())
    }

    /// Lets an image go that is on hold.
    async fn release(&mut self, digest: String, caller: &Caller) -> Result<HeldView, Fault> {
        let held = |shared: &Shared| -> Result<Vec<HeldView>, Fault> {
            let records = shared.records()?;
            let state = records.state.as_ref();
            Ok(state.map_or_else(Vec::new, |state| held_views(state, &records.generations)))
        };
        let before = held(&self.shared)?;
        let goal = Goal::Release { digest };
        self.switch
            .note(&goal)
            .await
            .map_err(|error| faults::of_switch(&error))?;
        let after = held(&self.shared)?;
        let gone = before.into_iter().find(|known| !after.contains(known));
        let gone = gone.ok_or_else(|| {
            Fault::new(FaultKind::Internal, "cannot tell which image was released")
        })?;
        log::info!(caller:% = caller; "{caller} released {}", gone.manifest);
        Ok(gone)
    }

    /// Removes images, unless others are being fetched, which nothing on record needs yet.
    async fn free(&self, image: Option<&str>) -> Result<Freed, Fault> {
        if self.pending.is_some() || self.first.is_some() {
            let message = "cannot remove images: a generation is being fetched";
            return Err(Fault::new(FaultKind::Refused, message).hint("wait until it is staged"));
        }
        images::free(&self.shared, image).await
    }

    /// Pins or unpins a generation.
    async fn pin(
        &self,
        generation: GenerationId,
        pinning: Pinning,
        caller: &Caller,
    ) -> Result<(), Fault> {
        log::info!(caller:% = caller; "asked to {pinning:?} generation {generation}");
        let goal = match pinning {
            Pinning::Pin => Goal::Pin { generation },
            Pinning::Unpin => Goal::Unpin { generation },
        };
        let done = self.switch.run_beside(&goal).await;
        done.map_err(|error| faults::of_switch(&error))
    }

    /// Checks a request to stage, and makes its job.
    async fn prepare_stage(
        &mut self,
        request: &StageRequest,
        then: Then,
        operation: Operation,
        caller: &Caller,
    ) -> Result<JobId, Fault> {
        // The first generation waits for its images: another TOML may be what it needs.
        if self.pending.is_none()
            && let Some(text) = &request.config
            && config::parse(text).is_ok()
            && let Some(first) = self.first.take()
        {
            first.cancel.cancel();
            self.take_or_log(Event::StageFailed).await;
        }
        let ticket = self.shared.jobs.begin(operation, caller)?;
        match self.check_stage(request, then).await {
            Ok(wanted) => {
                let id = ticket.id();
                let wanted = Some(wanted);
                self.pending = Some(Pending {
                    ticket,
                    wanted,
                    then,
                    asker: asker(caller),
                });
                Ok(id)
            }
            Err(fault) => {
                ticket.withdraw();
                Err(fault)
            }
        }
    }

    async fn check_stage(&mut self, request: &StageRequest, then: Then) -> Result<Wanted, Fault> {
        self.switch
            .would_take(Event::StageRequested { then })
            .map_err(|error| faults::of_illegal(&error))?;
        if self.switch.phase() != Phase::SafeMode {
            let (generation, text) = self.shared.running_generation()?;
            return stage::wanted(request, &generation, &text);
        }
        if let Then::Apply {
            confirm: Some(_), ..
        } = then
        {
            let message = "cannot wait for a confirmation: there is nothing to go back to yet";
            return Err(Fault::new(FaultKind::Refused, message).hint("apply without --confirm"));
        }
        if self.shared.records()?.state.is_some() {
            let message = "cannot stage: what is on record does not fit what runs";
            return Err(
                Fault::new(FaultKind::Refused, message).hint("`orlop status` names the problem")
            );
        }
        match &request.config {
            Some(text) => first::wanted(&self.shared, Some(text.clone())).await,
            None => Err(Fault::new(
                FaultKind::Refused,
                "cannot stage: the node has no config yet",
            )
            .hint("`orlop config apply FILE` gives it one")),
        }
    }

    /// A switch that an operator asks for: refused, rehearsed or carried out.
    async fn switch_to(
        &mut self,
        (operation, event, goal): (Operation, Event, Goal),
        dry_run: bool,
        caller: &Caller,
        reply: oneshot::Sender<Result<Started, Fault>>,
    ) {
        let plan = match self.switch.plan(&goal) {
            Ok(plan) => plan,
            Err(error) => return answer(reply, Err(faults::of_switch(&error))),
        };
        if dry_run {
            return answer(reply, Ok(Started::Plan(plan.to_string())));
        }
        if let Err(error) = self.switch.would_take(event.clone()) {
            return answer(reply, Err(faults::of_illegal(&error)));
        }
        let ticket = match self.shared.jobs.begin(operation, caller) {
            Ok(ticket) => ticket,
            Err(fault) => return answer(reply, Err(fault)),
        };
        answer(reply, Ok(Started::Job(ticket.id())));
        ticket.progress(Progress {
            step: plan.purpose.clone(),
            done: 0,
            total: None,
        });
        let target = plan.to;
        let result = self.take(event).await;
        ticket.end(self.outcome_of(result, target));
    }

    /// The end of a job from what came of its event.
    pub(super) fn outcome_of(
        &self,
        result: Result<Option<SwitchError>, IllegalEvent>,
        target: Option<GenerationId>,
    ) -> Result<(Option<u64>, String), Fault> {
        match result {
            Err(illegal) => Err(faults::of_illegal(&illegal)),
            Ok(Some(error)) => Err(faults::of_switch(&error)),
            Ok(None) => {
                let what =
                    target.map_or("the generation".to_owned(), |id| format!("generation {id}"));
                let summary = match self.switch.phase() {
                    Phase::Switching | Phase::RollingBack => {
                        format!("{what} is armed; the machine restarts")
                    }
                    Phase::Trial => format!("{what} runs, on trial"),
                    _ => format!("{what} runs"),
                };
                Ok((target.map(|id| id.0), summary))
            }
        }
    }

    /// The agent ends. Where that is because the whole system goes down in the middle of a trial,
    /// this boot shall not count; a restart of the agent alone changes nothing.
    async fn stop(&mut self) {
        match Systemd.is_stopping().await {
            Ok(true) => self.take_or_log(Event::SystemStopping).await,
            Ok(false) => {}
            Err(error) => log::warn!("ignoring: {}", chain(&error)),
        }
    }
}
