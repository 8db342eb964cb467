//! Tests of the state machine: every pair of state and event, and the paths that matter.

use super::state::{Rest, State};
use super::{Action, Event, Machine, Then};
use crate::boot::BootDecision;
use crate::plan::{Asker, Ends, Goal};
use crate::sample;
use crate::{GenerationId, GenerationStatus, Trigger};
use orlop_api::Phase;

const RESTS: [Rest; 3] = [Rest::Idle, Rest::Unsure, Rest::Degraded];

fn states() -> Vec<State> {
    let mut states = vec![
        State::Starting,
        State::SafeMode,
        State::Unknown,
        State::Preparing,
        State::Entering,
        State::Trial,
        State::Leaving,
    ];
    for rest in RESTS {
        states.extend([
            State::Resting(rest),
            State::Settling { rest },
            State::Staging {
                then: Then::Wait,
                rest,
            },
            State::Recording {
                then: Then::Wait,
                rest,
            },
            State::Recording {
                then: Then::Apply {
                    mode: None,
                    confirm: None,
                },
                rest,
            },
            State::Switching { rest },
            State::Ending {
                unless: Some(rest),
                phase: Phase::RollingBack,
            },
        ]);
    }
    states.push(State::Ending {
        unless: None,
        phase: Phase::RollingBack,
    });
    states
}

fn decisions() -> Vec<BootDecision> {
    let generation = GenerationId(2);
    vec![
        BootDecision::FirstBoot,
        BootDecision::Normal {
            generation,
            status: GenerationStatus::Good,
        },
        BootDecision::Normal {
            generation,
            status: GenerationStatus::Failed,
        },
        BootDecision::TrialStarts { generation },
        BootDecision::TrialGoesOn { generation },
        BootDecision::TrialWentDead {
            trigger: Trigger::BootCounter { tries: 3 },
            log: vec!["last words".to_owned()],
        },
        BootDecision::SwitchInterrupted { generation },
        BootDecision::EndingInterrupted { generation },
        BootDecision::UnknownImage {
            root: sample::root("9"),
        },
    ]
}

fn events() -> Vec<Event> {
    let generation = || Box::new(sample::generation(2, "2"));
    let mut events: Vec<_> = decisions().into_iter().map(Event::Booted).collect();
    events.extend([
        Event::Unusable,
        Event::StateUnusable,
        Event::StageRequested { then: Then::Wait },
        Event::StageRequested {
            then: Then::Apply {
                mode: None,
                confirm: None,
            },
        },
        Event::StageDone {
            generation: generation(),
            config: String::new(),
            asker: Asker::Operator,
        },
        Event::StageFailed,
        Event::FirstReady {
            generation: generation(),
            config: String::new(),
        },
        Event::ApplyRequested {
            mode: None,
            confirm: None,
        },
        Event::RollBackRequested {
            mode: None,
            to: None,
            caller: "uid 0".to_owned(),
        },
        Event::StepsDone(Ends::Here),
        Event::StepsDone(Ends::Rebooting),
        Event::StepsFailed {
            detail: "disk full".to_owned(),
        },
        Event::GatePassed,
        gate_failed(),
        Event::SystemStopping,
    ]);
    events
}

fn gate_failed() -> Event {
    Event::GateFailed {
        trigger: Trigger::Check {
            check: "container web".to_owned(),
            detail: "unhealthy".to_owned(),
        },
        log: vec!["no route".to_owned()],
    }
}

#[test]
fn every_pair_of_state_and_event_is_decided_and_an_illegal_one_changes_nothing() {
    let mut text = String::new();
    for state in states() {
        for event in events() {
            let mut machine = Machine {
                state: state.clone(),
            };
            let shown = format!("{state:?} <- {}", short(&event));
            match machine.on(event) {
                Ok(actions) => {
                    let actions: Vec<_> = actions.iter().map(action).collect();
                    text += &format!("{shown} => {:?} {}\n", machine.state, actions.join(", "));
                }
                Err(illegal) => {
                    assert_eq!(machine.state, state, "{illegal}");
                    assert!(illegal.to_string().starts_with("cannot take "), "{illegal}");
                }
            }
        }
    }
    insta::assert_snapshot!("legal_pairs", text);
}

fn short(event: &Event) -> String {
    match event {
        Event::Booted(decision) => format!("Booted {decision:?}"),
        Event::StageRequested { then } => format!("StageRequested {then:?}"),
        Event::StepsDone(ends) => format!("StepsDone {ends:?}"),
        other => other.name().to_owned(),
    }
}

