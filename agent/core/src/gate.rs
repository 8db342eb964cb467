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

/// What is said of a hold that the deadline cut short.
const TOO_LATE: &str = "passed too late to hold before the deadline";

/// A check of the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateCheck {
    /// Its name: `container web`, `http http://127.0.0.1:8080/`, `tcp 10.0.0.1:443`.
    pub name: String,
    /// What to ask.
    pub check: Check,
    result: Option<CheckResult>,
    detail: String,
    ever_passed: bool,
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
        match result {
            CheckResult::Pass => self.checks[index].ever_passed = true,
            CheckResult::Fail => self.last_failed = Some(index),
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
        let left = self.left(now);
        // Judged by when the hold was complete, not by when somebody asked.
        let complete = self.held_since.map(|since| since.after(self.hold));
        let in_time = |complete: &Uptime| *complete <= self.started.after(self.deadline);
        let verdict = match complete.filter(in_time) {
            Some(complete) if complete <= now => GateVerdict::Passed,
            Some(_) | None if left.is_zero() => self.failure(),
            Some(_) | None => {
                return GateVerdict::Pending {
                    held: self.held(now),
                    left,
                };
            }
        };
        self.decided = Some(verdict.clone());
        verdict
    }

    fn held(&self, now: Uptime) -> Duration {
        self.held_since
            .map_or(Duration::ZERO, |since| now.since(since))
    }

    fn left(&self, now: Uptime) -> Duration {
        self.deadline.saturating_sub(now.since(self.started))
    }

    /// What to blame: a check that never passed, else the one that failed last.
    fn failure(&self) -> GateVerdict {
        let never = self.checks.iter().find(|check| !check.ever_passed);
        let last = || self.last_failed.map(|index| &self.checks[index]);
        match never.or_else(last) {
            Some(check) => GateVerdict::Failed {
                check: check.name.clone(),
                detail: check.words(self.held_since.is_some()),
            },
            None => GateVerdict::Failed {
                check: "hold".to_owned(),
                detail: TOO_LATE.to_owned(),
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
            ever_passed: false,
        }
    }

    /// The last result in words; where all pass now, this one failed before and broke the hold.
    fn words(&self, all_pass: bool) -> String {
        match self.result {
            None => "no result yet".to_owned(),
            Some(_) if all_pass => TOO_LATE.to_owned(),
            Some(_) => self.detail.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use CheckResult::{Fail, Pass};

    const WEB: &str = "container web";
    const SITE: &str = "http http://127.0.0.1:8080/";

    fn gate(check: Vec<Check>) -> Gate {
        let hold = Duration::from_secs(10);
        let spec = GateSpec {
            hold,
            deadline: Duration::from_secs(60),
            check,
        };
        let web = Name::new("web").unwrap();
        Gate::new(&spec, &[web], at(100))
    }

    fn two_checks() -> Gate {
        let web = Check::Container(Name::new("web").unwrap());
        let site = Check::Http {
            url: "http://127.0.0.1:8080/".to_owned(),
            status: 200,
        };
        gate(vec![web, site])
    }

    fn at(secs: u64) -> Uptime {
        Uptime(secs * 1000)
    }

    fn failed(check: &str, detail: &str) -> GateVerdict {
        GateVerdict::Failed {
            check: check.to_owned(),
            detail: detail.to_owned(),
        }
    }

    /// Feeds `(second, check, result)` and says how the gate stands at `end`.
    fn judged(mut gate: Gate, results: &[(u64, &str, CheckResult)], end: u64) -> GateVerdict {
        for (secs, check, result) in results {
            let detail = format!("at {secs}");
            gate.on_result(check, *result, &detail, at(*secs)).unwrap();
        }
        gate.tick(at(end))
    }

    #[test]
    fn without_checks_every_container_is_one() {
        let names: Vec<_> = gate(vec![])
            .checks()
            .iter()
            .map(|check| check.name.clone())
            .collect();
        assert_eq!(names, [WEB]);
    }

    #[test]
    fn without_containers_it_passes_after_the_hold() {
        let hold = Duration::from_secs(10);
        let spec = GateSpec {
            hold,
            deadline: Duration::from_secs(60),
            check: vec![],
        };
        let mut gate = Gate::new(&spec, &[], at(100));
        let left = Duration::from_secs(51);
        assert_eq!(
            gate.tick(at(109)),
            GateVerdict::Pending {
                held: Duration::from_secs(9),
                left
            }
        );
        assert_eq!(gate.tick(at(110)), GateVerdict::Passed);
    }

    #[test]
    fn the_hold_begins_when_the_last_check_passes() {
        let results = [(101, WEB, Pass), (105, SITE, Pass)];
        assert!(matches!(
            judged(two_checks(), &results, 114),
            GateVerdict::Pending { .. }
        ));
        assert_eq!(judged(two_checks(), &results, 115), GateVerdict::Passed);
    }

    #[test]
    fn a_break_begins_the_hold_anew() {
        let results = [
            (101, WEB, Pass),
            (101, SITE, Pass),
            (105, WEB, Fail),
            (106, WEB, Pass),
        ];
        assert!(matches!(
            judged(two_checks(), &results, 115),
            GateVerdict::Pending { .. }
        ));
        assert_eq!(judged(two_checks(), &results, 116), GateVerdict::Passed);
    }

    #[test]
    fn the_check_that_never_passed_is_named_before_the_one_that_failed_last() {
        let results = [
            (101, WEB, Fail),
            (102, SITE, Fail),
            (103, SITE, Pass),
            (104, SITE, Fail),
        ];
        assert_eq!(judged(two_checks(), &results, 160), failed(WEB, "at 101"));
        let results = [(101, WEB, Pass), (102, SITE, Pass), (103, SITE, Fail)];
        assert_eq!(judged(two_checks(), &results, 160), failed(SITE, "at 103"));
        assert_eq!(judged(two_checks(), &[], 160), failed(WEB, "no result yet"));
    }

    #[test]
    fn a_hold_that_would_end_after_the_deadline_fails_at_the_deadline() {
        let results = [(101, WEB, Pass), (101, SITE, Fail), (155, SITE, Pass)];
        assert!(matches!(
            judged(two_checks(), &results, 159),
            GateVerdict::Pending { .. }
        ));
        let late = failed(SITE, "passed too late to hold before the deadline");
        assert_eq!(judged(two_checks(), &results, 160), late);
        assert_eq!(
            judged(two_checks(), &results, 999),
            late,
            "however late it is asked"
        );
    }

    #[test]
    fn a_hold_that_was_complete_in_time_passes_however_late_it_is_asked() {
        let results = [(101, WEB, Pass), (150, SITE, Pass)];
        assert_eq!(judged(two_checks(), &results, 999), GateVerdict::Passed);
    }

    #[test]
    fn a_verdict_stays() {
        let mut gate = gate(vec![]);
        gate.on_result(WEB, Pass, "", at(101)).unwrap();
        assert_eq!(gate.tick(at(111)), GateVerdict::Passed);
        gate.on_result(WEB, Fail, "", at(112)).unwrap();
        assert_eq!(gate.tick(at(300)), GateVerdict::Passed);
    }

    #[test]
    fn a_result_for_a_check_that_it_does_not_have_is_refused() {
        let refused = gate(vec![])
            .on_result("tcp x", Pass, "", at(101))
            .unwrap_err();
        let text = "cannot note the result of \"tcp x\": the gate has no such check";
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn the_view_counts_in_seconds() {
        let mut gate = two_checks();
        gate.on_result(WEB, Fail, "unhealthy", at(101)).unwrap();
        let view = gate.view(at(103));
        assert_eq!(
            (view.held_secs, view.hold_secs, view.left_secs),
            (0, 10, 57)
        );
        let passes: Vec<_> = view.checks.iter().map(|check| check.pass).collect();
        assert_eq!(passes, [Some(false), None]);
    }
}
