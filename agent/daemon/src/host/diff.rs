//! `orlop diff`: reads what two generations name, for the core to compare.

use super::shared::Shared;
use crate::chain::chain;
use crate::{config, faults};
use orlop_api::{Diff, DiffQuery, Fault, FaultKind};
use orlop_config::RootDigest;
use orlop_core::{DiffSide, FileDetail, Generation, GenerationId};
use orlop_image::{FileState, Store};
use std::collections::BTreeMap;
use tokio::task::spawn_blocking;

/// What is read of one generation.
struct Read {
    generation: Generation,
    config: Option<String>,
    packages: Option<BTreeMap<String, String>>,
    files: Option<BTreeMap<String, FileState>>,
}

/// What the two generations of `query` differ in.
///
/// # Errors
/// `NotFound` where a generation is not on record or none is staged, `Internal` where the store
/// cannot be read.
pub(super) async fn diff(shared: &Shared, query: &DiffQuery) -> Result<Diff, Fault> {
    let records = shared.records()?;
    let state = records.state.as_ref();
    let from = match query.from {
        Some(id) => GenerationId(id),
        None => (*shared.running.borrow()).ok_or_else(|| {
            Fault::new(FaultKind::NotFound, "no generation runs yet")
                .hint("`orlop status` shows what the node waits for")
        })?,
    };
    let to = match query.to {
        Some(id) => GenerationId(id),
        None => state.and_then(|state| state.staged).ok_or_else(|| {
            Fault::new(
                FaultKind::NotFound,
                "cannot compare: no generation is staged",
            )
            .hint("`orlop update stage` stages one; `orlop diff A B` compares any two on record")
        })?,
    };
    let find = |id: GenerationId| {
        let found = records.generations.get(&id).cloned();
        found.ok_or_else(|| {
            Fault::new(FaultKind::NotFound, format!("cannot find generation {id}"))
                .hint("`orlop generations` lists those on record")
        })
    };
    let (from, to) = (find(from)?, find(to)?);
    let text = |generation: &Generation| {
        config::text_on_record(&shared.paths, &generation.config)
            .inspect_err(|fault| log::warn!("comparing without a config: {fault}"))
            .ok()
    };
    let configs = (text(&from), text(&to));
    let detail = match query.files {
        true => FileDetail::Named,
        false => FileDetail::Counted,
    };
    let store = shared.store.clone();
    let compared = spawn_blocking(move || {
        // Images that are the same need not be read.
        let other = from.os.root != to.os.root;
        let old = read(&store, from, configs.0, other)?;
        let new = read(&store, to, configs.1, other)?;
        Ok(orlop_core::diff(side(&old), side(&new), detail))
    });
    compared
        .await
        .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))?
}

fn side(read: &Read) -> DiffSide<'_, FileState> {
    DiffSide {
        generation: &read.generation,
        config: read.config.as_deref(),
        packages: read.packages.as_ref(),
        files: read.files.as_ref(),
    }
}

fn read(
    store: &Store,
    generation: Generation,
    config: Option<String>,
    with_image: bool,
) -> Result<Read, Fault> {
    let root = &generation.os.root;
    let (packages, files) = match with_image && has_image(store, root)? {
        true => (packages(store, root)?, Some(files(store, root)?)),
        false => (None, None),
    };
    Ok(Read {
        generation,
        config,
        packages,
        files,
    })
}

/// An image that was damaged and is to be fetched again has no record.
fn has_image(store: &Store, root: &RootDigest) -> Result<bool, Fault> {
    let records = store.records().map_err(|error| faults::of_store(&error))?;
    Ok(records.iter().any(|record| record.root == *root))
}

fn packages(store: &Store, root: &RootDigest) -> Result<Option<BTreeMap<String, String>>, Fault> {
    let packages = store
        .packages(root)
        .map_err(|error| faults::of_store(&error))?;
    let by_name = |list: Vec<orlop_image::Package>| {
        let pairs = list
            .into_iter()
            .map(|package| (package.name, package.version));
        pairs.collect()
    };
    Ok(packages.map(by_name))
}

fn files(store: &Store, root: &RootDigest) -> Result<BTreeMap<String, FileState>, Fault> {
    let files = store
        .files(root)
        .map_err(|error| faults::of_store(&error))?;
    let named = files
        .into_iter()
        .map(|(path, state)| (path.to_string_lossy().into_owned(), state));
    Ok(named.collect())
}
