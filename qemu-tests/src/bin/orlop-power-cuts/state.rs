//! What is on the state partition of a cut disk: the file system, the agent's records, the images.

use crate::Outcome;
use crate::disk::Disk;
use crate::ext4::{DataCache, Ext4, Ext4Error, JournalCache};
use crate::fsck;
use crate::recording::About;
use crate::store::{StoreCache, StoreView};
use orlop_config::{Digest, RootDigest};
use orlop_core::{Generation, GenerationId, GenerationStatus, NodeState, Verdict};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// The largest record that is read.
const MAX_RECORD: u64 = 4 << 20;
/// Bytes of a machine id with its newline.
const MACHINE_ID_BYTES: usize = 33;

/// The state partition, as far as a boot needs it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateView {
    /// What is wrong with it, whatever boots.
    pub(crate) problems: Vec<String>,
    /// The node state; none before the first.
    pub(crate) node: Option<NodeState>,
    /// The generations on record.
    pub(crate) generations: BTreeMap<GenerationId, Generation>,
    /// What each OS image lacks.
    pub(crate) roots: BTreeMap<RootDigest, Result<(), String>>,
    /// What each generation lacks, images and config.
    pub(crate) complete: BTreeMap<GenerationId, Result<(), String>>,
}

/// What was found before and need not be found again.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    journal: JournalCache,
    data: DataCache,
    store: StoreCache,
}

impl StateView {
    /// Reads the file system in this partition. `scratch` is a file for e2fsck.
    pub(crate) fn read(
        disk: &Disk,
        partition: &Range<u64>,
        about: &About,
        caches: &mut Caches,
        scratch: &Path,
    ) -> Outcome<Self> {
        let mut view = Self::default();
        match Ext4::open(disk, partition, &mut caches.journal) {
            Err(error) => view.problems.push(error.to_string()),
            Ok(volume) => {
                match fsck::check(disk, &volume, &mut caches.data, scratch)? {
                    None => {}
                    Some(said) => view.problems.push(format!("e2fsck: {said}")),
                }
                if let Err(error) = view.look(&volume, about, &mut caches.store) {
                    view.problems.push(error.to_string());
                }
            }
        }
        Ok(view)
    }

    fn look(
        &mut self,
        volume: &Ext4<'_>,
        about: &About,
        cache: &mut StoreCache,
    ) -> Result<(), Ext4Error> {
        self.read_records(volume)?;
        let mut store = StoreView::open(volume, cache)?;
        for root in about.ukis.keys() {
            let whole = store.image(root);
            self.roots.insert(root.clone(), whole);
        }
        for (id, generation) in &self.generations {
            let complete = completeness(&mut store, generation, about);
            self.complete.insert(*id, complete);
        }
        Ok(())
    }

    fn read_records(&mut self, volume: &Ext4<'_>) -> Result<(), Ext4Error> {
        if let Some(bytes) = volume.file("orlop/state.json", MAX_RECORD)? {
            match NodeState::decode(&bytes) {
                Ok(node) => self.node = Some(node),
                Err(error) => self.problems.push(orlop_machines::error_text(&error)),
            }
        }
        for (name, bytes) in records(volume, "orlop/generations", ".json")? {
            match Generation::decode(&bytes) {
                Ok(generation) if format!("{}.json", generation.id) == name => {
                    self.generations.insert(generation.id, generation);
                }
                Ok(_) => self
                    .problems
                    .push(format!("generation {name} is another one")),
                Err(error) => self.problems.push(format!("generation {name}: {error}")),
            }
        }
        for (name, bytes) in records(volume, "orlop/verdicts", ".json")? {
            if let Err(error) = Verdict::decode(&bytes) {
                self.problems.push(format!("verdict {name}: {error}"));
            }
        }
        if let Some(bytes) = volume.file("orlop/leases.json", MAX_RECORD)?
            && let Err(error) = serde_json::from_slice::<serde_json::Value>(&bytes)
        {
            self.problems.push(format!("leases.json: {error}"));
        }
        if let Some(bytes) = volume.file("orlop/pki/server.pem", MAX_RECORD)? {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if !text.trim_end().ends_with("-----") || !text.contains("PRIVATE KEY") {
                self.problems.push("server.pem is not whole".to_owned());
            }
        }
        if let Some(bytes) = volume.file("orlop/machine-id", MAX_RECORD)?
            && bytes.len() != MACHINE_ID_BYTES
        {
            self.problems
                .push(format!("the machine id has {} bytes", bytes.len()));
        }
        self.check_listed();
        Ok(())
    }

    /// Whatever the state lists has a record: a generation comes before the state that points at it.
    fn check_listed(&mut self) {
        let Some(node) = &self.node else { return };
        for (id, status) in &node.generations {
            if !self.generations.contains_key(id) {
                let problem =
                    format!("the state lists generation {id} ({status:?}), which has no record");
                self.problems.push(problem);
            }
        }
    }

    /// What is wrong with a generation that may be run, on its own or because it is asked for.
    pub(crate) fn lacks(&self, id: GenerationId) -> Option<String> {
        match self.complete.get(&id) {
            Some(Ok(())) => None,
            Some(Err(why)) => Some(format!("generation {id} is not complete: {why}")),
            None => Some(format!("generation {id} has no record")),
        }
    }

    /// The generations that the state lists as fit to run.
    pub(crate) fn runnable(&self) -> Vec<GenerationId> {
        let listed = self.node.iter().flat_map(|node| &node.generations);
        let fit = listed.filter(|(_, status)| **status != GenerationStatus::Failed);
        fit.map(|(id, _)| *id).collect()
    }
}

/// The files of a folder whose names end so, with their content.
fn records(
    volume: &Ext4<'_>,
    folder: &str,
    end: &str,
) -> Result<Vec<(String, Vec<u8>)>, Ext4Error> {
    let mut found = Vec::new();
    for (name, number) in volume.folder(folder)? {
        if name.ends_with(end) {
            let bytes = volume.content(&volume.inode(number)?, MAX_RECORD)?;
            found.push((name, bytes));
        }
    }
    Ok(found)
}

/// Whether all is there that a generation needs; what is missing else.
fn completeness(
    store: &mut StoreView<'_>,
    generation: &Generation,
    about: &About,
) -> Result<(), String> {
    let config = format!("orlop/configs/{}.toml", generation.config.hex());
    if store.digest(&config)? != generation.config {
        return Err(format!("{config} is not whole"));
    }
    let os = &generation.os;
    let uki: Option<&Digest> = about.ukis.get(&os.root);
    let uki = uki.ok_or_else(|| format!("nobody knows the OS image {}", os.root.short()))?;
    store.recorded(&os.manifest, &os.root, Some(uki))?;
    for (name, image) in &generation.containers {
        store
            .recorded(&image.manifest, &image.root, None)
            .map_err(|why| format!("container {name}: {why}"))?;
    }
    Ok(())
}
