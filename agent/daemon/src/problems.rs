//! What is wrong with the node now, for `status`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What a problem is about. Each part of the agent sets its own, and clears it by setting none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Records that cannot be used.
    Records,
    /// The node's TOML.
    Config,
    /// What of the TOML the kernel or a host service did not take.
    Machine,
    /// What was booted.
    Boot,
    /// How the machine's last run ended.
    LastRun,
    /// What the first boot waits for.
    FirstBoot,
    /// The last switch.
    Switch,
    /// Containers.
    Containers,
    /// The gate of a generation that stays all the same.
    Gate,
    /// The API's front doors.
    Api,
    /// What the update policy waits for.
    Update,
}

/// Problems by topic.
#[derive(Debug, Default)]
pub struct Problems(Mutex<BTreeMap<Topic, Vec<String>>>);

impl Problems {
    /// Replaces what is wrong about `topic`; what is new is logged.
    pub fn set(&self, topic: Topic, problems: Vec<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&topic).map(Vec::as_slice).unwrap_or_default();
        for problem in problems.iter().filter(|problem| !known.contains(problem)) {
            log::warn!("{problem}");
        }
        if problems.is_empty() {
            all.remove(&topic)
        } else {
            all.insert(topic, problems)
        };
    }

    /// Nothing is wrong about `topic` any more.
    pub fn clear(&self, topic: Topic) {
        self.set(topic, Vec::new());
    }

    /// Everything that is wrong, a sentence each.
    pub fn list(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_replaced_as_a_whole_and_leaves_the_others_alone() {
        let problems = Problems::default();
        problems.set(Topic::Config, vec!["a".into(), "b".into()]);
        problems.set(Topic::Containers, vec!["c".into()]);
        problems.set(Topic::Config, vec!["b".into()]);
        assert_eq!(problems.list(), ["b", "c"]);
        problems.clear(Topic::Config);
        assert_eq!(problems.list(), ["c"]);
    }
}
