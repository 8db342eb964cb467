//! What goes on beside the driver: fetching, containers, the gate.

use super::super::first;
use super::{Done, Driver, First};
use crate::gate::{self, GateEnd};
use crate::problems::Topic;
use crate::{clock, stage};
use orlop_config::Name;
use orlop_core::{Gate, TrialStage, Uptime};
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
                let names: Vec<Name> = config.container.keys().cloned().collect();
                let gate = Gate::new(&config.gate, &names, self.gate_started());
                tokio::spawn(async move {
                    let runtime = shared.live.runtime().clone();
                    let end = gate::judge(gate, runtime, &shared.events, &shared.gate).await;
                    say(&words, Done::Gate { round, end }).await;
                })
            }
            Err(fault) => tokio::spawn(async move {
                tokio::time::sleep(UNREADABLE_CONFIG_WAIT).await;
                let (check, detail) = ("config".to_owned(), fault.message);
                let end = GateEnd::Failed {
                    check,
                    detail,
                    log: Vec::new(),
                };
                say(&words, Done::Gate { round, end }).await;
            }),
        };
        self.gate = Some((round, task.abort_handle()));
    }

    /// A trial's gate began when the trial did, also for an agent that was restarted since.
    fn gate_started(&self) -> Uptime {
        let trial = self
            .shared
            .records()
            .ok()
            .and_then(|records| records.state?.trial);
        trial
            .filter(|trial| trial.stage == TrialStage::Running)
            .filter(|trial| trial.boot == self.shared.boot.booted.boot)
            .and_then(|trial| trial.gate_started)
            .unwrap_or_else(clock::uptime)
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
