//! What goes on beside the driver: fetching, containers, the gate.

use super::super::first;
use super::{Done, Driver, First};
use crate::gate::{self, Asked, GateEnd};
use crate::problems::Topic;
use crate::{clock, stage};
use orlop_api::{EventKind, Phase};
use orlop_config::{Check, Name};
use orlop_core::{Gate, Moment, Trial, TrialStage, Trigger, gate_spec};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The first wait after containers could not all be brought to what they should be; doubled.
pub(super) const FIRST_RECONCILE_WAIT: Duration = Duration::from_secs(5);
/// The longest wait.
const LONGEST_RECONCILE_WAIT: Duration = Duration::from_secs(60);

/// How long a generation whose config cannot be read is on trial: time to be looked at.
const UNREADABLE_CONFIG_WAIT: Duration = Duration::from_secs(60);

impl Driver {
    pub(super) fn prepare_first(&mut self) {
        self.round += 1;
        let (attempt, shared, words) = (self.round, Arc::clone(&self.shared), self.words.clone());
        // A job's cancel, or one of our own.
        let (wanted, cancel) = match &mut self.pending {
            Some(pending) => (pending.wanted.take(), pending.ticket.cancel_token().clone()),
            None => (None, CancellationToken::new()),
        };
        self.first = Some(First {
            attempt,
            cancel: cancel.clone(),
        });
        let jobs = self
            .pending
            .as_ref()
            .map(|pending| pending.ticket.reporter());
        tokio::spawn(async move {
            let result = match wanted {
                Some(wanted) => {
                    let report = |progress| {
                        if let Some(report) = &jobs {
                            report(progress);
                        }
                    };
                    stage::fetch(&shared.store, &wanted, &report, &cancel).await
                }
                None => first::prepare(&shared, &cancel).await,
            };
            say(&words, Done::First { attempt, result }).await;
        });
    }

    pub(super) fn fetch(&mut self) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        let Some(wanted) = pending.wanted.take() else {
            return;
        };
        let (report, cancel) = (
            pending.ticket.reporter(),
            pending.ticket.cancel_token().clone(),
        );
        let (shared, words) = (Arc::clone(&self.shared), self.words.clone());
        tokio::spawn(async move {
            shared.make_room().await;
            let result = stage::fetch(&shared.store, &wanted, &report, &cancel).await;
            say(&words, Done::Fetched(result)).await;
        });
    }

    /// Puts the running generation's config in force and its containers where they should be.
    pub(super) async fn reconcile(&mut self) {
        let whole = match self.shared.running_config() {
            Ok((generation, config)) => {
                if let Err(fault) = self.shared.live.enforce(&config).await {
                    log::error!("{fault}");
                }
                self.shared.live.reconcile(&generation).await
            }
            Err(fault) => Err(fault),
        };
        match whole {
            Ok(true) => {
                self.reconcile_wait = FIRST_RECONCILE_WAIT;
                return;
            }
            Ok(false) => {}
            Err(fault) => self
                .shared
                .problems
                .set(Topic::Containers, vec![fault.message]),
        }
        if self.reconcile_due {
            return;
        }
        self.reconcile_due = true;
        let (wait, words) = (self.reconcile_wait, self.words.clone());
        self.reconcile_wait = (wait * 2).min(LONGEST_RECONCILE_WAIT);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            say(&words, Done::ReconcileDue).await;
        });
    }

    pub(super) fn start_gate(&mut self) {
        self.stop_gate();
        self.round += 1;
        let round = self.round;
        let (shared, words) = (Arc::clone(&self.shared), self.words.clone());
        let task = match self.shared.running_config() {
            Ok((_, config)) => {
                let essential = config
                    .container
                    .iter()
                    .filter(|(_, c)| c.lifecycle.essential);
                let names: Vec<Name> = essential.map(|(name, _)| name.clone()).collect();
                let trial = self.trial_at_work();
                let (gate, asked) = self.gate_of(&gate_spec(&config), &names, trial.as_ref());
                if let Some(trial) = &trial {
                    self.tell_trial(trial);
                }
                tokio::spawn(async move {
                    let end = gate::judge(gate, asked, &shared.events, &shared.gate).await;
                    say(&words, Done::Gate { round, end }).await;
                })
            }
            Err(fault) => tokio::spawn(async move {
                tokio::time::sleep(UNREADABLE_CONFIG_WAIT).await;
                let (check, detail) = ("config".to_owned(), fault.message);
                let trigger = Trigger::Check { check, detail };
                let log = Vec::new();
                let end = GateEnd::Failed { trigger, log };
                say(&words, Done::Gate { round, end }).await;
            }),
        };
        self.gate = Some((round, task.abort_handle()));
    }

    /// The trial that runs, in this run of the machine.
    fn trial_at_work(&self) -> Option<Trial> {
        let state = self.shared.records().ok()?.state?;
        state
            .trial
            .filter(|trial| trial.stage == TrialStage::Running)
            .filter(|trial| trial.boot == self.shared.boot.booted.boot)
    }

    /// The gate of `trial`, or of what runs without one.
    ///
    /// A trial's gate began when the trial did, also for an agent that was restarted since: an agent
    /// that dies again and again is not to be judged for ever. Where a confirmation is waited for
    /// that has its own end, the gate begins anew: it may have held long ago.
    fn gate_of(
        &self,
        spec: &orlop_config::Gate,
        names: &[Name],
        trial: Option<&Trial>,
    ) -> (Gate, Asked) {
        let confirm = trial.and_then(|trial| trial.confirm.as_ref());
        let begun = trial.and_then(|trial| trial.gate_started);
        let now = clock::uptime();
        let since = begun.unwrap_or(now);
        // A good generation that is only looked at again need not be reached by anyone.
        let looked_at = self.switch.phase() == Phase::Idle;
        let mut spec = spec.clone();
        spec.check
            .retain(|check| !(looked_at && *check == Check::Api));
        let mut gate = Gate::new(&spec, names, if confirm.is_some() { now } else { since });
        self.shared.confirmed.send_replace(None);
        let mut within = Duration::ZERO;
        if let Some(confirm) = confirm {
            let boot = &self.shared.boot.booted.boot;
            let moment = Moment {
                boot,
                uptime: now,
                now: clock::now(),
            };
            within = confirm.within();
            gate = gate.confirmed_within(confirm.left(moment), confirm.by.clone(), now);
        }
        let asked = Asked {
            runtime: self.shared.live.runtime().clone(),
            reached: Arc::clone(&self.shared.reached),
            since,
            confirmed: self.shared.confirmed.subscribe(),
            within,
        };
        (gate, asked)
    }

    fn tell_trial(&self, trial: &Trial) {
        let confirm = trial.confirm.as_ref();
        self.shared.events.send(EventKind::Trial {
            generation: trial.generation.0,
            fallback: trial.fallback.map(|id| id.0),
            confirm_secs: confirm.map(|confirm| confirm.within_secs),
        });
    }

    pub(super) fn stop_gate(&mut self) {
        if let Some((_, task)) = self.gate.take() {
            task.abort();
        }
        self.shared.gate.send_replace(None);
    }
}

/// The driver lives as long as the agent; word to one that is gone is lost with it.
async fn say(words: &mpsc::Sender<Done>, done: Done) {
    if words.send(done).await.is_err() {
        log::debug!("ignoring that the driver is gone");
    }
}