fn action(action: &Action) -> String {
    match action {
        Action::Run(Goal::Stage { .. }) => "Run(Stage)".to_owned(),
        Action::Run(Goal::Begin { .. }) => "Run(Begin)".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn no_plan_is_run_while_another_one_runs() {
    for state in states() {
        let runs_a_plan = matches!(
            state,
            State::Settling { .. }
                | State::Recording { .. }
                | State::Switching { .. }
                | State::Entering
        );
        for event in events() {
            let ends_it = matches!(event, Event::StepsDone(_) | Event::StepsFailed { .. });
            let stops = matches!(event, Event::SystemStopping);
            let mut machine = Machine {
                state: state.clone(),
            };
            if let Ok(actions) = machine.on(event.clone()) {
                let plans = actions
                    .iter()
                    .filter(|action| matches!(action, Action::Run(_)));
                let count = plans.count();
                assert!(count <= 1, "{state:?} {event:?}");
                assert!(
                    !runs_a_plan || ends_it || stops || count == 0,
                    "{state:?} {event:?}"
                );
            }
        }
    }
}

fn walk(events: impl IntoIterator<Item = Event>) -> (Machine, Vec<Action>) {
    let mut machine = Machine::new();
    let mut last = Vec::new();
    for event in events {
        last = machine.on(event).unwrap();
    }
    (machine, last)
}

#[test]
fn a_second_stage_while_one_runs_is_refused_with_a_reason() {
    let normal = BootDecision::Normal {
        generation: GenerationId(1),
        status: GenerationStatus::Good,
    };
    let (mut machine, _) = walk([
        Event::Booted(normal),
        Event::StepsDone(Ends::Here),
        Event::StageRequested { then: Then::Wait },
    ]);
    let refused = machine
        .on(Event::StageRequested { then: Then::Wait })
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot take a request to stage while staging"
    );
}

#[test]
fn a_failed_gate_rolls_back_and_names_the_check() {
    let start = BootDecision::TrialStarts {
        generation: GenerationId(2),
    };
    let (machine, actions) = walk([
        Event::Booted(start),
        Event::StepsDone(Ends::Here),
        gate_failed(),
    ]);
    assert_eq!(machine.phase(), Phase::RollingBack);
    let trigger = Trigger::Check {
        check: "container web".to_owned(),
        detail: "unhealthy".to_owned(),
    };
    let end = Goal::End {
        trigger,
        log: vec!["no route".to_owned()],
    };
    assert_eq!(actions, [Action::StopGate, Action::Run(end)]);
}

#[test]
fn a_good_generation_that_fails_its_gate_after_a_roll_back_stays_and_is_degraded() {
    let generation = GenerationId(1);
    let normal = |status| Event::Booted(BootDecision::Normal { generation, status });
    let start = BootDecision::TrialStarts {
        generation: GenerationId(2),
    };
    let rolled_back = [
        Event::Booted(start),
        Event::StepsDone(Ends::Here),
        gate_failed(),
        Event::StepsDone(Ends::Here),
        normal(GenerationStatus::Good),
        Event::StepsDone(Ends::Here),
    ];
    let (machine, actions) = walk(rolled_back.clone());
    assert_eq!(machine.phase(), Phase::Idle);
    assert_eq!(actions, [Action::StartGate]);

    let fails = [
        gate_failed(),
        Event::StepsDone(Ends::Here),
        normal(GenerationStatus::Failed),
        Event::StepsDone(Ends::Here),
    ];
    let (machine, actions) = walk(rolled_back.clone().into_iter().chain(fails));
    assert_eq!(machine.phase(), Phase::Degraded);
    assert_eq!(actions, [Action::StartGate]);

    let (machine, actions) = walk(rolled_back.into_iter().chain([Event::GatePassed]));
    assert_eq!(machine.phase(), Phase::Idle);
    assert_eq!(actions, [Action::StopGate]);
}

#[test]
fn a_gate_that_has_just_held_is_not_asked_again() {
    let generation = GenerationId(2);
    let status = GenerationStatus::Good;
    let (machine, actions) = walk([
        Event::Booted(BootDecision::TrialStarts { generation }),
        Event::StepsDone(Ends::Here),
        Event::GatePassed,
        Event::StepsDone(Ends::Here),
        Event::Booted(BootDecision::Normal { generation, status }),
        Event::StepsDone(Ends::Here),
    ]);
    assert_eq!((machine.phase(), actions), (Phase::Idle, vec![]));
}

#[test]
fn an_orderly_stop_gives_the_try_back_only_in_a_trial() {
    for state in states() {
        let in_trial = matches!(state, State::Trial | State::Entering);
        let mut machine = Machine {
            state: state.clone(),
        };
        let actions = machine.on(Event::SystemStopping).unwrap();
        assert_eq!(
            actions.contains(&Action::Run(Goal::GiveTryBack)),
            in_trial,
            "{state:?}"
        );
    }
}

#[test]
fn an_unknown_image_is_left_alone() {
    let unknown = BootDecision::UnknownImage {
        root: sample::root("9"),
    };
    let (machine, actions) = walk([Event::Booted(unknown)]);
    assert_eq!((machine.phase(), actions), (Phase::SafeMode, vec![]));
    for event in events() {
        let acts = machine.clone().on(event).unwrap_or_default();
        assert_eq!(acts, [], "nothing is done");
    }
}
