//! Resolving a reference and pulling an image into the store.

use crate::cancel_flag::CancelFlag;
use crate::download::Blob;
use crate::fetched::Fetched;
use crate::import::{LayerBlob, extract_uki, import_layer, store_error};
use crate::install::{Plan, PlannedLayer, install};
use crate::kind::ErrorKind;
use crate::layer::{Budget, LayerEntry};
use crate::manifest::ImageConfig;
use crate::options::{Expect, PullOptions};
use crate::progress::{Progress, Step};
use crate::pull_error::PullError;
use crate::record::ImageRecord;
use crate::source::{Found, Source};
use crate::store::Store;
use crate::tree::Tree;
use futures_util::StreamExt;
use orlop_config::{Digest, ImageRef};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// How often the progress of an import is reported.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Layers that are fetched at the same time, as podman and Docker do.
const MAX_DOWNLOADS: usize = 3;

/// Layers that are unpacked at the same time, where there are that many processors: each one's thread holds some
/// pieces of it, and its entries wait for those of the layers below it.
const MAX_IMPORTS: usize = 3;

/// How often it is looked whether the store is free.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Who is told how far a pull is.
type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// What a reference stands for at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Digest of the image manifest for this machine.
    pub manifest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// Bytes of all layers, as they are fetched.
    pub size_bytes: u64,
}

/// Asks what `image` stands for: a tag becomes a digest, an index the manifest for the platform of `options`.
pub async fn resolve(image: &ImageRef, options: &PullOptions) -> Result<Resolved, PullError> {
    let source = Source::new(image, options)?;
    let found = source.find(image, options.platform()).await?;
    Ok(Resolved {
        size_bytes: total_bytes(&found),
        manifest: found.digest,
        media_type: found.media_type,
    })
}

/// Pulls `image` into `store`: fetches what is missing, checks every digest, unpacks, makes it
/// durable, and only then names it. An image that is here already is not fetched again.
/// Cancelling, or dropping the future, keeps what has come for the next try. Waits while another
/// pull, a garbage collection or a scrub of the store is under way.
///
/// A failure that trying again does not mend, such as a hostile layer or a full disk, leaves the store as
/// it was: what was fetched and unpacked is removed.
pub async fn pull(
    store: &Store,
    image: &ImageRef,
    options: &PullOptions,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<ImageRecord, PullError> {
    let stop = CancelFlag::default();
    // Threads that import see it when this future ends, whichever way.
    let _guard = stop.on_drop();
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(PullError::Cancelled { image: image.to_string() }),
        result = run(store, image, options, progress, &stop) => result,
    }
}

