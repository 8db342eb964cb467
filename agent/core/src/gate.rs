//! The gate: whether a new generation stays.

use crate::Uptime;
use orlop_api::{CheckView, GateView};
use orlop_config::{Check, Gate as GateSpec, Name, NodeConfig, UpdateOrder};
use std::collections::BTreeMap;
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

/// The name under which a confirmation is shown among the checks.
const CONFIRMATION: &str = "confirmation";

/// So many characters of a command are in its check's name.
const EXEC_NAME_CHARS: usize = 60;

/// A check of the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct GateCheck {
    /// Its name: `container web`, `http http://127.0.0.1:8080/`, `exec in web: /app/check`. Two
    /// checks of the same name are told apart by their number, `exec in web: /app/check… (2)`.
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
    /// Nobody confirmed in time.
    Unconfirmed,
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
    /// Whether the checks held once; they stay asked while a confirmation is waited for.
    held: bool,
    confirmation: Option<AwaitedConfirmation>,
    decided: Option<GateVerdict>,
}

/// The confirmation that a gate waits for, besides its checks.
#[derive(Clone, Debug)]
struct AwaitedConfirmation {
    deadline: Uptime,
    by: Option<String>,
}

impl AwaitedConfirmation {
    fn view(&self) -> CheckView {
        CheckView {
            name: CONFIRMATION.to_owned(),
            pass: self.by.as_ref().map(|_| true),
            detail: match &self.by {
                Some(by) => format!("confirmed by {by}"),
                None => "waits for `orlop config confirm`".to_owned(),
            },
        }
    }
}

/// What makes a generation with this config good: the checks of `[gate]` and, where it has some, each
/// essential container that is updated start-first. While its next instance comes up, the one before it
/// answers, so that no other check says anything of the next one.
pub fn gate_spec(config: &NodeConfig) -> GateSpec {
    let mut spec = config.gate.clone();
    if spec.check.is_empty() {
        return spec;
    }
    for (name, container) in &config.container {
        let lifecycle = &container.lifecycle;
        let check = Check::Container(name.clone());
        let judged = lifecycle.essential && lifecycle.update == UpdateOrder::StartFirst;
        if judged && !spec.check.contains(&check) {
            spec.check.push(check);
        }
    }
    spec
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
            checks: named_apart(checks.into_iter().map(GateCheck::new).collect()),
            last_failed: None,
            held: false,
            confirmation: None,
            decided: None,
        }
    }

    /// The same gate, which waits for a confirmation too, from `now` on for `left` at the most.
    /// `by` has given it already, where somebody has.
    #[must_use]
    pub fn confirmed_within(mut self, left: Duration, by: Option<String>, now: Uptime) -> Self {
        let deadline = now.after(left);
        self.confirmation = Some(AwaitedConfirmation { deadline, by });
        self
    }

    /// Notes that `by` has confirmed. Where nothing waits for it, nothing changes.
    pub fn confirm(&mut self, by: &str) {
        if let Some(confirmation) = &mut self.confirmation {
            confirmation.by.get_or_insert_with(|| by.to_owned());
        }
    }

    /// What is waited for: where nobody has confirmed yet, until when.
    fn unconfirmed_until(&self) -> Option<Uptime> {
        let confirmation = self.confirmation.as_ref()?;
        let open = confirmation.by.is_none();
        open.then_some(confirmation.deadline)
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
        let unconfirmed = self.unconfirmed_until();
        if unconfirmed.is_some_and(|deadline| deadline <= now) {
            return self.decide(GateVerdict::Unconfirmed);
        }
        match self.judge_checks(now) {
            GateVerdict::Passed if unconfirmed.is_some() => {
                self.held = true;
                GateVerdict::Pending {
                    held: self.held(now),
                    left: self.left(now),
                }
            }
            pending @ GateVerdict::Pending { .. } => pending,
            verdict => self.decide(verdict),
        }
    }

    fn decide(&mut self, verdict: GateVerdict) -> GateVerdict {
        self.decided = Some(verdict.clone());
        verdict
    }

    /// How the checks stand, whatever the confirmation.
    fn judge_checks(&self, now: Uptime) -> GateVerdict {
        if self.held {
            return GateVerdict::Passed;
        }
        let left = self.deadline.saturating_sub(now.since(self.started));
        // Judged by when the hold was complete, not by when somebody asked.
        let complete = self.held_since.map(|since| since.after(self.hold));
        let in_time = |complete: &Uptime| *complete <= self.started.after(self.deadline);
        match complete.filter(in_time) {
            Some(complete) if complete <= now => GateVerdict::Passed,
            Some(_) | None if left.is_zero() => self.failure(),
            Some(_) | None => GateVerdict::Pending {
                held: self.held(now),
                left,
            },
        }
    }

    fn held(&self, now: Uptime) -> Duration {
        self.held_since
            .map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Until the deadline of what is still waited for: the checks, or the confirmation.
    fn left(&self, now: Uptime) -> Duration {
        match self.unconfirmed_until() {
            Some(deadline) if self.held => deadline.since(now),
            _ => self.deadline.saturating_sub(now.since(self.started)),
        }
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
        let checks = self.checks.iter().map(GateCheck::view);
        let confirmation = self.confirmation.iter().map(AwaitedConfirmation::view);
        GateView {
            held_secs: self.held(now).as_secs(),
            hold_secs: self.hold.as_secs(),
            left_secs: self.left(now).as_secs(),
            checks: checks.chain(confirmation).collect(),
        }
    }
}

