//! What the services of a Compose file share.

use crate::note::Place;
use std::collections::{BTreeMap, BTreeSet};

/// What is declared at the top of the file, and what services say of each other.
#[derive(Debug, Default)]
pub(super) struct Project {
    /// Secrets, and the words for where their text is.
    pub(super) secrets: BTreeMap<String, String>,
    /// Configs and their text; none where it cannot be had.
    pub(super) configs: BTreeMap<String, Option<String>>,
    /// Services that others wait for to complete.
    pub(super) awaited: BTreeSet<String>,
    /// Further names of containers, as the TOML names them.
    pub(super) aliases: BTreeMap<String, Vec<(String, Place)>>,
    /// Hardware addresses that are a service's, whatever its networks: as the TOML names it, the address, where it stands.
    pub(super) macs: Vec<(String, String, Place)>,
}
