//! Waiting for a switch.

use crate::node::{MemoryNode, NOW};
use crate::run::{Door, shown};
use orlop_api::{Phase, Trigger, VerdictView};
use std::process::Stdio;
use std::time::Duration;

/// Long enough for anything on this machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// `orlop ARGUMENTS --wait` on a node that, once it has been asked, comes to this verdict.
async fn switch(arguments: &[&str], verdict: VerdictView) -> String {
    let door = Door::new(MemoryNode::default());
    let command = door
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = async {
        while door.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    *door.node.verdict.lock().unwrap() = Some(verdict);
    *door.node.phase.lock().unwrap() = Phase::Idle;
    shown(
        &tokio::time::timeout(PATIENCE, command.wait_with_output())
            .await
            .unwrap()
            .unwrap(),
    )
}

fn verdict(generation: u64, good: bool, trigger: Trigger) -> VerdictView {
    VerdictView {
        generation,
        good,
        running: 2,
        trigger,
        at: NOW,
        log: Vec::new(),
        checks: vec![],
    }
}

/// What is on stderr depends on how often the command looked.
fn without_talk(shown: &str) -> &str {
    shown.split("--- stderr").next().unwrap()
}

#[tokio::test]
async fn a_switch_that_stays_exits_0() {
    let shown = switch(
        &["update", "apply", "--wait"],
        verdict(2, true, Trigger::Gate),
    )
    .await;
    insta::assert_snapshot!(without_talk(&shown));
}

#[tokio::test]
async fn a_trial_that_failed_exits_9_and_tells_why() {
    // The job switches to generation 2, and another one runs in the end.
    let mut bad = verdict(2, false, Trigger::BootCounter { tries: 3 });
    bad.running = 1;
    bad.log = vec!["panic: no root".to_owned()];
    let door = Door::new(MemoryNode::default());
    *door.node.current.lock().unwrap() = 1;
    let command = door
        .command(&["update", "apply", "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = async {
        while door.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    *door.node.verdict.lock().unwrap() = Some(bad);
    *door.node.phase.lock().unwrap() = Phase::Degraded;
    let output = tokio::time::timeout(PATIENCE, command.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    insta::assert_snapshot!(without_talk(&shown(&output)));
}

#[tokio::test]
async fn the_outcome_as_json() {
    let operator = Trigger::Operator {
        caller: "uid 0".to_owned(),
    };
    let shown = switch(
        &["rollback", "--wait", "--json"],
        verdict(3, false, operator),
    )
    .await;
    insta::assert_snapshot!(without_talk(&shown));
}

#[tokio::test]
async fn waiting_ends_with_an_error_when_the_time_is_over() {
    let door = Door::new(MemoryNode::default());
    let shown = door
        .run(&["update", "apply", "--wait", "--timeout", "1"])
        .await;
    insta::assert_snapshot!(shown);
}