impl GateCheck {
    fn new(check: Check) -> Self {
        let name = match &check {
            Check::Container(name) => format!("container {name}"),
            Check::Http { url, .. } => format!("http {url}"),
            Check::Tcp(address) => format!("tcp {address}"),
            Check::Exec { container, command } => exec_name(container, command),
            Check::Api => "api reached".to_owned(),
            Check::Unit(unit) => format!("unit {unit}"),
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

/// Results are told by name, so no two checks have the same one.
fn named_apart(mut checks: Vec<GateCheck>) -> Vec<GateCheck> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for check in &mut checks {
        let count = seen.entry(check.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            check.name = format!("{} ({count})", check.name);
        }
    }
    checks
}

/// `exec in web: /app/check --deep`, cut where the command is long.
fn exec_name(container: &Name, command: &[String]) -> String {
    let whole = command.join(" ");
    let mut words: String = whole.chars().take(EXEC_NAME_CHARS).collect();
    if words.len() < whole.len() {
        words.push('…');
    }
    format!("exec in {container}: {words}")
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

    /// A gate that passed at second 111 as far as its check goes, and waits until second 200.
    fn waits_for_confirmation() -> Gate {
        let left = Duration::from_secs(100);
        let mut gate = gate(vec![]).confirmed_within(left, None, at(100));
        gate.on_result(WEB, Pass, "", at(101)).unwrap();
        assert!(matches!(gate.tick(at(111)), GateVerdict::Pending { .. }));
        gate
    }

    #[test]
    fn checks_that_hold_are_not_enough_while_a_confirmation_is_waited_for() {
        let mut gate = waits_for_confirmation();
        // Past the deadline of the checks, which have held once.
        gate.on_result(WEB, Fail, "", at(150)).unwrap();
        assert_eq!(gate.view(at(190)).left_secs, 10);
        assert!(matches!(gate.tick(at(199)), GateVerdict::Pending { .. }));
        gate.confirm("uid 0");
        assert_eq!(gate.tick(at(199)), GateVerdict::Passed);
        let seen = gate.view(at(199)).checks.pop().unwrap();
        assert_eq!(
            (seen.pass, seen.detail.as_str()),
            (Some(true), "confirmed by uid 0")
        );
    }

    #[test]
    fn without_a_confirmation_in_time_it_fails_whatever_the_checks_say() {
        let mut gate = waits_for_confirmation();
        assert_eq!(gate.tick(at(200)), GateVerdict::Unconfirmed);
        gate.confirm("uid 0");
        assert_eq!(gate.tick(at(201)), GateVerdict::Unconfirmed, "too late");
    }

    #[test]
    fn a_confirmation_does_not_save_checks_that_fail() {
        let left = Duration::from_secs(100);
        let mut gate = gate(vec![]).confirmed_within(left, Some("uid 0".to_owned()), at(100));
        gate.on_result(WEB, Fail, "sick", at(101)).unwrap();
        assert_eq!(gate.tick(at(160)), failed(WEB, "sick"));
        assert_eq!(gate.tick(at(300)), failed(WEB, "sick"));
    }

    #[test]
    fn checks_are_named_after_what_they_ask_and_apart_from_each_other() {
        let exec = |words: &str| Check::Exec {
            container: Name::new("web").unwrap(),
            command: words.split(' ').map(str::to_owned).collect(),
        };
        let long = format!("/check {}", "x".repeat(80));
        let gate = gate(vec![
            exec("/check --deep"),
            Check::Api,
            Check::Unit("dbus.service".to_owned()),
            exec(&format!("{long} a")),
            exec(&format!("{long} b")),
        ]);
        let names: Vec<_> = gate.checks().iter().map(|c| c.name.as_str()).collect();
        let cut = format!("exec in web: /check {}…", "x".repeat(53));
        let again = format!("{cut} (2)");
        let expected = [
            "exec in web: /check --deep",
            "api reached",
            "unit dbus.service",
            cut.as_str(),
            again.as_str(),
        ];
        assert_eq!(names, expected);
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

    #[test]
    fn an_essential_container_that_is_updated_start_first_is_a_check_beside_others() {
        let text = |keys: &str, gate: &str| {
            let image = "image = \"r.example.com/a:1\"";
            format!(
                "schema = 1\n{gate}\n[container.db]\n{image}\n[container.web]\n{image}\n{keys}\n"
            )
        };
        let tcp = "[[gate.check]]\ntcp = \"10.0.0.1:443\"\n";
        let web = "[[gate.check]]\ncontainer = \"web\"\n";
        let both = format!("{tcp}{web}");
        let start_first = "update = \"start-first\"";
        let optional = format!("{start_first}\nessential = false");
        for (keys, gate, checks) in [
            (start_first, tcp, 2),
            (start_first, both.as_str(), 2),
            (start_first, "", 0),
            (optional.as_str(), tcp, 1),
            ("", tcp, 1),
        ] {
            let config = orlop_config::parse("node.toml", &text(keys, gate)).unwrap();
            assert_eq!(gate_spec(&config).check.len(), checks, "{keys} {gate}");
        }
    }
}
