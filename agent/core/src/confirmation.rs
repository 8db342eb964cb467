//! Commit-confirm: a switch that goes back by itself unless somebody says in time that it may stay.

use crate::{BootId, Timestamp, Uptime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The confirmation that a trial waits for, and how much of its time is spent.
///
/// The time runs from the order to switch. Within one run of the machine it is measured by the time
/// since the machine started, which no clock change moves. Over a restart only the node's clock
/// knows how long the machine was off: its word counts, but never for less than the machine has
/// been up since. So a clock that was set back, or that stood still, gives away the time of the
/// restart at the most; one that jumped ahead ends the trial early, on the safe side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// How long the operator gave, in seconds.
    pub within_secs: u64,
    /// Milliseconds of it that were spent when this was written.
    pub spent_millis: u64,
    /// The run of the machine in which this was written.
    pub boot: BootId,
    /// When in that run.
    pub uptime: Uptime,
    /// When, by the node's clock.
    pub at: Timestamp,
    /// Who has confirmed; nobody yet where none.
    pub by: Option<String>,
}

/// This moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The run of the machine.
    pub boot: &'a BootId,
    /// For how long it has been up.
    pub uptime: Uptime,
    /// The node's clock.
    pub now: Timestamp,
}

impl Confirmation {
    /// One that has `within` from now on.
    pub fn begin(within: Duration, moment: Moment<'_>) -> Self {
        Self {
            within_secs: within.as_secs(),
            spent_millis: 0,
            boot: moment.boot.clone(),
            uptime: moment.uptime,
            at: moment.now,
            by: None,
        }
    }

    /// How long the operator gave.
    pub fn within(&self) -> Duration {
        Duration::from_secs(self.within_secs)
    }

    fn spent(&self, moment: Moment<'_>) -> Duration {
        let since = if *moment.boot == self.boot {
            moment.uptime.since(self.uptime)
        } else {
            let by_clock = moment.now.0.saturating_sub(self.at.0);
            Duration::from_secs(by_clock).max(moment.uptime.since(Uptime(0)))
        };
        Duration::from_millis(self.spent_millis).saturating_add(since)
    }

    /// What is left of the time.
    pub fn left(&self, moment: Moment<'_>) -> Duration {
        self.within().saturating_sub(self.spent(moment))
    }

    /// The same, as it stands now: to be written whenever the state is, so that little has to be
    /// told by the node's clock.
    #[must_use]
    pub fn measured(&self, moment: Moment<'_>) -> Self {
        let spent = self.spent(moment).as_millis();
        Self {
            spent_millis: u64::try_from(spent).unwrap_or(u64::MAX),
            boot: moment.boot.clone(),
            uptime: moment.uptime,
            at: moment.now,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Second `up` of the run `boot`, at `clock` by the node's clock.
    fn left(known: &Confirmation, boot: &str, up: u64, clock: u64) -> u64 {
        known
            .left(moment(&BootId(boot.to_owned()), up, clock))
            .as_secs()
    }

    fn moment(boot: &BootId, up: u64, clock: u64) -> Moment<'_> {
        Moment {
            boot,
            uptime: Uptime(up * 1000),
            now: Timestamp(clock),
        }
    }

    /// Five minutes from second 100 of the run `a`, the clock at 10,000.
    fn five_minutes() -> Confirmation {
        let boot = BootId("a".to_owned());
        Confirmation::begin(Duration::from_secs(300), moment(&boot, 100, 10_000))
    }

    #[test]
    fn within_one_run_no_change_of_the_clock_moves_the_end() {
        for clock in [0, 10_050, 4_000_000_000] {
            assert_eq!(left(&five_minutes(), "a", 150, clock), 250);
        }
        assert_eq!(left(&five_minutes(), "a", 399, 0), 1);
        assert_eq!(left(&five_minutes(), "a", 400, 0), 0);
        assert_eq!(left(&five_minutes(), "a", 9_000, 0), 0);
    }

    #[test]
    fn a_restart_neither_stops_the_time_nor_begins_it_anew() {
        // 60 s until the power failed, 30 s off, 10 s up.
        assert_eq!(left(&five_minutes(), "b", 10, 10_100), 200);
        assert_eq!(left(&five_minutes(), "b", 10, 10_300), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_gives_away_the_restart_at_the_most() {
        for clock in [0, 9_000, 10_000] {
            assert_eq!(left(&five_minutes(), "b", 40, clock), 260);
            assert_eq!(left(&five_minutes(), "b", 300, clock), 0);
        }
    }

    #[test]
    fn what_was_measured_before_an_orderly_restart_needs_no_clock() {
        let boot = BootId("a".to_owned());
        let known = five_minutes().measured(moment(&boot, 220, 10_120));
        assert_eq!((known.spent_millis, known.within_secs), (120_000, 300));
        assert_eq!(left(&known, "a", 220, 0), 180);
        assert_eq!(left(&known, "b", 20, 0), 160);
        assert_eq!(left(&known, "b", 20, 10_150), 150);
        let again = known.measured(moment(&BootId("b".to_owned()), 20, 10_150));
        assert_eq!(left(&again, "c", 5, 10_160), 140);
    }
}
