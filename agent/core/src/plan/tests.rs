//! Golden plans: what `--dry-run` prints, and why something is refused.

use super::{Asker, Blocked, Ends, Goal, Means, Observed, Plan, Policy, Step, plan};
use crate::boot::{BootSequence, Counter, Entry};
use crate::sample::{UKI_SIZE, booted, generation, node, root, trial};
use crate::{
    BootId, Generation, GenerationId, GenerationStatus, Held, NodeState, Timestamp, TrialKind,
    TrialStage, Trigger, Uptime,
};
use orlop_config::Digest;

pub(super) const APPLY: Goal = Goal::Apply {
    mode: None,
    confirm: None,
};
pub(super) const NOW: Timestamp = Timestamp(1_700_000_200);

pub(super) fn planned(observed: &Observed, goal: &Goal) -> Result<Plan, Blocked> {
    plan(observed, goal, &Policy::default(), NOW)
}

pub(super) fn text(observed: &Observed, goal: &Goal) -> String {
    planned(observed, goal).unwrap().to_string()
}

fn stage(generation: Generation, asker: Asker) -> Goal {
    Goal::Stage {
        generation: Box::new(generation),
        config: "schema = 1\n".to_owned(),
        asker,
    }
}

/// Generation 2 with another OS on trial, in boot `b2`, with this counter.
pub(super) fn on_trial(counter: Counter) -> Observed {
    let mut observed = node(&[generation(2, "2")]);
    let entry = Entry::new("2", BootSequence(2), root("2"));
    observed.esp.entries.push(entry.file(Some(counter)));
    observed.esp.ukis.insert(root("2"), UKI_SIZE);
    observed.booted = booted("2", "b2");
    observed.state.staged = None;
    observed.state.next_boot = BootSequence(3);
    observed
        .state
        .generations
        .insert(GenerationId(2), GenerationStatus::Trial);
    observed.state.trial = Some(trial(Some(2), TrialStage::Running));
    observed
}

pub(super) fn failed_check() -> Goal {
    let trigger = Trigger::Check {
        check: "container web".to_owned(),
        detail: "unhealthy".to_owned(),
    };
    Goal::End {
        trigger,
        log: Vec::new(),
    }
}

#[test]
fn staging_is_recorded_after_its_content() {
    let goal = stage(generation(0, "2"), Asker::Operator);
    insta::assert_snapshot!("stage", text(&node(&[]), &goal));
}

#[test]
fn a_new_generation_takes_the_place_of_the_staged_one() {
    let goal = stage(generation(0, "3"), Asker::Operator);
    insta::assert_snapshot!("stage_again", text(&node(&[generation(2, "2")]), &goal));
}

#[test]
fn staging_the_same_twice_does_nothing() {
    let goal = stage(generation(0, "2"), Asker::Operator);
    let plan = planned(&node(&[generation(2, "2")]), &goal).unwrap();
    assert_eq!((plan.steps, plan.to), (vec![], Some(GenerationId(2))));
}

#[test]
fn another_kernel_takes_a_reboot() {
    insta::assert_snapshot!("reboot", text(&node(&[generation(2, "2")]), &APPLY));
}

#[test]
fn another_config_renders_etc_and_replaces_what_may_depend_on_it() {
    let second = Generation {
        config: Digest::of(b"other"),
        ..generation(2, "1")
    };
    insta::assert_snapshot!("config", text(&node(&[second]), &APPLY));
}

#[test]
fn a_config_that_can_be_read_says_what_is_told_of_it_and_leaves_other_containers_alone() {
    let (mut first, mut second) = (generation(1, "1"), generation(2, "1"));
    second.config = Digest::of(b"other");
    let db = first.containers["web"].clone();
    for generation in [&mut first, &mut second] {
        generation.containers.insert("db".to_owned(), db.clone());
    }
    let base = "schema = 1\ncontainer.db.image = \"db:1\"\ncontainer.web.image = \"web:1\"\n";
    let changed = format!(
        "{base}container.web.env = {{ A = \"1\" }}\n\
         kernel.sysctl = {{ \"net.ipv4.ip_forward\" = \"1\" }}"
    );
    let read = |text: &str| orlop_config::parse("node.toml", text).unwrap();
    let mut observed = node(&[second.clone()]);
    observed.configs.insert(first.config.clone(), read(base));
    observed.configs.insert(second.config, read(&changed));
    observed.generations.insert(first.id, first);
    insta::assert_snapshot!("config_known", text(&observed, &APPLY));
}

