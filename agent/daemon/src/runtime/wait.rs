//! Whether what a container waits for has come true (`after`). Pure.

use orlop_api::{ContainerState, HealthState};
use orlop_config::{Condition, Name};
use std::collections::BTreeMap;

/// How another container stands; none where there is no such container.
pub(super) type Standing = Option<(ContainerState, HealthState)>;

/// What is not yet true of `after`, in words: `waits for db to be healthy`; none where all is.
pub(super) fn unmet(
    after: &BTreeMap<Name, Condition>,
    standing: impl Fn(&Name) -> Standing,
) -> Option<String> {
    let missing: Vec<String> = after
        .iter()
        .filter(|(name, condition)| !is_met(**condition, standing(name)))
        .map(|(name, condition)| match condition {
            Condition::Started => format!("{name} to start"),
            Condition::Healthy => format!("{name} to be healthy"),
            Condition::Completed => format!("{name} to complete"),
        })
        .collect();
    (!missing.is_empty()).then(|| format!("waits for {}", missing.join(" and ")))
}

fn is_met(condition: Condition, standing: Standing) -> bool {
    let Some((state, health)) = standing else {
        return false;
    };
    let completed = state == ContainerState::Completed;
    match condition {
        Condition::Started => completed || state == ContainerState::Running,
        Condition::Healthy => state == ContainerState::Running && health == HealthState::Healthy,
        Condition::Completed => completed,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[test]
    fn each_condition_is_met_by_what_it_names_alone() {
        use ContainerState::{Completed, Exited, Preparing, Running, Waiting};
        use HealthState::{Healthy, None as Unasked, Starting};
        for (standing, met) in [
            (None, "---"),
            (Some((Preparing, Starting)), "---"),
            (Some((Waiting, Unasked)), "---"),
            (Some((Running, Starting)), "s--"),
            (Some((Running, Healthy)), "sh-"),
            (Some((Completed, Unasked)), "s-c"),
            (Some((Exited, Unasked)), "---"),
        ] {
            let all = [
                (Condition::Started, 's'),
                (Condition::Healthy, 'h'),
                (Condition::Completed, 'c'),
            ];
            let found: String = all
                .into_iter()
                .map(|(condition, letter)| match is_met(condition, standing) {
                    true => letter,
                    false => '-',
                })
                .collect();
            assert_eq!(found, met, "{standing:?}");
        }
    }

    #[test]
    fn all_that_is_missing_is_named() {
        let after = BTreeMap::from([
            (name("db"), Condition::Healthy),
            (name("migrate"), Condition::Completed),
        ]);
        let words = "waits for db to be healthy and migrate to complete";
        assert_eq!(unmet(&after, |_| None).as_deref(), Some(words));
        assert_eq!(unmet(&BTreeMap::new(), |_| None), None);
    }
}
