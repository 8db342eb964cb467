//! Records that are damaged, of a newer agent, or not what their name says: each is named, and none
//! takes the node with it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use orlop_config::Digest;
use orlop_core::boot::BootSequence;
use orlop_core::{
    Generation, GenerationId, GenerationStatus, NodeState, Origin, OsImage, Timestamp, Trigger,
    VERDICT_FORMAT, Verdict, paths as core_paths,
};
use orlopd::paths::Paths;
use orlopd::records::{self, Records};
use std::fs;

fn generation(id: u64) -> Generation {
    Generation {
        id: GenerationId(id),
        os: OsImage {
            reference: "r.example/os:1".into(),
            manifest: Digest::of(b"os"),
            root: "ab".repeat(32).parse().unwrap(),
            version: "1".into(),
            boot: Digest::of(b"boot"),
        },
        config: Digest::of(b"schema = 1\n"),
        containers: Default::default(),
        created: Timestamp(1),
        origin: Origin::FirstBoot,
    }
}

fn verdict(number: u32, generation: u64, good: bool) -> Verdict {
    Verdict {
        format: VERDICT_FORMAT,
        number,
        generation: GenerationId(generation),
        good,
        running: GenerationId(1),
        trigger: if good {
            Trigger::Gate
        } else {
            Trigger::BootCounter { tries: 3 }
        },
        at: Timestamp(2),
        log: Vec::new(),
        checks: vec![],
    }
}

/// A node with two generations, the first good, the second failed, and this state file.
fn node(state: &[u8]) -> (tempfile::TempDir, Paths) {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::under(dir.path());
    let put = |path: &str, bytes: &[u8]| {
        let path = paths.place(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put(core_paths::STATE, state);
    for id in [1, 2] {
        put(
            &core_paths::generation(GenerationId(id)),
            &generation(id).encode(),
        );
    }
    put(
        &core_paths::verdict(GenerationId(1), 1),
        &verdict(1, 1, true).encode(),
    );
    put(
        &core_paths::verdict(GenerationId(2), 2),
        &verdict(2, 2, false).encode(),
    );
    (dir, paths)
}

fn load(paths: &Paths, dir: &tempfile::TempDir) -> Result<Records, String> {
    Records::load(paths, BootSequence(5)).map_err(|error| {
        orlopd::chain::chain(&error).replace(&dir.path().display().to_string(), "")
    })
}

#[test]
fn a_damaged_state_is_rebuilt_from_generations_and_verdicts_and_named() {
    for damage in [&b""[..], b"\0\0\0\0", b"{\"format\": 1, \"next_ge"] {
        let (dir, paths) = node(damage);
        let records = load(&paths, &dir).unwrap();
        let state = records.state.unwrap();
        assert_eq!(state.current, Some(GenerationId(1)));
        assert_eq!(
            state.status(GenerationId(2)),
            Some(GenerationStatus::Failed)
        );
        assert_eq!(state.next_generation, GenerationId(3));
        assert_eq!((state.next_boot, state.next_verdict), (BootSequence(5), 3));
        assert_eq!(records.problems.len(), 1);
        let problem = &records.problems[0];
        assert!(problem.contains("/state/orlop/state.json"), "{problem}");
        assert!(problem.ends_with("rebuilt from the generations and verdicts on record"));
    }
}

#[test]
fn the_state_of_a_newer_agent_is_refused_and_not_rebuilt() {
    let (dir, paths) = node(b"{\"format\": 2}");
    let error = load(&paths, &dir).unwrap_err();
    assert_eq!(
        error,
        "cannot use the node state /state/orlop/state.json: it has format 2, this agent knows 1; \
         start the OS image that wrote it, or a newer one"
    );
}

#[test]
fn a_damaged_generation_is_named_and_the_others_are_read() {
    let (dir, paths) = node(&NodeState::first(BootSequence(2)).encode());
    fs::write(paths.place(&core_paths::generation(GenerationId(2))), b"{").unwrap();
    let records = load(&paths, &dir).unwrap();
    assert_eq!(
        records.generations.keys().collect::<Vec<_>>(),
        [&GenerationId(1)]
    );
    assert_eq!(records.problems.len(), 1);
    assert!(
        records.problems[0].contains("generations/2.json"),
        "{:?}",
        records.problems
    );
}

#[test]
fn a_config_that_is_not_what_its_name_says_is_refused() {
    let (dir, paths) = node(&NodeState::first(BootSequence(2)).encode());
    let digest = Digest::of(b"schema = 1\n");
    let path = paths.place(&core_paths::config(&digest));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(records::config(&paths, &digest).unwrap().is_none());
    fs::write(&path, b"schema = 1\n").unwrap();
    assert_eq!(
        records::config(&paths, &digest).unwrap().as_deref(),
        Some("schema = 1\n")
    );
    fs::write(&path, b"schema = 2\n").unwrap();
    let error = records::config(&paths, &digest).unwrap_err().to_string();
    let error = error.replace(&dir.path().display().to_string(), "");
    let found = Digest::of(b"schema = 2\n");
    assert_eq!(
        error,
        format!(
            "cannot use {}: its digest is {found}; it is damaged",
            core_paths::config(&digest)
        )
    );
}
