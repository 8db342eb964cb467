//! The gate: whether a new generation stays.

use crate::Uptime;
use orlop_api::{CheckView, GateView};
use orlop_config::{Check, Gate as GateSpec, Name};
use std::time::Duration;

/// What a check's probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// It passes.
    Pass,
    /// It does not.
    Fail,
}

/// A check of the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateCheck {
    /// Its name: `container web`, `http http://127.0.0.1:8080/`, `tcp 10.0.0.1:443`.
    pub name: String,
    /// What to ask.
    pub check: Check,
    result: Option<CheckResult>,
    detail: String,
}

/// Where the gate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GateVerdict {
    /// Undecided.
    Pending {
        /// For how long all checks have passed.
        held: Duration,
        /// Until the deadline.
        left: Duration,
    },
    /// Everything held.
    Passed,
    /// The deadline came first.
    Failed {
        /// The check that never passed, else the one that failed last.
        check: String,
        /// Its last result.
        detail: String,
    },
}

/// A result for a check that the gate does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot note the result of {check:?}: the gate has no such check")]
pub struct UnknownCheck {
    /// The name.
    pub check: String,
}

/// The evaluator: results and time come in, the verdict goes out.
#[derive(Clone, Debug)]
pub struct Gate {
    hold: Duration,
    deadline: Duration,
    started: Uptime,
    checks: Vec<GateCheck>,
    /// Since when every check has passed without a break.
    held_since: Option<Uptime>,
    last_failed: Option<usize>,
    decided: Option<GateVerdict>,
}

impl Gate {
    /// A gate that begins to judge at `started`. Where `spec` has no checks, each of `containers`
    /// is one.
    pub fn new(spec: &GateSpec, containers: &[Name], started: Uptime) -> Self {
        let every_container = || containers.iter().cloned().map(Check::Container).collect();
        let checks: Vec<Check> = if spec.check.is_empty() {
            every_container()
        } else {
            spec.check.clone()
        };
        Self {
            hold: spec.hold,
            deadline: spec.deadline,
            started,
            held_since: checks.is_empty().then_some(started),
            checks: checks.into_iter().map(GateCheck::new).collect(),
            last_failed: None,
            decided: None,
        }
    }

    /// The checks to ask, in the order of the config.
    pub fn checks(&self) -> &[GateCheck] {
        &self.checks
    }

    /// Notes what the check named `check` found.
    ///
    /// # Errors
    /// Where the gate has no such check.
    pub fn on_result(
        &mut self,
        check: &str,
        result: CheckResult,
        detail: &str,
        now: Uptime,
    ) -> Result<(), UnknownCheck> {
        let index = self
            .checks
            .iter()
            .position(|known| known.name == check)
            .ok_or_else(|| UnknownCheck {
                check: check.to_owned(),
            })?;
        self.checks[index].result = Some(result);
        detail.clone_into(&mut self.checks[index].detail);
        if result == CheckResult::Fail {
            self.last_failed = Some(index);
        }
        let all_pass = self
            .checks
            .iter()
            .all(|known| known.result == Some(CheckResult::Pass));
        self.held_since = if all_pass {
            self.held_since.or(Some(now))
        } else {
            None
        };
        Ok(())
    }

    /// Where the gate stands at `now`. Once decided it stays so.
    pub fn tick(&mut self, now: Uptime) -> GateVerdict {
        if let Some(verdict) = &self.decided {
            return verdict.clone();
        }
        let held = self.held(now);
        let left = self.deadline.saturating_sub(now.since(self.started));
        let verdict = if self.held_since.is_some() && held >= self.hold {
            GateVerdict::Passed
        } else if left.is_zero() {
            self.failure()
        } else {
            return GateVerdict::Pending { held, left };
        };
        self.decided = Some(verdict.clone());
        verdict
    }

    fn held(&self, now: Uptime) -> Duration {
        self.held_since
            .map_or(Duration::ZERO, |since| now.since(since))
    }

    /// What to blame: what fails now goes before what failed once.
    fn failure(&self) -> GateVerdict {
        let failing = |check: &&GateCheck| check.result != Some(CheckResult::Pass);
        let blamed = self
            .checks
            .iter()
            .find(failing)
            .or_else(|| self.last_failed.map(|index| &self.checks[index]));
        match blamed {
            Some(check) => GateVerdict::Failed {
                check: check.name.clone(),
                detail: check.words().to_owned(),
            },
            None => GateVerdict::Failed {
                check: "hold".to_owned(),
                detail: "every check passed, but too late to hold before the deadline".to_owned(),
            },
        }
    }

    /// The gate for people and programs.
    pub fn view(&self, now: Uptime) -> GateView {
        GateView {
            held_secs: self.held(now).as_secs(),
            hold_secs: self.hold.as_secs(),
            left_secs: self
                .deadline
                .saturating_sub(now.since(self.started))
                .as_secs(),
            checks: self.checks.iter().map(GateCheck::view).collect(),
        }
    }
}

impl GateCheck {
    fn new(check: Check) -> Self {
        let name = match &check {
            Check::Container(name) => format!("container {name}"),
            Check::Http { url, .. } => format!("http {url}"),
            Check::Tcp(address) => format!("tcp {address}"),
        };
        Self {
            name,
            check,
            result: None,
            detail: String::new(),
        }
    }

    fn words(&self) -> &str {
        match self.result {
            None => "no result yet",
            Some(_) => &self.detail,
        }
    }

    /// The check for people and programs.
    pub fn view(&self) -> CheckView {
        CheckView {
            name: self.name.clone(),
            pass: self.result.map(|result| result == CheckResult::Pass),
            detail: self.detail.clone(),
        }
    }
}
