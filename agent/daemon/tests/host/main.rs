//! The whole host over a temporary directory: real driver, records, store and stage; no systemd and
//! no containers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod full_disk;
mod loop_in_place;
mod no_space;
mod os_image;
mod pull_policy;
mod update_policy;

use futures_util::StreamExt as _;
use orlop_api::{
    ApplyConfigRequest, ApplyRequest, EventKind, FaultKind, Job, JobId, JobState, Phase,
    RollBackRequest, StageRequest,
};
use orlop_config::Digest;
use orlop_core::boot::{BootSequence, Entry};
use orlop_core::{
    Generation, GenerationId, GenerationStatus, NodeState, Origin, OsImage, Timestamp,
    paths as core_paths,
};
use orlopd::effects::Real;
use orlopd::host::{self, Host};
use orlopd::ops::{Caller, Operations as _, Started};
use orlopd::paths::Paths;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

const TOML: &str = "schema = 1\nhost = { name = \"one\" }\n";
const ROOT: Caller = Caller::Local { uid: 0 };
/// Far longer than anything here takes; a node that hangs must fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

fn put(paths: &Paths, path: &str, bytes: &[u8]) {
    let path = paths.place(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A machine that was started by the initrd and has no records.
fn bare() -> (tempfile::TempDir, Paths) {
    bare_with_root(&"a".repeat(64))
}

/// The same, with this image as its root.
fn bare_with_root(root: &str) -> (tempfile::TempDir, Paths) {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path());
    fs::create_dir_all(paths.state()).unwrap();
    fs::create_dir_all(paths.esp()).unwrap();
    put(
        &paths,
        "/state/orlop/machine-id",
        b"0123456789abcdef0123456789abcdef\n",
    );
    let word = format!("{{\"root\": \"{root}\", \"verity\": false}}");
    put(&paths, "/etc/orlop/boot.json", word.as_bytes());
    (dir, paths)
}

/// A machine on a good first generation.
fn settled() -> (tempfile::TempDir, Paths) {
    let (dir, paths) = bare();
    let generation = Generation {
        id: GenerationId(1),
        os: OsImage {
            reference: "r.example/os:1".into(),
            manifest: Digest::of(b"os"),
            root: "a".repeat(64).parse().unwrap(),
            version: "1".into(),
            boot: Digest::of(b"boot"),
        },
        config: Digest::of(TOML.as_bytes()),
        containers: Default::default(),
        created: Timestamp(1),
        origin: Origin::FirstBoot,
    };
    let mut state = NodeState::first(BootSequence(2));
    state
        .generations
        .insert(GenerationId(1), GenerationStatus::Good);
    state.current = Some(GenerationId(1));
    state.next_generation = GenerationId(2);
    let entry = Entry::new("1", BootSequence(1), generation.os.root.clone());
    put(&paths, core_paths::STATE, &state.encode());
    put(
        &paths,
        &core_paths::generation(GenerationId(1)),
        &generation.encode(),
    );
    put(
        &paths,
        &core_paths::config(&generation.config),
        TOML.as_bytes(),
    );
    put(
        &paths,
        "/efi/loader/entries/orlop-1.conf",
        entry.content().as_bytes(),
    );
    put(&paths, &core_paths::uki(&generation.os.root), b"boot file");
    (dir, paths)
}

/// The host, once it has come to this phase.
async fn start(paths: &Paths, phase: Phase) -> Host {
    let host = host::start(paths.clone(), Arc::new(Real)).unwrap();
    let mut events = host.events();
    timeout(PATIENCE, async {
        while host.status().await.phase != phase {
            // Whichever event comes next, the phase may be another.
            let tick = tokio::time::sleep(Duration::from_millis(20));
            tokio::select! { _ = events.next() => {}, () = tick => {} }
        }
    })
    .await
    .unwrap_or_else(|_| panic!("the node does not come to {phase:?}"));
    host
}

/// The job, once it has ended.
async fn ended(host: &Host, id: JobId) -> Job {
    let mut events = host.events();
    timeout(PATIENCE, async {
        loop {
            let job = host.job(id).await.unwrap();
            if !matches!(job.state, JobState::Running { .. }) {
                return job;
            }
            while let Some(event) = events.next().await {
                if matches!(&event.kind, EventKind::Job { job } if job.id == id) {
                    break;
                }
            }
        }
    })
    .await
    .unwrap()
}

fn fault_of(job: &Job) -> (FaultKind, String) {
    match &job.state {
        JobState::Failed { fault } => (fault.kind, fault.message.clone()),
        other => panic!("{other:?}"),
    }
}

fn stage(os: &str) -> StageRequest {
    StageRequest {
        os: Some(os.to_owned()),
        config: None,
    }
}

#[tokio::test]
async fn a_node_without_a_toml_is_in_safe_mode_and_says_where_to_put_one() {
    let (_dir, paths) = bare();
    let host = start(&paths, Phase::SafeMode).await;
    let status = host.status().await;
    let said = status.problems.iter().any(|problem| {
        problem.contains("neither a credential `orlop.node` nor a file `orlop/node.toml`")
    });
    assert!(said, "{:?}", status.problems);
    let fault = host.stage(stage("r.example/os:2"), ROOT).await.unwrap_err();
    assert_eq!(fault.message, "cannot stage: the node has no config yet");
    assert_eq!(fault.kind, FaultKind::Refused);
    assert_eq!(host.status().await.job, None, "a refusal is no job");
}

#[tokio::test]
async fn a_bad_first_toml_is_told_line_by_line() {
    let (_dir, paths) = bare();
    put(
        &paths,
        "/efi/orlop/node.toml",
        b"schema = 1\nbogus = 1\n[gate]\nhold = 5\n",
    );
    let host = start(&paths, Phase::SafeMode).await;
    let problems = host.status().await.problems;
    assert!(
        problems.contains(&"cannot use node.toml: 2 problems".to_owned()),
        "{problems:?}"
    );
    assert!(
        problems.iter().any(|p| p.starts_with("line 2, column 1: ")),
        "{problems:?}"
    );
    assert!(
        problems.iter().any(|p| p.starts_with("line 4, column ")),
        "{problems:?}"
    );
}

#[tokio::test]
async fn a_settled_node_shows_its_generation_and_refuses_what_makes_no_sense() {
    let (_dir, paths) = settled();
    let host = start(&paths, Phase::Idle).await;
    let status = host.status().await;
    assert_eq!(status.current.map(|g| g.id), Some(1));
    assert_eq!(host.config(Default::default()).await.unwrap().text, TOML);
    let apply = host.apply(ApplyRequest::default(), ROOT).await.unwrap_err();
    assert_eq!(
        apply.message,
        "cannot apply: no generation is staged; `orlop update stage` stages one"
    );
    let back = host
        .roll_back(RollBackRequest::default(), ROOT)
        .await
        .unwrap_err();
    assert_eq!(
        back.message,
        "cannot go back: there is no earlier good generation on record"
    );
    let bad = ApplyConfigRequest {
        config: "schema = 2\n".into(),
        mode: None,
        confirm_secs: None,
        dry_run: false,
    };
    assert_eq!(
        host.apply_config(bad, ROOT).await.unwrap_err().kind,
        FaultKind::Config
    );
    assert_eq!(host.status().await.phase, Phase::Idle);
}

#[tokio::test]
async fn an_image_that_is_not_there_fails_the_job_and_changes_nothing() {
    let (dir, paths) = settled();
    let host = start(&paths, Phase::Idle).await;
    let state = fs::read(paths.place(core_paths::STATE)).unwrap();
    let image = format!("oci:{}/nothing:1", dir.path().display());
    let id = host.stage(stage(&image), ROOT).await.unwrap();
    let (kind, message) = fault_of(&ended(&host, id).await);
    assert_eq!(kind, FaultKind::NotFound, "{message}");
    assert!(message.contains(&image), "{message}");
    assert_eq!(host.status().await.phase, Phase::Idle);
    assert_eq!(fs::read(paths.place(core_paths::STATE)).unwrap(), state);
}

#[tokio::test]
async fn a_second_stage_is_refused_while_one_runs_and_a_cancelled_one_leaves_the_node_idle() {
    let (_dir, paths) = settled();
    let host = start(&paths, Phase::Idle).await;
    // A registry that takes the connection and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let image = format!("{}/os:2", silent.local_addr().unwrap());
    let id = host.stage(stage(&image), ROOT).await.unwrap();
    let fault = host.stage(stage(&image), ROOT).await.unwrap_err();
    assert_eq!(fault.message, "cannot stage: job 1 (stage) is running");
    assert_eq!(fault.kind, FaultKind::Refused);
    host.cancel(id, ROOT).await.unwrap();
    let (_, message) = fault_of(&ended(&host, id).await);
    assert_eq!(message, "cannot finish staging: cancelled");
    assert_eq!(host.status().await.phase, Phase::Idle);
}

#[tokio::test]
async fn a_rehearsed_config_gives_the_plan_and_records_nothing() {
    let (_dir, paths) = settled();
    let host = start(&paths, Phase::Idle).await;
    let config = TOML.replace("one", "two");
    let request = ApplyConfigRequest {
        config,
        mode: None,
        confirm_secs: None,
        dry_run: true,
    };
    match host.apply_config(request, ROOT).await.unwrap() {
        Started::Plan(plan) => assert!(plan.contains("generation 2"), "{plan}"),
        Started::Job(id) => panic!("a rehearsal became job {}", id.0),
    }
    assert_eq!(host.generations().await.len(), 1);
    assert_eq!(host.status().await.job, None);
}
