//! OS images, configs and containers, which behave by a word in their names.

use orlop_config::{Digest, RootDigest};
use orlop_core::{ContainerImage, Generation, GenerationId, Origin, OsImage, Timestamp};
use std::collections::BTreeMap;

/// It never comes up.
pub(super) fn is_dead(version: &str) -> bool {
    version.contains("dead")
}

/// Its kernel panics when the gate begins to judge.
pub(super) fn panics_late(version: &str) -> bool {
    version.contains("panics")
}

/// It hangs when the gate begins to judge, and the watchdog bites.
pub(super) fn hangs_late(version: &str) -> bool {
    version.contains("hangs")
}

/// Its agent never stays up.
pub(super) fn has_no_agent(version: &str) -> bool {
    version.contains("no agent")
}

pub(super) fn fails_gate(generation: &Generation) -> bool {
    generation.os.version.contains("sick")
        || generation.origin == Origin::Config && is_sick_config(generation)
        || generation
            .containers
            .values()
            .any(|image| image.reference.contains("sick"))
}

pub(super) fn is_sick_config(generation: &Generation) -> bool {
    generation.config == Digest::of(b"sick config")
}

pub(crate) fn os(version: &str, kernel: &str) -> OsImage {
    OsImage {
        reference: format!("registry/os:{version}"),
        manifest: Digest::of(format!("manifest {version}").as_bytes()),
        root: root(version),
        version: version.to_owned(),
        boot: Digest::of(kernel.as_bytes()),
    }
}

pub(crate) fn root(version: &str) -> RootDigest {
    Digest::of(format!("root {version}").as_bytes())
        .hex()
        .parse()
        .unwrap()
}

pub(crate) fn generation(os: OsImage, config: &str, web: &str) -> Generation {
    let image = ContainerImage {
        reference: format!("registry/web:{web}"),
        manifest: Digest::of(format!("web {web}").as_bytes()),
        root: root(&format!("web {web}")),
    };
    Generation {
        id: GenerationId(0),
        os,
        config: Digest::of(config.as_bytes()),
        containers: BTreeMap::from([("web".to_owned(), image)]),
        created: Timestamp(1000),
        origin: Origin::Config,
    }
}