/// Waits until nobody else adds to the store or removes from it. Pulls take turns, so that two that
/// share a layer fetch it once, and memory stays that of one.
async fn wait_for_lock(store: &Store) -> Result<File, PullError> {
    loop {
        if let Some(lock) = store.try_lock()? {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

async fn run(
    store: &Store,
    image: &ImageRef,
    options: &PullOptions,
    progress: Report<'_>,
    stop: &CancelFlag,
) -> Result<ImageRecord, PullError> {
    progress(Progress {
        step: Step::Resolve,
        done_bytes: 0,
        total_bytes: None,
    });
    let source = Source::new(image, options)?;
    let wanted = options.platform();
    let found = source.find(image, wanted).await?;
    if let Some(record) = known(store, image, &found.digest)? {
        check_kind(image, options.expect, record.os().is_some())?;
        return Ok(record);
    }
    let name = image.to_string();
    let text = source
        .document("config", image, &found.manifest.config.digest)
        .await?;
    let config = ImageConfig::parse(&text, found.manifest.layers.len()).map_err(|why| {
        PullError::BadAnswer {
            what: "config".to_owned(),
            image: name.clone(),
            why,
        }
    })?;
    if let Some(found) = config.other_platform(wanted) {
        return Err(PullError::OtherPlatform {
            image: name,
            wanted: wanted.to_owned(),
            found,
        });
    }
    let plan = Plan::new(name, &found, config)?;
    check_kind(image, options.expect, plan.is_os())?;
    let lock = Arc::new(wait_for_lock(store).await?);
    // Whoever had the lock may have pulled this very image.
    if let Some(record) = known(store, image, &found.digest)? {
        return Ok(record);
    }
    let pull = Pull {
        store,
        source: &source,
        plan: &plan,
        progress,
        stop,
        lock,
    };
    let result = pull.layers().await;
    let result = match result {
        Ok((tree, uki)) => pull.commit(tree, uki).await,
        Err(error) => Err(error),
    };
    if result.is_err() {
        // Before anything is removed: layers may still be unpacked, in threads that nobody waits for.
        stop.set();
    }
    let is_final = |error: &PullError| {
        use ErrorKind as Kind;
        matches!(error.kind(), Kind::Integrity | Kind::NoSpace | Kind::Usage)
    };
    if result.as_ref().map_or_else(is_final, |_| true) {
        pull.drop_copies();
    }
    if result.as_ref().is_err_and(is_final) {
        pull.drop_strays().await;
    }
    result
}

/// A layer that is on this machine.
enum Layer {
    /// As it was fetched.
    Blob(LayerBlob),
    /// As another image left it here.
    Known(Vec<LayerEntry>),
}

/// What came of a layer.
enum Imported {
    Entries(Vec<LayerEntry>),
    Uki(NamedTempFile),
}

/// One pull under way.
struct Pull<'a> {
    store: &'a Store,
    source: &'a Source,
    plan: &'a Plan,
    progress: Report<'a>,
    stop: &'a CancelFlag,
    /// Keeps garbage collection out. Threads hold it too: they may outlive this future.
    lock: Arc<File>,
}

impl Pull<'_> {
    /// Fetches layers, several at a time, and imports one after the other as they come.
    async fn layers(&self) -> Result<(Tree, Option<NamedTempFile>), PullError> {
        let fetched = Fetched::new(self.plan.layers.len());
        let (here, coming) = tokio::sync::mpsc::unbounded_channel();
        let fetch = async {
            // Ends the channel with this future.
            let here = here;
            let mut layers = futures_util::stream::iter(0..self.plan.layers.len())
                .map(|number| self.fetch(number, &fetched))
                .buffered(MAX_DOWNLOADS);
            while let Some(layer) = layers.next().await {
                // Nobody listens once the import has failed, which ends this too.
                drop(here.send(layer?));
            }
            Ok(())
        };
        let (_, result) = tokio::try_join!(fetch, self.import_all(coming, &fetched))?;
        Ok(result)
    }

    /// Brings a layer here, if it is not known.
    async fn fetch(&self, number: usize, fetched: &Fetched) -> Result<Layer, PullError> {
        let layer = &self.plan.layers[number];
        if let Some(entries) = self.known_layer(layer).await? {
            self.report(Step::Fetch, fetched.set(number, layer.record.size_bytes));
            return Ok(Layer::Known(entries));
        }
        let blob = Blob {
            what: self.plan.name_of(number),
            digest: layer.record.digest.clone(),
            size_bytes: layer.record.size_bytes,
        };
        let is_it = |other: &PlannedLayer| other.record.digest == blob.digest;
        let first = self.plan.layers.iter().position(is_it).unwrap_or(number);
        let _turn = fetched.turns[first].lock().await;
        let on_bytes = |bytes| self.report(Step::Fetch, fetched.set(number, bytes));
        let path = self.source.blob(self.store, &blob, &on_bytes).await?;
        fetched.set(number, blob.size_bytes);
        Ok(Layer::Blob(LayerBlob {
            path,
            what: blob.what,
            image: self.plan.image.clone(),
            digest: blob.digest,
            diff_id: layer.record.diff_id.clone(),
            size_bytes: blob.size_bytes,
        }))
    }

    /// What another image has left here of a layer of the root file system.
    async fn known_layer(
        &self,
        layer: &PlannedLayer,
    ) -> Result<Option<Vec<LayerEntry>>, PullError> {
        if layer.is_uki {
            return Ok(None);
        }
        let (store, lock) = (self.store.clone(), self.lock.clone());
        let diff_id = layer.record.diff_id.clone();
        let known = blocking(move || {
            let known = store.known_layer(&diff_id);
            drop(lock);
            known
        });
        known
            .await?
            .map_err(|error| store_error(&self.plan.image, error))
    }

    /// Imports the layers as they come, several at a time, and lays them upon each other in their order.
    async fn import_all(
        &self,
        mut coming: UnboundedReceiver<Layer>,
        fetched: &Fetched,
    ) -> Result<(Tree, Option<NamedTempFile>), PullError> {
        let (budget, done) = (Arc::new(Budget::new()), Arc::new(AtomicU64::new(0)));
        let coming = futures_util::stream::poll_fn(move |context| coming.poll_recv(context));
        let mut imports = coming
            .enumerate()
            .map(|(number, layer)| {
                if fetched.sum() >= self.plan.total_bytes() {
                    self.report(Step::Import, done.load(Ordering::Relaxed));
                }
                self.import(number, layer, budget.clone(), done.clone())
            })
            .buffered(imports_at_once());
        let (mut tree, mut uki, mut imported) = (Tree::new(), None, 0);
        let mut tick = tokio::time::interval(REPORT_EVERY);
        while imported < self.plan.layers.len() {
            tokio::select! {
                layer = imports.next() => match layer.transpose()? {
                    // The fetch failed, and says why.
                    None => return std::future::pending().await,
                    Some(layer) => {
                        imported += 1;
                        match layer {
                            Imported::Uki(file) => uki = Some(file),
                            Imported::Entries(entries) => tree = self.lay(tree, entries, imported).await?,
                        }
                    }
                },
                // While layers are still coming, that is what takes the time.
                _ = tick.tick() => if fetched.sum() >= self.plan.total_bytes() {
                    self.report(Step::Import, done.load(Ordering::Relaxed));
                },
            }
        }
        Ok((tree, uki))
    }

    /// Imports a layer in a thread, and adds to `done` what it has read of it.
    async fn import(
        &self,
        number: usize,
        layer: Layer,
        budget: Arc<Budget>,
        done: Arc<AtomicU64>,
    ) -> Result<Imported, PullError> {
        let (store, stop, lock) = (self.store.clone(), self.stop.clone(), self.lock.clone());
        let PlannedLayer { record, is_uki } = self.plan.layers[number].clone();
        let (what, image) = (self.plan.name_of(number), self.plan.image.clone());
        let work = move || {
            let _lock = lock;
            let on_bytes = |n| {
                done.fetch_add(n, Ordering::Relaxed);
            };
            let layer = match layer {
                Layer::Blob(blob) => blob,
                Layer::Known(entries) => {
                    let taken = budget.take_known(&entries);
                    taken.map_err(|source| PullError::Layer {
                        what,
                        image,
                        source,
                    })?;
                    on_bytes(record.size_bytes);
                    return Ok(Imported::Entries(entries));
                }
            };
            if is_uki {
                return extract_uki(&layer, &store.side("uki"), &stop, &on_bytes)
                    .map(Imported::Uki);
            }
            let opened = store.open()?;
            let entries = import_layer(&layer, &opened, &budget, &stop, &on_bytes)?;
            if let Err(why) = store.keep_layer(&record.diff_id, &entries) {
                log::warn!(layer = what.as_str(), image = image.as_str(), why:% = why;
                    "cannot keep what a layer holds; ignoring, another image fetches it again");
            }
            Ok(Imported::Entries(entries))
        };
        blocking(work).await?
    }

    /// Lays the entries of layer `number`, counted from 1, upon the layers below it.
    async fn lay(
        &self,
        mut tree: Tree,
        entries: Vec<LayerEntry>,
        number: usize,
    ) -> Result<Tree, PullError> {
        let work = move || tree.apply(entries).map(|()| tree);
        blocking(work).await?.map_err(|source| PullError::Layer {
            what: self.plan.name_of(number - 1),
            image: self.plan.image.clone(),
            source,
        })
    }

    async fn commit(
        &self,
        tree: Tree,
        uki: Option<NamedTempFile>,
    ) -> Result<ImageRecord, PullError> {
        self.report(Step::Commit, self.plan.total_bytes());
        let (store, plan, lock) = (self.store.clone(), self.plan.clone(), self.lock.clone());
        blocking(move || {
            let result = install(&store, &plan, tree, uki);
            drop(lock);
            result
        })
        .await?
    }

    /// Removes fetched blobs; what is left over is a matter for garbage collection.
    fn drop_copies(&self) {
        if !self.source.keeps_copies() {
            return;
        }
        for layer in &self.plan.layers {
            let path: PathBuf = self.store.partial_path(&layer.record.digest);
            if let Err(why) = crate::atomic_write::remove_if_there(&path) {
                log::warn!(path:% = path.display(), why:% = why;
                    "cannot remove a fetched layer; ignoring, garbage collection will");
            }
        }
    }

    /// Removes what was unpacked of an image that will never be whole.
    async fn drop_strays(&self) {
        let (store, lock) = (self.store.clone(), self.lock.clone());
        let done = blocking(move || {
            let result = store.drop_strays();
            drop(lock);
            result
        })
        .await;
        if let Ok(Err(why)) = done {
            log::warn!(why:% = why;
                "cannot remove what was unpacked; ignoring, garbage collection will");
        }
    }

    fn report(&self, step: Step, done_bytes: u64) {
        let total_bytes = Some(self.plan.total_bytes());
        (self.progress)(Progress {
            step,
            done_bytes,
            total_bytes,
        });
    }
}

/// The record of an image that is here. One that cannot be read counts as none: the pull renews it.
fn known(
    store: &Store,
    image: &ImageRef,
    manifest: &Digest,
) -> Result<Option<ImageRecord>, PullError> {
    use crate::store_error::StoreError;
    match store.record(manifest) {
        Ok(record) => Ok(record),
        Err(StoreError::Record { path, why }) => {
            log::warn!(path:% = path.display(), why = why.as_str();
                "an image record is damaged; pulling the image again");
            Ok(None)
        }
        Err(error) => Err(store_error(&image.to_string(), error)),
    }
}

fn check_kind(image: &ImageRef, expect: Option<Expect>, is_os: bool) -> Result<(), PullError> {
    let image = image.to_string();
    match expect {
        Some(Expect::Os) if !is_os => Err(PullError::NotOs {
            image,
            why: "it has no layer with a UKI (annotation io.orlop.layer)".to_owned(),
        }),
        Some(Expect::Container) if is_os => Err(PullError::NotContainer { image }),
        _ => Ok(()),
    }
}

fn total_bytes(found: &Found) -> u64 {
    found
        .manifest
        .layers
        .iter()
        .fold(0, |sum, layer| sum.saturating_add(layer.size))
}

fn imports_at_once() -> usize {
    let processors = std::thread::available_parallelism();
    processors.map_or(1, |count| count.get().min(MAX_IMPORTS))
}

/// Does blocking work in a thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PullError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| thread("the image", &error))
}

fn thread(image: &str, error: &tokio::task::JoinError) -> PullError {
    PullError::Io {
        verb: "finish the thread that imports",
        path: image.into(),
        source: std::io::Error::other(error.to_string()),
    }
}
