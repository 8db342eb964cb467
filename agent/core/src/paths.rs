//! Where things lie on a node. The table is docs/design/loop.md's.

use crate::{GenerationId, boot::BootSequence};
use orlop_config::{Digest, RootDigest};

/// The agent's node state.
pub const STATE: &str = "/state/orlop/state.json";
/// The note of an agent that could not stay up.
pub const AGENT_FAILURE: &str = "/state/orlop/agent-failure.json";
/// Directory of the generations.
pub const GENERATIONS: &str = "/state/orlop/generations";
/// Directory of the TOMLs.
pub const CONFIGS: &str = "/state/orlop/configs";
/// Directory of the verdicts.
pub const VERDICTS: &str = "/state/orlop/verdicts";
/// Directory of the UKIs, as the running system sees it.
pub const UKIS: &str = "/efi/EFI/orlop";
/// Directory of the boot entries, as the running system sees it.
pub const ENTRIES: &str = "/efi/loader/entries";

/// The file of a generation.
pub fn generation(id: GenerationId) -> String {
    format!("{GENERATIONS}/{id}.json")
}

/// The file of a TOML.
pub fn config(digest: &Digest) -> String {
    format!("{CONFIGS}/{}.toml", digest.hex())
}

/// The file of the `number`th verdict of this node, which is about `generation`.
pub fn verdict(generation: GenerationId, number: u32) -> String {
    format!("{VERDICTS}/{generation}-{number}.json")
}

/// The file of an OS image's UKI, as the running system sees it.
pub fn uki(root: &RootDigest) -> String {
    format!("{UKIS}/{root}.efi")
}

/// The same file as the boot loader sees it: from the root of the ESP.
pub fn uki_on_esp(root: &RootDigest) -> String {
    format!("/EFI/orlop/{root}.efi")
}

/// The file of a boot entry.
pub fn entry(file_name: &str) -> String {
    format!("{ENTRIES}/{file_name}")
}

/// The systemd unit of a container.
pub fn container_unit(name: &str) -> String {
    format!("orlop-container-{name}.service")
}

/// The stem of a boot entry's file name, which is the same whatever its counter.
pub fn entry_stem(sequence: BootSequence) -> String {
    format!("orlop-{sequence}")
}
