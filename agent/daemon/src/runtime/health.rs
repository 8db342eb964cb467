//! How a container's probe stands: the state machine. Pure; time comes in.

use orlop_api::HealthState;
use orlop_config::Health;
use std::time::{Duration, Instant};

/// Until its first success a container is asked this often, if not less often by its config, so
/// that one that is up is known to be at once.
const EAGER: Duration = Duration::from_secs(1);

/// The state of one container's probe, from one start of the container on.
#[derive(Clone, Debug)]
pub(super) struct HealthMachine {
    every: Duration,
    retries: u32,
    /// Failures before this do not count.
    grace_until: Instant,
    state: HealthState,
    failures: u32,
    last_counted: Option<Instant>,
    detail: String,
}

impl HealthMachine {
    /// For a container that started at `now`.
    pub(super) fn new(health: &Health, now: Instant) -> Self {
        Self {
            every: health.every,
            retries: health.retries.max(1),
            grace_until: now + health.start,
            state: HealthState::Starting,
            failures: 0,
            last_counted: None,
            detail: String::new(),
        }
    }

    /// Takes a probe's result. Failures that follow each other faster than `every`, as they may
    /// before the first success, count as one.
    pub(super) fn on(&mut self, result: Result<(), String>, now: Instant) {
        match result {
            Ok(()) => {
                self.state = HealthState::Healthy;
                self.failures = 0;
                self.last_counted = None;
                self.detail.clear();
            }
            Err(why) => {
                self.detail = why;
                self.count(now);
            }
        }
    }

    fn count(&mut self, now: Instant) {
        let in_grace = self.state == HealthState::Starting && now < self.grace_until;
        let too_soon = self
            .last_counted
            .is_some_and(|last| now < last + self.every);
        if in_grace || too_soon {
            return;
        }
        self.last_counted = Some(now);
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.retries {
            self.state = HealthState::Unhealthy;
        }
    }

    /// When to ask again after a result.
    pub(super) fn wait(&self) -> Duration {
        match self.state {
            HealthState::Starting => self.every.min(EAGER),
            HealthState::None | HealthState::Healthy | HealthState::Unhealthy => self.every,
        }
    }

    pub(super) fn state(&self) -> HealthState {
        self.state
    }

    /// The last failure's words; empty while all is well.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orlop_config::Probe;

    const SECOND: Duration = Duration::from_secs(1);

    fn machine(every: u32, retries: u32, start: u32) -> (HealthMachine, Instant) {
        let health = Health {
            probe: Probe::Tcp(80),
            every: SECOND * every,
            timeout: SECOND,
            retries,
            start: SECOND * start,
            unhealthy: orlop_config::Unhealthy::None,
        };
        let now = Instant::now();
        (HealthMachine::new(&health, now), now)
    }

    /// The states after failures (`.`) and successes (`+`), one a second.
    fn run(machine: &mut HealthMachine, begin: Instant, results: &str) -> String {
        let step = |(second, result): (usize, char)| {
            let now = begin + SECOND * u32::try_from(second).unwrap();
            machine.on(
                if result == '+' {
                    Ok(())
                } else {
                    Err("no".into())
                },
                now,
            );
            match machine.state() {
                HealthState::Starting => 's',
                HealthState::Healthy => 'h',
                HealthState::Unhealthy => 'u',
                HealthState::None => '-',
            }
        };
        results.chars().enumerate().map(step).collect()
    }

    #[test]
    fn so_many_failures_in_a_row_make_it_unhealthy_and_one_success_healthy() {
        let (mut machine, begin) = machine(1, 3, 0);
        assert_eq!(run(&mut machine, begin, "..+..+...+."), "sshhhhhhuhh");
    }

    #[test]
    fn one_that_never_succeeds_becomes_unhealthy_after_its_start_period_only() {
        let (mut machine, begin) = machine(1, 2, 5);
        assert_eq!(run(&mut machine, begin, "........"), "ssssssuu");
    }

    #[test]
    fn a_success_ends_the_start_period() {
        let (mut machine, begin) = machine(1, 2, 60);
        assert_eq!(run(&mut machine, begin, ".+.."), "shhu");
    }

    #[test]
    fn asking_eagerly_does_not_use_up_the_retries_sooner() {
        let (mut machine, begin) = machine(3, 2, 0);
        assert_eq!(machine.wait(), SECOND);
        assert_eq!(run(&mut machine, begin, "....."), "sssuu");
        assert_eq!(machine.wait(), SECOND * 3);
    }

    #[test]
    fn the_last_failure_is_told_until_the_next_success() {
        let (mut machine, begin) = machine(1, 2, 0);
        machine.on(Err("status 503".into()), begin);
        assert_eq!(machine.detail(), "status 503");
        machine.on(Ok(()), begin);
        assert_eq!(machine.detail(), "");
    }
}
