//! The node as it is, read anew before each plan.

use crate::booted::Boot;
use crate::clock;
use crate::esp::{self, EspError};
use crate::paths::Paths;
use crate::records::{RecordError, Records};
use orlop_config::{Digest, NodeConfig, RootDigest};
use orlop_core::boot::BootSequence;
use orlop_core::{Esp, NodeState, Observed};
use orlop_image::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// It is not known what the node is like.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The ESP.
    #[error(transparent)]
    Esp(#[from] EspError),
    /// The agent's own records.
    #[error(transparent)]
    Records(#[from] RecordError),
}

fn size(path: &Path) -> Option<u64> {
    path.metadata()
        .ok()
        .filter(std::fs::Metadata::is_file)
        .map(|meta| meta.len())
}

fn read_esp(paths: &Paths) -> Result<Esp, EspError> {
    let ukis = esp::ukis(paths)?;
    let sizes = ukis.into_iter().filter_map(|root| {
        let size = size(&paths.place(&orlop_core::paths::uki(&root)))?;
        Some((root, size))
    });
    Ok(Esp {
        entries: esp::entries(paths)?,
        ukis: sizes.collect(),
        free: esp::free_bytes(paths)?,
    })
}

fn read_configs(paths: &Paths, digests: BTreeSet<&Digest>) -> BTreeMap<Digest, NodeConfig> {
    let mut configs = BTreeMap::new();
    for digest in digests {
        // A plan can do without: it then replaces every container instead of those that differ.
        match crate::config::on_record(paths, digest) {
            Ok(config) => {
                configs.insert(digest.clone(), config);
            }
            Err(fault) => log::warn!("{fault}"),
        }
    }
    configs
}

/// Reads the records, the ESP and the store's boot files.
///
/// # Errors
/// [`ObserveError`]: to plan without knowing could remove what is needed.
pub fn observe(paths: &Paths, store: &Store, boot: &Boot) -> Result<Observed, ObserveError> {
    let esp = read_esp(paths)?;
    let next_boot = BootSequence::after(&esp.entries);
    let records = Records::load(paths, next_boot)?;
    let roots: BTreeSet<&RootDigest> = records
        .generations
        .values()
        .map(|generation| &generation.os.root)
        .collect();
    let uki_sizes = roots
        .into_iter()
        .filter_map(|root| Some((root.clone(), size(&store.uki_path(root))?)))
        .collect();
    let digests = records
        .generations
        .values()
        .map(|generation| &generation.config)
        .collect();
    let configs = read_configs(paths, digests);
    let verdicts = records.verdicts.iter();
    let verdicts = verdicts
        .map(|verdict| (verdict.number, verdict.generation))
        .collect();
    Ok(Observed {
        state: records.state.unwrap_or_else(|| NodeState::first(next_boot)),
        generations: records.generations,
        booted: boot.booted.clone(),
        uptime: clock::uptime(),
        esp,
        uki_sizes,
        configs,
        checks: Vec::new(),
        config_files: crate::records::config_files(paths),
        verdicts,
    })
}