#[test]
fn a_container_that_is_updated_start_first_is_said_not_to_be_interrupted() {
    let (first, mut second) = (generation(1, "1"), generation(2, "1"));
    second.config = Digest::of(b"other");
    let interrupts = |more: &str| {
        let base = "schema = 1\ncontainer.web.image = \"web:1\"\n";
        let changed = format!("{base}container.web.env = {{ A = \"1\" }}\n{more}");
        let read = |text: &str| orlop_config::parse("node.toml", text).unwrap();
        let mut observed = node(std::slice::from_ref(&second));
        observed.configs.insert(first.config.clone(), read(base));
        observed
            .configs
            .insert(second.config.clone(), read(&changed));
        observed.generations.insert(first.id, first.clone());
        planned(&observed, &APPLY).unwrap().interrupts
    };
    let start_first = "container.web.update = \"start-first\"\n";
    let said = "container web is replaced start-first: not interrupted";
    assert_eq!(interrupts(start_first), [said, "the host keeps running"]);
    // What changes the network under the old instance leaves it no place.
    let moved = format!("{start_first}net.default.subnet = \"10.77.0.0/24\"\n");
    let said = "container web is replaced: a few seconds";
    assert_eq!(interrupts(&moved), [said, "the host keeps running"]);
}

#[test]
fn another_container_image_replaces_that_container_only() {
    let mut first = generation(1, "1");
    let web = first.containers["web"].clone();
    first.containers.insert("db".to_owned(), web.clone());
    let mut second = Generation {
        id: GenerationId(2),
        ..first.clone()
    };
    let newer = crate::ContainerImage {
        manifest: Digest::of(b"newer"),
        ..web
    };
    second.containers.insert("web".to_owned(), newer);
    let mut observed = node(&[second]);
    observed.generations.insert(first.id, first);
    insta::assert_snapshot!("containers", text(&observed, &APPLY));
}

#[test]
fn a_passed_gate_blesses_the_entry() {
    let observed = on_trial(Counter { left: 2, done: 1 });
    let goal = Goal::End {
        trigger: Trigger::Gate,
        log: Vec::new(),
    };
    insta::assert_snapshot!("commit", text(&observed, &goal));
}

#[test]
fn a_failed_gate_removes_the_entry_and_restarts() {
    let observed = on_trial(Counter { left: 2, done: 1 });
    insta::assert_snapshot!("roll_back_by_check", text(&observed, &failed_check()));
}

#[test]
fn a_used_up_boot_counter_needs_no_restart_and_puts_the_image_on_hold() {
    let mut observed = on_trial(Counter { left: 0, done: 3 });
    observed.booted = booted("1", "b5");
    let goal = Goal::End {
        trigger: Trigger::BootCounter { tries: 3 },
        log: Vec::new(),
    };
    let plan = planned(&observed, &goal).unwrap();
    assert_eq!(plan.ends(), Ends::Here);
    let recorded = plan.steps.iter().rev().find_map(|step| match step {
        Step::RecordState { state, .. } => Some(state),
        _ => None,
    });
    let held: Vec<_> = recorded
        .unwrap()
        .held
        .iter()
        .map(|held| held.root.clone())
        .collect();
    assert_eq!(held, [root("2")], "the unchanged container is not");
    insta::assert_snapshot!("roll_back_by_counter", plan.to_string());
}

#[test]
fn an_operator_goes_back_by_a_counted_entry_too() {
    let mut observed = node(&[generation(2, "2")]);
    observed.state.staged = None;
    observed
        .state
        .generations
        .insert(GenerationId(2), GenerationStatus::Good);
    observed.state.current = Some(GenerationId(2));
    observed.booted = booted("2", "b2");
    let entry = Entry::new("2", BootSequence(2), root("2"));
    observed.esp.entries.push(entry.file(None));
    observed.esp.ukis.insert(root("2"), UKI_SIZE);
    observed.state.next_boot = BootSequence(3);
    let goal = Goal::RollBack {
        mode: None,
        to: None,
        caller: "uid 0".to_owned(),
    };
    insta::assert_snapshot!("roll_back_by_operator", text(&observed, &goal));
}

