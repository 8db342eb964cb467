//! Images in the store: what there is, who needs it, pulls by hand, removal.

use super::shared::Shared;
use crate::chain::chain;
use crate::ops::Caller;
use crate::{clock, config, faults, stage};
use orlop_api::{
    Fault, FaultKind, Freed, JobId, LayerView, Operation, StoredImage, StoredImageDetail,
};
use orlop_config::{Digest, ImageRef, RootDigest};
use orlop_image::{ImageKind, ImageRecord};
use orlop_initrd::atomic_write::atomic_write;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Label of an image's version (OCI image specification 1.1, annotations.md).
const VERSION_LABEL: &str = "org.opencontainers.image.version";
/// Fewer digits of a digest name too much.
const FEWEST_DIGITS: usize = 4;
const FILE_MODE: u32 = 0o600;

/// An image that was pulled by hand: it is kept though no generation needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pulled {
    manifest: Digest,
    /// When, seconds since 1970-01-01 UTC.
    at: u64,
}

fn pulled_file(shared: &Shared) -> PathBuf {
    shared.paths.state().join("pulled.json")
}

fn pulled(shared: &Shared) -> Result<Vec<Pulled>, Fault> {
    let path = pulled_file(shared);
    let fail = |why: String| {
        let message = format!("cannot read {}: {why}", path.display());
        Fault::new(FaultKind::Internal, message)
    };
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| fail(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(fail(error.to_string())),
    }
}

/// Returns when the list is on disk.
fn keep_pulled(shared: &Shared, list: &[Pulled]) -> Result<(), Fault> {
    let path = pulled_file(shared);
    let text = serde_json::to_vec(list).expect("plain data serialises");
    atomic_write(&path, &text, FILE_MODE).map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        Fault::new(FaultKind::Internal, message)
    })
}

/// What needs the images of the store.
pub(super) struct Needs {
    by_manifest: BTreeMap<Digest, Vec<String>>,
    roots: BTreeSet<RootDigest>,
    /// What is mounted as the machine's own root.
    booted: RootDigest,
    pulled: BTreeSet<Digest>,
}

impl Needs {
    /// What needs them now.
    ///
    /// # Errors
    /// Where not all records can be read: then nobody may say that something is not needed.
    pub(super) fn of(shared: &Shared) -> Result<Self, Fault> {
        let records = shared.records()?;
        if let Some(problem) = records.problems.first() {
            let message = format!("cannot tell which images are needed: {problem}");
            return Err(Fault::new(FaultKind::Internal, message));
        }
        let booted = shared.boot.booted.root.clone();
        let mut roots = BTreeSet::from([booted.clone()]);
        let mut by_manifest: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        let mut note = |manifest: &Digest, root: &RootDigest, who: String| {
            roots.insert(root.clone());
            let users = by_manifest.entry(manifest.clone()).or_default();
            if !users.contains(&who) {
                users.push(who);
            }
        };
        // A generation that the state does not list is left of a staging that failed.
        let state = records.state.as_ref();
        let listed = records.generations.values().filter(|generation| {
            state.is_none_or(|state| state.generations.contains_key(&generation.id))
        });
        for generation in listed {
            let who = format!("generation {}", generation.id);
            note(&generation.os.manifest, &generation.os.root, who.clone());
            for image in generation.containers.values() {
                note(&image.manifest, &image.root, who.clone());
            }
        }
        for (name, image) in shared.live.runtime().images() {
            note(&image.manifest, &image.root, format!("container {name}"));
        }
        let pulled = pulled(shared)?.into_iter();
        Ok(Self {
            by_manifest,
            roots,
            booted,
            pulled: pulled.map(|one| one.manifest).collect(),
        })
    }

    /// Everything that stays in the store, of those images that it has.
    pub(super) fn kept(&self, images: &[ImageRecord]) -> BTreeSet<RootDigest> {
        let by_hand = images
            .iter()
            .filter(|image| self.pulled.contains(&image.manifest))
            .map(|image| &image.root);
        self.roots.iter().chain(by_hand).cloned().collect()
    }

