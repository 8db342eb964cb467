//! What the machine's last run left behind: it is told once, and removed when it is on record.

use super::Driver;
use crate::chain::chain;
use crate::problems::Topic;
use crate::remains;
use orlop_core::Event;
use orlop_core::boot::{BootDecision, Remains};

impl Driver {
    /// Logs the last words of what failed. Where no trial is to blame, no verdict will tell of it, so
    /// `status` does.
    pub(super) fn tell_of_last_run(&self, event: &Event) {
        let Some(remains) = self.unseen() else {
            return;
        };
        let of_agent = remains.agent.as_ref().map(|note| {
            let words = format!("the agent could not stay up: {}", note.detail);
            (words, note.log.clone())
        });
        let of_run = remains
            .end_of_run()
            .map(|(trigger, log)| (format!("in the last run: {trigger}"), log));
        let mut problems = Vec::new();
        for (words, log) in of_agent.into_iter().chain(of_run) {
            for line in log {
                log::warn!("last words: {line}");
            }
            problems.push(words);
        }
        if matches!(event, Event::Booted(BootDecision::Normal { .. })) {
            self.shared.problems.set(Topic::LastRun, problems);
        } else {
            for problem in problems {
                log::warn!("{problem}");
            }
        }
    }

    /// Removes what the node state has taken into account by now.
    pub(super) fn forget_remains(&self) {
        let Ok(records) = self.shared.records() else {
            return;
        };
        let seen = records.state.map(|state| state.remains_seen);
        let found = &self.shared.boot.booted.remains;
        let (paths, effects) = (&self.shared.paths, self.switch.effects());
        if let Err(error) = remains::forget(paths, effects, found, &seen.unwrap_or_default()) {
            log::warn!("ignoring until the next start: {}", chain(&error));
        }
    }

    /// What was found at this start and not at an earlier one.
    fn unseen(&self) -> Option<Remains> {
        let state = self.shared.records().ok()?.state;
        let seen = state.map(|state| state.remains_seen).unwrap_or_default();
        Some(self.shared.boot.booted.remains.unseen(&seen))
    }
}