#[test]
fn an_operators_roll_back_stays_even_where_its_gate_fails() {
    let mut observed = on_trial(Counter { left: 2, done: 1 });
    observed.state.trial.as_mut().unwrap().kind = TrialKind::RollBack;
    insta::assert_snapshot!("stay", text(&observed, &failed_check()));
}

#[test]
fn going_on_with_a_switch_keeps_a_counter_that_the_boot_loader_has_touched() {
    let mut observed = on_trial(Counter { left: 1, done: 2 });
    observed.booted = booted("1", "b4");
    observed.state.trial = Some(trial(Some(2), TrialStage::Armed));
    let plan = planned(&observed, &Goal::GoOn).unwrap();
    assert!(
        !plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::WriteEntry { .. })),
        "{plan}"
    );
    observed.esp.entries.pop();
    insta::assert_snapshot!("go_on", text(&observed, &Goal::GoOn));
}

#[test]
fn an_orderly_stop_renames_the_entry_to_its_full_count() {
    let observed = on_trial(Counter { left: 1, done: 2 });
    insta::assert_snapshot!("give_try_back", text(&observed, &Goal::GiveTryBack));
    let full = on_trial(Counter::full(3));
    assert_eq!(planned(&full, &Goal::GiveTryBack).unwrap().steps, []);
}

#[test]
fn entering_notes_the_boot_and_the_beginning_of_the_gate() {
    let mut observed = on_trial(Counter { left: 2, done: 1 });
    observed.state.trial = Some(trial(Some(2), TrialStage::Armed));
    let plan = planned(&observed, &Goal::Enter).unwrap();
    let [Step::RecordState { state, .. }] = plan.steps.as_slice() else {
        panic!("{plan}")
    };
    let entered = state.trial.as_ref().unwrap();
    assert_eq!(entered.boot, BootId("b2".to_owned()));
    assert_eq!(
        (entered.boots, entered.gate_started),
        (1, Some(Uptime(60_000)))
    );
}

#[test]
fn settling_removes_what_no_switch_uses() {
    let mut observed = on_trial(Counter { left: 0, done: 3 });
    observed.state.trial = None;
    observed
        .state
        .generations
        .insert(GenerationId(2), GenerationStatus::Failed);
    observed.booted = booted("1", "b5");
    let goal = Goal::Settle {
        generation: GenerationId(1),
    };
    insta::assert_snapshot!("settle", text(&observed, &goal));
}

#[test]
fn the_image_to_go_back_to_makes_room_when_there_is_none_and_the_running_one_never_does() {
    let mut observed = node(&[generation(2, "2"), generation(3, "3")]);
    observed
        .state
        .generations
        .insert(GenerationId(2), GenerationStatus::Good);
    let old = Entry::new("2", BootSequence(0), root("2"));
    observed.esp.entries.push(old.file(None));
    observed.esp.ukis.insert(root("2"), UKI_SIZE);
    observed.esp.free = 100;
    let refused = Blocked::NotEnoughEspSpace {
        generation: GenerationId(3),
        need: UKI_SIZE + (1 << 20),
        have: UKI_SIZE + 100,
    };
    assert_eq!(planned(&observed, &APPLY), Err(refused));
    observed.esp.free = 1 << 20;
    insta::assert_snapshot!("make_room", text(&observed, &APPLY));
}

#[test]
fn the_first_generation_begins_with_nothing_to_go_back_to() {
    let mut observed = node(&[]);
    observed.state = NodeState::first(BootSequence(2));
    observed.generations.clear();
    let first = Box::new(generation(0, "1"));
    let goal = Goal::Begin {
        generation: first,
        config: "schema = 1\n".to_owned(),
    };
    insta::assert_snapshot!("begin", text(&observed, &goal));
    observed.booted = booted("2", "b1");
    let refused = Blocked::OtherImageRuns {
        generation: GenerationId(1),
    };
    assert_eq!(planned(&observed, &goal), Err(refused));
}