    /// Who needs this very image; another one with the same files may be needed all the same.
    fn users(&self, record: &ImageRecord) -> Vec<String> {
        let users = self.by_manifest.get(&record.manifest).cloned();
        let mut users = users.unwrap_or_default();
        if record.root == self.booted {
            users.push("the OS that runs".to_owned());
        }
        users
    }

    fn view(&self, record: &ImageRecord) -> StoredImage {
        let (kind, version) = match &record.kind {
            ImageKind::Os { version, .. } => ("os", Some(version)),
            ImageKind::Container => ("container", record.runtime.labels.get(VERSION_LABEL)),
        };
        StoredImage {
            reference: name_of(record),
            manifest: record.manifest.to_string(),
            root: record.root.to_string(),
            kind: kind.to_owned(),
            version: version.cloned(),
            size_bytes: record.size_bytes,
            created: record.created.clone(),
            pulled: self.pulled.contains(&record.manifest),
            used_by: self.users(record),
        }
    }
}

/// Every image that is here, whole.
async fn records(shared: &Shared) -> Result<Vec<ImageRecord>, Fault> {
    let store = shared.store.clone();
    let mut records = spawn_blocking(move || store.records())
        .await
        .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))?
        .map_err(|error| faults::of_store(&error))?;
    records.sort_by(|a, b| (&a.reference, &a.manifest).cmp(&(&b.reference, &b.manifest)));
    Ok(records)
}

pub(super) async fn list(shared: &Shared) -> Result<Vec<StoredImage>, Fault> {
    let needs = Needs::of(shared)?;
    let records = records(shared).await?;
    Ok(records.iter().map(|record| needs.view(record)).collect())
}

pub(super) async fn detail(shared: &Shared, image: &str) -> Result<StoredImageDetail, Fault> {
    let needs = Needs::of(shared)?;
    let records = records(shared).await?;
    let record = find(&records, image)?;
    let layers = record.layers.iter().map(|layer| LayerView {
        digest: layer.digest.to_string(),
        size_bytes: layer.size_bytes,
    });
    let run = serde_json::to_value(&record.runtime);
    Ok(StoredImageDetail {
        image: needs.view(record),
        layers: layers.collect(),
        run: run.expect("plain data with string keys serialises"),
    })
}

/// What people call an image: its tag, where it has one, without the digest that it was locked to.
fn name_of(record: &ImageRecord) -> String {
    match record.reference.parse() {
        Ok(ImageRef::Registry {
            registry,
            repository,
            tag: tag @ Some(_),
            ..
        }) => {
            let digest = None;
            let image = ImageRef::Registry {
                registry,
                repository,
                tag,
                digest,
            };
            image.to_string()
        }
        _ => record.reference.clone(),
    }
}

/// The one image of this reference, or whose manifest's digest begins so.
fn find<'a>(records: &'a [ImageRecord], image: &str) -> Result<&'a ImageRecord, Fault> {
    let digits = image.strip_prefix("sha256:").unwrap_or(image);
    let is_digest = digits.len() >= FEWEST_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    // As the reference is written out: `docker.io/library/` and `:latest` need not be said.
    let reference = image.parse::<ImageRef>().map(|image| image.to_string());
    let found: Vec<&ImageRecord> = records
        .iter()
        .filter(|record| {
            let name = name_of(record);
            name == image
                || reference.as_ref().is_ok_and(|full| *full == name)
                || is_digest && record.manifest.hex().starts_with(digits)
        })
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let message = format!("cannot find image {image} in the store");
            Err(Fault::new(FaultKind::NotFound, message).hint("`orlop image ls` lists them"))
        }
        many => {
            let digests: Vec<&str> = many.iter().map(|one| one.manifest.short()).collect();
            let message = format!(
                "cannot tell which image {image} is: {} have this name",
                digests.join(", ")
            );
            Err(Fault::new(FaultKind::Usage, message).hint("name it by its digest"))
        }
    }
}

