//! The loop without a restart: first boot, a good config, a bad one, the way back; and a staged OS.

use super::{PATIENCE, ROOT, bare_with_root, ended, fault_of, put, stage, start};
use crate::os_image;
use futures_util::StreamExt as _;
use orlop_api::{
    ApplyConfigRequest, ApplyRequest, EventKind, GenerationStatus, JobState, Phase,
    RollBackRequest, Trigger, VerdictView,
};
use orlop_image::{PullOptions, Store, Verity, pull};
use orlopd::host::Host;
use orlopd::ops::{Operations as _, Started};
use orlopd::paths::Paths;
use std::fs;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

fn toml(host: &str, check: &str) -> String {
    format!(
        "schema = 1\nhost = {{ name = \"{host}\" }}\n\
         [gate]\nhold = \"1s\"\ndeadline = \"3s\"\n{check}"
    )
}

/// A machine as `orlop-image disk` makes it: OS 1 runs, and the store has it.
pub(super) async fn installed(toml: &str) -> (tempfile::TempDir, Paths) {
    let images = tempfile::tempdir().unwrap();
    let os = os_image::make(images.path(), "1");
    let (dir, paths) = bare_with_root(os.root.as_str());
    let store = Store::open_or_init(&paths.store(), Verity::Off).unwrap();
    let reference = os.reference.parse().unwrap();
    let (options, cancel) = (PullOptions::default(), CancellationToken::new());
    pull(&store, &reference, &options, &|_| (), &cancel)
        .await
        .unwrap();
    put(&paths, &orlop_core::paths::uki(&os.root), &os.uki);
    let entry = orlop_core::boot::Entry::new("1", orlop_core::boot::BootSequence(1), os.root);
    put(
        &paths,
        "/efi/loader/entries/orlop-1.conf",
        entry.content().as_bytes(),
    );
    put(&paths, "/efi/orlop/node.toml", toml.as_bytes());
    (dir, paths)
}

fn host_name(paths: &Paths) -> String {
    fs::read_to_string(paths.etc().join("hostname"))
        .unwrap()
        .trim()
        .to_owned()
}

/// Applies a config and waits for its verdict.
async fn applied(host: &Host, config: String) -> VerdictView {
    let mut events = host.events();
    let request = ApplyConfigRequest {
        config,
        mode: None,
        confirm_secs: None,
        dry_run: false,
    };
    match host.apply_config(request, ROOT).await.unwrap() {
        Started::Job(_) => {}
        Started::Plan(plan) => panic!("{plan}"),
    }
    timeout(PATIENCE, async {
        loop {
            if let EventKind::Verdict { verdict } = events.next().await.unwrap().kind {
                return verdict;
            }
        }
    })
    .await
    .unwrap()
}

pub(super) async fn come_to(host: &Host, phase: Phase) {
    timeout(PATIENCE, async {
        while host.phase() != phase {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("the node stays {:?}", host.phase()));
}

#[tokio::test]
async fn a_good_config_is_committed_and_a_bad_one_thrown_out_with_its_check_named() {
    let (_dir, paths) = installed(&toml("one", "")).await;
    let host = start(&paths, Phase::Idle).await;
    let first = host.status().await.current.unwrap();
    assert_eq!(
        (first.id, first.status, first.origin.as_str()),
        (1, GenerationStatus::Good, "first boot")
    );
    assert_eq!(host_name(&paths), "one");

    let verdict = applied(&host, toml("two", "")).await;
    assert_eq!(
        (verdict.generation, verdict.good, verdict.running),
        (2, true, 2)
    );
    come_to(&host, Phase::Idle).await;
    assert_eq!(host_name(&paths), "two");

    // Nothing listens on the discard port of this machine.
    let bad = toml("three", "[[gate.check]]\ntcp = \"127.0.0.1:9\"\n");
    let verdict = applied(&host, bad).await;
    assert_eq!(
        (verdict.generation, verdict.good, verdict.running),
        (3, false, 2)
    );
    match &verdict.trigger {
        Trigger::Check { check, detail } => {
            assert_eq!(check, "tcp 127.0.0.1:9");
            assert!(detail.starts_with("cannot connect: "), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    come_to(&host, Phase::Idle).await;
    assert_eq!(host_name(&paths), "two");
    let why = host.why().await;
    assert!(why.not_newer.unwrap().contains("tcp 127.0.0.1:9"));

    let back = host
        .roll_back(RollBackRequest::default(), ROOT)
        .await
        .unwrap();
    assert!(matches!(back, Started::Job(_)));
    come_to(&host, Phase::Idle).await;
    assert_eq!(host.status().await.current.map(|g| g.id), Some(1));
    assert_eq!(host_name(&paths), "one");
}

#[tokio::test]
async fn an_agent_that_is_killed_in_a_trial_goes_on_judging() {
    let (_dir, paths) = installed(&toml("one", "")).await;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let killed = paths.clone();
    let task = runtime.spawn(async move {
        let host = start(&killed, Phase::Trial).await;
        host.status().await.trial.map(|trial| trial.generation)
    });
    assert_eq!(task.await.unwrap(), Some(1));
    // Every task of the first agent ends where it is.
    runtime.shutdown_background();
    let host = start(&paths, Phase::Idle).await;
    assert_eq!(
        host.status().await.current.map(|g| g.status),
        Some(GenerationStatus::Good)
    );
}

#[tokio::test]
async fn an_os_image_is_staged_whole_and_a_switch_that_cannot_restart_leaves_the_node_as_it_was() {
    let (dir, paths) = installed(&toml("one", "")).await;
    let host = start(&paths, Phase::Idle).await;
    let os = os_image::make(dir.path(), "2");
    let job = ended(&host, host.stage(stage(&os.reference), ROOT).await.unwrap()).await;
    match &job.state {
        JobState::Done {
            generation,
            summary,
        } => {
            assert_eq!(
                (*generation, summary.as_str()),
                (Some(2), "generation 2 is staged")
            );
        }
        other => panic!("{other:?}"),
    }
    let staged = host.status().await.staged.unwrap();
    assert_eq!(staged.os.root, os.root.to_string());
    match host
        .apply(
            ApplyRequest {
                mode: None,
                confirm_secs: None,
                dry_run: true,
            },
            ROOT,
        )
        .await
        .unwrap()
    {
        Started::Plan(plan) => assert!(plan.contains("reboot"), "{plan}"),
        Started::Job(id) => panic!("a rehearsal became job {}", id.0),
    }
    // A node in a directory cannot restart its machine.
    let id = match host
        .apply(
            ApplyRequest {
                mode: None,
                confirm_secs: None,
                dry_run: false,
            },
            ROOT,
        )
        .await
        .unwrap()
    {
        Started::Job(id) => id,
        Started::Plan(plan) => panic!("{plan}"),
    };
    let (_, message) = fault_of(&ended(&host, id).await);
    assert!(message.contains("cannot restart the machine"), "{message}");
    come_to(&host, Phase::Idle).await;
    assert_eq!(host.status().await.current.map(|g| g.id), Some(1));
    let entries: Vec<_> = orlopd::esp::entries(&paths).unwrap();
    let names: Vec<_> = entries.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["orlop-1.conf"]);
}
