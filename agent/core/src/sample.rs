//! Samples for this crate's tests.

use crate::boot::{BootSequence, Booted, Entry, Remains};
use crate::{
    BootId, ContainerImage, Esp, Generation, GenerationId, GenerationStatus, Means, NodeState,
    Observed, Origin, OsImage, Timestamp, Trial, TrialKind, TrialStage, Uptime,
};
use orlop_config::{Digest, RootDigest};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const UKI_SIZE: u64 = 50 << 20;

pub(crate) fn root(version: &str) -> RootDigest {
    Digest::of(format!("root {version}").as_bytes())
        .hex()
        .parse()
        .unwrap()
}

/// Generation `id` with OS `os`; every OS has a kernel of its own.
pub(crate) fn generation(id: u64, os: &str) -> Generation {
    let web = ContainerImage {
        reference: "registry.example.com/web:1.4".to_owned(),
        manifest: Digest::of(b"web"),
        root: root("web"),
    };
    Generation {
        id: GenerationId(id),
        os: OsImage {
            reference: "registry.example.com/orlop/os:stable".to_owned(),
            manifest: Digest::of(os.as_bytes()),
            root: root(os),
            version: os.to_owned(),
            boot: Digest::of(format!("kernel of {os}").as_bytes()),
        },
        config: Digest::of(b"config"),
        containers: BTreeMap::from([("web".to_owned(), web)]),
        created: Timestamp(1_700_000_000),
        origin: Origin::Update,
    }
}

/// A node on good generation 1 with OS 1, with these other generations on record, staged.
pub(crate) fn node(others: &[Generation]) -> Observed {
    let first = generation(1, "1");
    let entry = Entry::new("1", BootSequence(1), first.os.root.clone());
    let mut state = NodeState::first(BootSequence(2));
    state.current = Some(first.id);
    state.generations.insert(first.id, GenerationStatus::Good);
    for other in others {
        state.generations.insert(other.id, GenerationStatus::Staged);
        state.staged = Some(other.id);
    }
    state.next_generation = GenerationId(others.len() as u64 + 2);
    let all = || others.iter().chain([&first]);
    Observed {
        generations: all().map(|g| (g.id, g.clone())).collect(),
        booted: booted("1", "b1"),
        uptime: Uptime(60_000),
        esp: Esp {
            entries: vec![entry.file(None)],
            ukis: BTreeMap::from([(first.os.root.clone(), UKI_SIZE)]),
            free: 4 * UKI_SIZE,
        },
        uki_sizes: all().map(|g| (g.os.root.clone(), UKI_SIZE)).collect(),
        configs: BTreeMap::new(),
        checks: Vec::new(),
        config_files: BTreeSet::new(),
        verdicts: BTreeMap::new(),
        state,
    }
}

pub(crate) fn booted(os: &str, boot: &str) -> Booted {
    Booted {
        root: root(os),
        boot: BootId(boot.to_owned()),
        remains: Remains::default(),
    }
}

/// The trial of generation 2 against generation 1, armed in boot `b1`.
pub(crate) fn trial(entry: Option<u64>, stage: TrialStage) -> Trial {
    Trial {
        generation: GenerationId(2),
        kind: TrialKind::Update,
        fallback: Some(GenerationId(1)),
        stage,
        means: Means::Reboot,
        entry: entry.map(BootSequence),
        tries: 3,
        boots: 0,
        attempts: 1,
        given_back: 0,
        boot: BootId("b1".to_owned()),
        armed: Timestamp(1_700_000_100),
        gate_started: None,
        confirm: None,
    }
}
