//! Volumes as callers see them, and what they may do with them.

use super::shared::Shared;
use crate::chain::chain;
use crate::config;
use crate::ops::Tar;
use orlop_api::{Fault, FaultKind, VolumeDetail, VolumeView};
use orlop_config::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every volume that is declared, on disk, or used by a generation on record.
pub(super) async fn list(shared: &Shared) -> Result<Vec<VolumeView>, Fault> {
    let made = shared.live.runtime().made_volumes().await?;
    let of_generations = generations(shared);
    let declared = shared.live.runtime().declared_volumes();
    let quotas = shared.live.runtime().quotas_of_volumes(&made).await?;
    let names: BTreeSet<&Name> = made.iter().chain(declared.keys()).collect();
    let views = names.into_iter().map(|name| {
        let users = shared.live.runtime().users_of_volume(name);
        VolumeView {
            name: name.to_string(),
            made: made.contains(name),
            declared: declared.contains_key(name),
            containers: users.iter().map(Name::to_string).collect(),
            generations: of_generations.get(name).cloned().unwrap_or_default(),
            limit_bytes: quotas.get(name).and_then(|quota| quota.limit),
            counted_bytes: quotas.get(name).map(|quota| quota.used),
        }
    });
    Ok(views.collect())
}

/// Which generations on record have containers that use which volume. A config that cannot be read any more
/// uses none: it cannot be gone back to either.
fn generations(shared: &Shared) -> BTreeMap<Name, Vec<u64>> {
    let mut used: BTreeMap<Name, BTreeSet<u64>> = BTreeMap::new();
    let generations = match shared.records() {
        Ok(records) => records.generations,
        Err(fault) => {
            log::warn!("cannot tell which generations use which volumes: {fault}");
            return BTreeMap::new();
        }
    };
    for (id, generation) in generations {
        let text = config::text_on_record(&shared.paths, &generation.config);
        let Ok(parsed) = text.and_then(|text| config::parse(&text)) else {
            continue;
        };
        // What is not enabled may be so again, and expects to find it.
        let all = parsed.container.values().chain(parsed.disabled.values());
        for mount in all.flat_map(|one| &one.volumes) {
            used.entry(mount.volume.clone()).or_default().insert(id.0);
        }
    }
    let listed = used.into_iter();
    listed
        .map(|(name, ids)| (name, ids.into_iter().collect()))
        .collect()
}

async fn one(shared: &Shared, volume: &str) -> Result<VolumeView, Fault> {
    let views = list(shared).await?;
    let view = views.into_iter().find(|view| view.name == volume);
    view.ok_or_else(|| {
        let message = format!("cannot find volume {volume}");
        Fault::new(FaultKind::NotFound, message).hint("`orlop volume ls` lists them")
    })
}

/// One volume with what it holds.
pub(super) async fn detail(shared: &Shared, volume: &str) -> Result<VolumeDetail, Fault> {
    let view = one(shared, volume).await?;
    if !view.made {
        return Ok(VolumeDetail {
            volume: view,
            path: String::new(),
            used_bytes: 0,
            entries: 0,
        });
    }
    let (path, measured) = shared.live.runtime().measure_volume(volume).await?;
    Ok(VolumeDetail {
        volume: view,
        path: path.display().to_string(),
        used_bytes: measured.bytes,
        entries: measured.entries,
    })
}

/// Removes a volume, unless a container uses it, or, without `force`, one of another generation on record.
pub(super) async fn remove(shared: &Shared, volume: &str, force: bool) -> Result<(), Fault> {
    let view = one(shared, volume).await?;
    if !force && view.containers.is_empty() && !view.generations.is_empty() {
        let ids: Vec<String> = view.generations.iter().map(u64::to_string).collect();
        let message = format!(
            "cannot remove volume {volume}: containers of generation {} on record use it",
            ids.join(", ")
        );
        return Err(Fault::new(FaultKind::Refused, message)
            .hint("a roll back would find it empty; --force removes it all the same"));
    }
    Ok(shared.live.runtime().remove_volume(volume).await?)
}

/// Imports a volume. It goes on where the caller has gone after sending everything.
pub(super) async fn import(
    shared: Arc<Shared>,
    volume: Name,
    replace: bool,
    content: Tar,
) -> Result<VolumeView, Fault> {
    let work = tokio::spawn(async move {
        let runtime = shared.live.runtime();
        runtime
            .import_volume(volume.clone(), replace, content)
            .await?;
        one(&shared, volume.as_str()).await
    });
    work.await
        .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))?
}
