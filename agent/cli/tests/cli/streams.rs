//! Streams: shown as they come.

use crate::node::MemoryNode;
use crate::node::views::bad_verdict;
use crate::run::Door;
use orlop_api::{CheckView, EventKind, Phase};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Long enough for anything on this machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

async fn until_readers(door: &Door, count: usize) {
    let reached = async {
        while door.node.readers.load(Ordering::SeqCst) != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("readers come and go");
}

#[tokio::test]
async fn events_are_shown_as_they_happen_and_stop_with_the_command() {
    let door = Door::new(MemoryNode::default());
    let mut command = door
        .command(&["events"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(command.stdout.take().unwrap()).lines();
    until_readers(&door, 1).await;
    let check = CheckView {
        name: "container web".to_owned(),
        pass: Some(false),
        detail: "unhealthy".to_owned(),
    };
    for (kind, text) in [
        (
            EventKind::Phase {
                phase: Phase::Trial,
            },
            "phase      trial",
        ),
        (
            EventKind::Check { check },
            "check      fail  container web: unhealthy",
        ),
        (
            EventKind::Container {
                name: "web".to_owned(),
                state: "running healthy".to_owned(),
            },
            "container  web: running healthy",
        ),
        (
            EventKind::Verdict {
                verdict: bad_verdict(),
            },
            "verdict    generation 3 failed: check `container web` did not pass in time: unhealthy: \
             exit status 1; generation 2 runs",
        ),
    ] {
        door.node.happen(kind);
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            line.as_deref(),
            Some(format!("2026-11-22 02:25:07Z  {text}").as_str())
        );
    }
    command.kill().await.unwrap();
    until_readers(&door, 0).await;
}

#[tokio::test]
async fn following_a_log_goes_on_after_its_last_line() {
    let door = Door::new(MemoryNode::default());
    let mut command = door
        .command(&["container", "logs", "web", "-f", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(command.stdout.take().unwrap()).lines();
    for n in 0..2 {
        let line = tokio::time::timeout(PATIENCE, lines.next_line())
            .await
            .unwrap()
            .unwrap();
        let expected = format!("{{\"at_micros\":179531430700000{n},\"text\":\"line {n}\"}}");
        assert_eq!(line, Some(expected));
    }
    assert_eq!(command.try_wait().unwrap(), None);
    command.kill().await.unwrap();
    until_readers(&door, 0).await;
}