/// Begins to pull an image for no generation.
pub(super) fn pull(shared: &Arc<Shared>, image: &str, caller: &Caller) -> Result<JobId, Fault> {
    let image: ImageRef = image
        .parse()
        .map_err(|error: orlop_config::ImageRefError| {
            Fault::new(FaultKind::Usage, error.to_string())
        })?;
    // Where no generation runs, there is no config that says how registries are reached.
    let config = match shared.running_config() {
        Ok((_, config)) => config,
        Err(fault) if fault.kind == FaultKind::NotFound => config::parse("schema = 1\n")?,
        Err(fault) => return Err(fault),
    };
    let ticket = shared.jobs.begin(Operation::PullImage, caller)?;
    let (id, shared) = (ticket.id(), Arc::clone(shared));
    tokio::spawn(async move {
        let (report, cancel) = (ticket.reporter(), ticket.cancel_token().clone());
        // Nothing is removed from the store until the image is noted as wanted.
        let _held = shared.pulling.lock().await;
        let pulled = stage::pull_one(&shared.store, &config, &image, &report, &cancel).await;
        let noted = pulled.map_err(Fault::from).and_then(|record| {
            let mut list = pulled_now(&shared)?;
            list.retain(|one| one.manifest != record.manifest);
            list.push(Pulled {
                manifest: record.manifest.clone(),
                at: clock::now().0,
            });
            keep_pulled(&shared, &list)?;
            Ok((None, format!("{image} is here: {}", record.manifest)))
        });
        ticket.end(noted);
    });
    Ok(id)
}

/// The list without those that are no longer in the store: another agent may have run meanwhile.
fn pulled_now(shared: &Shared) -> Result<Vec<Pulled>, Fault> {
    let mut list = pulled(shared)?;
    list.retain(|one| !matches!(shared.store.record(&one.manifest), Ok(None)));
    Ok(list)
}

/// Removes one image, or all, that nothing needs, and what only they needed. The driver calls it, while
/// nothing is being fetched.
pub(super) async fn free(shared: &Shared, image: Option<&str>) -> Result<Freed, Fault> {
    let Ok(_held) = shared.pulling.try_lock() else {
        let message = "cannot remove images: one is being pulled";
        return Err(Fault::new(FaultKind::Refused, message).hint("wait until the job ends"));
    };
    let before = records(shared).await?;
    let mut needs = Needs::of(shared)?;
    let (gone, stay): (Vec<ImageRecord>, Vec<ImageRecord>) = match image {
        Some(image) => {
            let record = find(&before, image)?;
            let users = needs.users(record);
            if !users.is_empty() {
                return Err(needed(&name_of(record), &users));
            }
            let manifest = record.manifest.clone();
            before.into_iter().partition(|one| one.manifest == manifest)
        }
        None => before
            .into_iter()
            .partition(|record| needs.users(record).is_empty()),
    };
    for record in &gone {
        needs.pulled.remove(&record.manifest);
    }
    // First what says that they are wanted: cut short after it, the next removal goes on.
    let mut list = pulled_now(shared)?;
    list.retain(|one| needs.pulled.contains(&one.manifest));
    keep_pulled(shared, &list)?;
    let mut keep = needs.kept(&stay);
    keep.extend(stay.into_iter().map(|record| record.root));
    let images = gone.iter().map(name_of).collect();
    let store = shared.store.clone();
    let report = spawn_blocking(move || {
        for record in &gone {
            store.forget(&record.manifest)?;
        }
        store.gc(&keep)
    });
    let report = report
        .await
        .map_err(|error| Fault::new(FaultKind::Internal, chain(&error)))?
        .map_err(|error| faults::of_store(&error))?;
    Ok(Freed {
        images,
        objects: report.objects,
        bytes: report.bytes,
    })
}

fn needed(image: &str, users: &[String]) -> Fault {
    let message = format!("cannot remove image {image}: {} needs it", users.join(", "));
    Fault::new(FaultKind::Refused, message).hint(
        "a generation gives its images up when it goes: `orlop generations` lists them, \
         `[generations] keep` says how many there are",
    )
}