#[test]
fn a_held_image_is_for_the_operator_only() {
    let mut observed = node(&[]);
    let failed = generation(0, "2");
    observed.state.held.push(Held {
        manifest: failed.os.manifest.clone(),
        root: failed.os.root.clone(),
        generation: GenerationId(7),
    });
    let blocked = planned(&observed, &stage(failed.clone(), Asker::Agent)).unwrap_err();
    assert!(matches!(
        blocked,
        Blocked::Held {
            generation: GenerationId(7),
            ..
        }
    ));
    assert!(planned(&observed, &stage(failed, Asker::Operator)).is_ok());
}

#[test]
fn what_cannot_be_done_says_why() {
    let idle = node(&[]);
    let busy = on_trial(Counter::full(3));
    let back = |to: Option<u64>| Goal::RollBack {
        mode: None,
        to: to.map(GenerationId),
        caller: String::new(),
    };
    let mut staged = node(&[generation(2, "2")]);
    staged.uki_sizes.clear();
    let cases = [
        (&idle, APPLY),
        (&idle, back(None)),
        (&idle, back(Some(9))),
        (&idle, back(Some(1))),
        (&staged, back(Some(2))),
        (&staged, APPLY),
        (&idle, stage(generation(0, "1"), Asker::Operator)),
        (&idle, Goal::GoOn),
        (&busy, APPLY),
        (&busy, back(Some(9))),
        (
            &busy,
            Goal::Settle {
                generation: GenerationId(1),
            },
        ),
    ];
    let texts: Vec<_> = cases
        .iter()
        .map(|(node, goal)| planned(node, goal).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!("blocked", texts.join("\n"));
}

#[test]
fn what_a_switch_takes_is_derived_from_the_difference() {
    let one = generation(1, "1");
    let kernel = one.os.boot.clone();
    let newer = |os: &str| generation(2, os);
    let config = |g: Generation| Generation {
        config: Digest::of(b"other"),
        ..g
    };
    let bare = |g: Generation| Generation {
        containers: std::collections::BTreeMap::new(),
        ..g
    };
    let same_kernel = || {
        let mut second = newer("2");
        second.os.boot = kernel.clone();
        second
    };
    for (to, derived) in [
        (newer("1"), Means::Nothing),
        (bare(newer("1")), Means::Containers),
        (config(newer("1")), Means::Config),
        (bare(config(newer("1"))), Means::Config),
        (same_kernel(), Means::Live),
        (config(same_kernel()), Means::Live),
        (newer("2"), Means::Reboot),
    ] {
        assert_eq!(Means::between(&one, &to), derived);
    }
}

const TWO_CONTAINERS: &str = r#"
schema = 1
[net.front]
subnet = "10.88.1.0/24"
[container.db]
image = "registry.example.com/db:1"
networks = ["front"]
[container.web]
image = "registry.example.com/web:1"
env = { LEVEL = "info" }
"#;

/// Names of the containers that going from [`TWO_CONTAINERS`] to `text` replaces.
fn replaced(text: &str) -> Vec<String> {
    let parse = |text| orlop_config::parse("node.toml", text).unwrap();
    let mut first = generation(1, "1");
    let web = first.containers["web"].clone();
    first.containers.insert("db".to_owned(), web);
    first.config = Digest::of(TWO_CONTAINERS.as_bytes());
    let config = Digest::of(text.as_bytes());
    let second = Generation {
        id: GenerationId(2),
        config: config.clone(),
        ..first.clone()
    };
    let mut observed = node(&[second]);
    observed
        .configs
        .insert(first.config.clone(), parse(TWO_CONTAINERS));
    observed.configs.insert(config, parse(text));
    observed.generations.insert(first.id, first);
    let plan = planned(&observed, &APPLY).unwrap();
    let names = plan.steps.into_iter().find_map(|step| match step {
        Step::ReplaceContainers { start, .. } => Some(start),
        _ => None,
    });
    names.unwrap_or_default()
}

#[test]
fn another_config_replaces_only_the_containers_that_it_changes() {
    assert_eq!(replaced(&TWO_CONTAINERS.replace("info", "debug")), ["web"]);
    assert_eq!(
        replaced(&TWO_CONTAINERS.replace("10.88.1", "10.88.2")),
        ["db"]
    );
    let hostname = format!("{TWO_CONTAINERS}\n[host]\nname = \"edge-17\"\n");
    assert_eq!(replaced(&hostname), [""; 0]);
}
