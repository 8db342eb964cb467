//! What a node is told to do, and where it may end.

use super::node::{generation, toml};
use orlop_config::Digest;
use orlop_core::{Asker, Event, Generation, Then, Trigger};

/// What an operator orders on a node that rests.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Record a generation.
    Stage(Generation),
    /// Record a generation and switch to it.
    Switch(Generation),
    /// Go back.
    RollBack,
}

/// One column of the matrix.
pub(super) struct Scenario {
    /// What the node runs before: each is switched to without a cut.
    pub(super) before: Vec<Generation>,
    /// What is ordered, and cut.
    pub(super) order: Option<Order>,
    /// OS images that never come up.
    pub(super) panics: Vec<char>,
    /// OS images whose agent cannot stay up.
    pub(super) agentless: Vec<char>,
    /// Whether the machine is shut down in good order in the middle of the trial.
    pub(super) stops: bool,
    /// The generations that the node may end on.
    pub(super) ends: Vec<u64>,
    /// What a failed verdict must name, where one is expected.
    pub(super) blames: Option<Trigger>,
}

pub(super) const SICK: &str = "sick";

pub(super) fn gate_trigger() -> Trigger {
    Trigger::Check {
        check: "container web".into(),
        detail: "unhealthy".into(),
    }
}

/// What the gate decides about a generation.
pub(super) fn judge(generation: &Generation) -> Event {
    let sick = [
        Digest::of(SICK.as_bytes()),
        Digest::of(toml(SICK).as_bytes()),
    ];
    let web = &generation.containers["web"].manifest;
    if sick.contains(web) || sick.contains(&generation.config) {
        let (check, detail) = ("container web".to_owned(), "unhealthy".to_owned());
        return Event::GateFailed {
            trigger: Trigger::Check { check, detail },
            log: vec!["no route".to_owned()],
        };
    }
    Event::GatePassed
}

pub(super) fn text_of(generation: &Generation) -> String {
    ["one", "two", SICK]
        .into_iter()
        .map(toml)
        .find(|text| Digest::of(text.as_bytes()) == generation.config)
        .expect("every generation has one of these TOMLs")
}

pub(super) fn asks(order: &Order) -> Vec<Event> {
    let stage = |generation: &Generation, then| {
        vec![
            Event::StageRequested { then },
            Event::StageDone {
                generation: Box::new(generation.clone()),
                config: text_of(generation),
                asker: Asker::Operator,
            },
        ]
    };
    match order {
        Order::Stage(generation) => stage(generation, Then::Wait),
        Order::Switch(generation) => stage(
            generation,
            Then::Apply {
                mode: None,
                confirm: None,
            },
        ),
        Order::RollBack => {
            vec![Event::RollBackRequested {
                to: None,
                mode: None,
                caller: "uid 0".to_owned(),
            }]
        }
    }
}

pub(super) fn first() -> Generation {
    generation(1, 'a', "one", "web")
}

pub(super) fn one_switch(to: Generation) -> Scenario {
    Scenario {
        before: vec![first()],
        order: Some(Order::Switch(to)),
        panics: Vec::new(),
        agentless: Vec::new(),
        stops: false,
        ends: vec![1, 2],
        blames: None,
    }
}
