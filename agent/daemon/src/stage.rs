//! Fetching a generation: every reference resolved to a digest, every image pulled and verified.
//!
//! Nothing of the node changes here; what has come stays in the store, for this try or the next.

mod options;
mod volume_sizes;
mod wanted;

pub use wanted::{Source, Wanted, first, wanted};

use self::options::pull_options;
use self::volume_sizes::can_be_kept;
use crate::faults;
use orlop_api::{Fault, FaultKind, Progress};
use orlop_config::{Digest, ImageRef, NodeConfig, Platform, PullPolicy, RootDigest};
use orlop_core::{ContainerImage, Generation, GenerationId, Origin, OsImage, Timestamp};
use orlop_image::{ErrorKind, Expect, ImageKind, ImageRecord, Store};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Shortest time between two reports of one step: a fast pull must not flood the front doors.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Everything that a generation needs, in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The OS.
    pub os: OsImage,
    /// Images by container.
    pub containers: BTreeMap<String, ContainerImage>,
    /// The TOML.
    pub text: String,
}

impl Fetched {
    /// The generation that this makes.
    pub fn generation(&self, id: GenerationId, created: Timestamp, origin: Origin) -> Generation {
        Generation {
            id,
            os: self.os.clone(),
            config: Digest::of(self.text.as_bytes()),
            containers: self.containers.clone(),
            created,
            origin,
        }
    }
}

/// A generation could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store is full: what has come takes room and is of no use.
    #[error(transparent)]
    Full(Fault),
    /// Anything else. What has come is kept for the next try.
    #[error(transparent)]
    Failed(#[from] Fault),
}

impl FetchError {
    /// What front doors show.
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Full(fault) | Self::Failed(fault) => fault,
        }
    }
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Full(fault) | FetchError::Failed(fault) => fault,
        }
    }
}

/// Fetches what is wanted. Resolves all references before it pulls the first image, so that a
/// mistyped one is told at once.
///
/// # Errors
/// The fault of the first image that cannot be had; `Transient` when cancelled.
pub async fn fetch(
    store: &Store,
    wanted: &Wanted,
    report: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<Fetched, FetchError> {
    can_be_kept(&wanted.config, store.dir())?;
    let job = Fetch {
        store,
        config: &wanted.config,
        report,
        cancel,
    };
    let os = job.resolve(&wanted.os, Role::OS).await?;
    let mut pinned = Vec::new();
    for (name, source) in &wanted.containers {
        let role = job.role(name);
        pinned.push((name, source, role, job.resolve(source, role).await?));
    }
    let os = os_image(&job.pull(&os, Role::OS).await?, &wanted.os)?;
    let mut containers = BTreeMap::new();
    for (name, source, role, pinned) in pinned {
        let record = job.pull(&pinned, role).await?;
        let image = ContainerImage {
            reference: source.reference(),
            manifest: record.manifest,
            root: record.root,
        };
        containers.insert(name.clone(), image);
    }
    Ok(Fetched {
        os,
        containers,
        text: wanted.text.clone(),
    })
}

/// Pulls one image, of whatever kind, that no generation names.
///
/// # Errors
/// The fault of the pull; `Transient` when cancelled.
pub async fn pull_one(
    store: &Store,
    config: &NodeConfig,
    image: &ImageRef,
    report: &(dyn Fn(Progress) + Send + Sync),
    cancel: &CancellationToken,
) -> Result<ImageRecord, FetchError> {
    let job = Fetch {
        store,
        config,
        report,
        cancel,
    };
    let source = Source::Named(image.clone());
    let pinned = job.resolve(&source, Role::ANY).await?;
    job.pull(&pinned, Role::ANY).await
}

/// What a rehearsal knows of a generation without fetching anything. A container image that is not
/// here yet stands in by its manifest: it differs from every one that runs, as it will.
///
/// # Errors
/// The fault of the first reference that cannot be resolved; `Refused` where the OS image is not
/// here yet, because what it takes to switch to it cannot be told then.
pub async fn rehearse(
    store: &Store,
    wanted: &Wanted,
    current: &Generation,
    cancel: &CancellationToken,
) -> Result<Fetched, Fault> {
    can_be_kept(&wanted.config, store.dir())?;
    let job = Fetch {
        store,
        config: &wanted.config,
        report: &|_| (),
        cancel,
    };
    let os = match &wanted.os {
        Source::Locked { manifest, .. } if *manifest == current.os.manifest => current.os.clone(),
        source => job.known_os(source).await?,
    };
    let mut containers = BTreeMap::new();
    for (name, source) in &wanted.containers {
        let image = match (source, current.containers.get(name)) {
            (Source::Locked { .. }, Some(image)) => image.clone(),
            _ => job.stand_in(source, job.role(name)).await?,
        };
        containers.insert(name.clone(), image);
    }
    Ok(Fetched {
        os,
        containers,
        text: wanted.text.clone(),
    })
}

/// The manifests that the references of `wanted` stand for now. Fetches nothing.
///
/// # Errors
/// The fault of the first reference that cannot be resolved.
pub async fn manifests(
    store: &Store,
    wanted: &Wanted,
    cancel: &CancellationToken,
) -> Result<Vec<Digest>, Fault> {
    let job = Fetch {
        store,
        config: &wanted.config,
        report: &|_| (),
        cancel,
    };
    let mut manifests = vec![job.resolve(&wanted.os, Role::OS).await?.manifest];
    for (name, source) in &wanted.containers {
        manifests.push(job.resolve(source, job.role(name)).await?.manifest);
    }
    Ok(manifests)
}

/// What a source stands for now.
#[derive(Clone, Debug)]
struct Pinned {
    image: ImageRef,
    manifest: Digest,
}

/// What an image is for, and when its tag is asked for.
#[derive(Clone, Copy, Debug)]
struct Role<'a> {
    expect: Option<Expect>,
    platform: Option<&'a Platform>,
    pull: PullPolicy,
}

impl Role<'_> {
    const ANY: Self = Self {
        expect: None,
        platform: None,
        pull: PullPolicy::Always,
    };
    const OS: Self = Self {
        expect: Some(Expect::Os),
        ..Self::ANY
    };
}

struct Fetch<'a> {
    store: &'a Store,
    config: &'a NodeConfig,
    report: &'a (dyn Fn(Progress) + Send + Sync),
    cancel: &'a CancellationToken,
}

impl Fetch<'_> {
    /// What the image of the container `name` is for.
    fn role(&self, name: &str) -> Role<'_> {
        let containers = &self.config.container;
        let container = containers.iter().find(|(key, _)| key.as_str() == name);
        Role {
            expect: Some(Expect::Container),
            platform: container.and_then(|(_, container)| container.platform.as_ref()),
            pull: container.map_or_else(PullPolicy::default, |(_, container)| container.pull),
        }
    }

    /// Locked images keep their digest; others get the one that their reference has now.
    async fn resolve(&self, source: &Source, role: Role<'_>) -> Result<Pinned, Fault> {
        let image = match source {
            Source::Locked {
                manifest,
                reference,
            } => {
                let image = reference.parse().unwrap_or_else(|_| nowhere());
                return Ok(Pinned {
                    image: pin(image, manifest),
                    manifest: manifest.clone(),
                });
            }
            Source::Named(image) => image,
        };
        if role.pull != PullPolicy::Always
            && let Some(pinned) = self.here(image, role.pull)?
        {
            return Ok(pinned);
        }
        (self.report)(Progress {
            step: format!("resolve {image}"),
            done: 0,
            total: None,
        });
        let options = pull_options(self.config, image, role.expect, role.platform)?;
        let resolved = tokio::select! {
            resolved = orlop_image::resolve(image, &options) => resolved,
            () = self.cancel.cancelled() => return Err(cancelled()),
        };
        let manifest = resolved.map_err(|error| faults::of_pull(&error))?.manifest;
        Ok(Pinned {
            image: pin(image.clone(), &manifest),
            manifest,
        })
    }

    /// The image of that name that is on the node. None sends to the registry.
    fn here(&self, image: &ImageRef, policy: PullPolicy) -> Result<Option<Pinned>, Fault> {
        let found = self.store.newest_named(image);
        match found.map_err(|error| faults::of_store(&error))? {
            Some(record) => Ok(Some(Pinned {
                image: pin(image.clone(), &record.manifest),
                manifest: record.manifest,
            })),
            None if policy == PullPolicy::Never => {
                let message =
                    format!("cannot use {image}: it is not on this node, and `pull` is \"never\"");
                let hint = format!("bring it with `orlop image pull {image}`, or let it be pulled");
                Err(Fault::new(FaultKind::Config, message).hint(hint))
            }
            None => Ok(None),
        }
    }

    /// The OS image, which must be here already.
    async fn known_os(&self, source: &Source) -> Result<OsImage, Fault> {
        let pinned = self.resolve(source, Role::OS).await?;
        let Some(record) = self.known(&pinned)? else {
            let message = format!(
                "cannot plan: OS image {} is not on this node yet",
                source.reference()
            );
            return Err(Fault::new(FaultKind::Refused, message).hint(
                "`orlop update stage` fetches it; `orlop update apply --dry-run` then tells",
            ));
        };
        os_image(&record, source)
    }

    /// The container image, or what stands in for it.
    async fn stand_in(&self, source: &Source, role: Role<'_>) -> Result<ContainerImage, Fault> {
        let pinned = self.resolve(source, role).await?;
        let reference = source.reference();
        let (manifest, root) = match self.known(&pinned)? {
            Some(record) => (record.manifest, record.root),
            None => {
                let root: Result<RootDigest, _> = pinned.manifest.hex().parse();
                (
                    pinned.manifest,
                    root.expect("both digests are 64 hex digits"),
                )
            }
        };
        Ok(ContainerImage {
            reference,
            manifest,
            root,
        })
    }

    fn known(&self, pinned: &Pinned) -> Result<Option<ImageRecord>, Fault> {
        self.store
            .record(&pinned.manifest)
            .map_err(|error| faults::of_store(&error))
    }

    async fn pull(&self, pinned: &Pinned, role: Role<'_>) -> Result<ImageRecord, FetchError> {
        if let Some(record) = self.known(pinned)? {
            return Ok(record);
        }
        let image = &pinned.image;
        let last = Mutex::new(None::<(orlop_image::Step, Instant)>);
        let progress = |progress: orlop_image::Progress| {
            let mut last = last
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let due = match &*last {
                Some((step, at)) => *step != progress.step || at.elapsed() >= REPORT_EVERY,
                None => true,
            };
            if due {
                *last = Some((progress.step, Instant::now()));
                (self.report)(Progress {
                    step: format!("{} {image}", progress.step.as_str()),
                    done: progress.done_bytes,
                    total: progress.total_bytes,
                });
            }
        };
        let options = pull_options(self.config, image, role.expect, role.platform)?;
        orlop_image::pull(self.store, image, &options, &progress, self.cancel)
            .await
            .map_err(|error| match error.kind() {
                ErrorKind::NoSpace => FetchError::Full(faults::of_pull(&error)),
                _ => FetchError::Failed(faults::of_pull(&error)),
            })
    }
}

fn cancelled() -> Fault {
    Fault::new(FaultKind::Transient, "cannot finish staging: cancelled")
}

/// Stands for an image whose reference no longer parses; only its digest counts.
fn nowhere() -> ImageRef {
    ImageRef::Layout {
        dir: "/nonexistent".to_owned(),
        tag: None,
    }
}

/// The same image by its digest. A directory has no names by digest; what is pulled from it is
/// checked against its own index all the same.
fn pin(image: ImageRef, manifest: &Digest) -> ImageRef {
    match image {
        ImageRef::Registry {
            registry,
            repository,
            tag,
            ..
        } => ImageRef::Registry {
            registry,
            repository,
            tag,
            digest: Some(manifest.clone()),
        },
        layout @ ImageRef::Layout { .. } => layout,
    }
}

fn os_image(record: &ImageRecord, source: &Source) -> Result<OsImage, Fault> {
    match &record.kind {
        ImageKind::Os { version, boot } => Ok(OsImage {
            reference: source.reference(),
            manifest: record.manifest.clone(),
            root: record.root.clone(),
            version: version.clone(),
            boot: boot.clone(),
        }),
        ImageKind::Container => {
            let message = format!(
                "cannot use {} as an OS image: it is a container image",
                source.reference()
            );
            Err(Fault::new(FaultKind::Usage, message))
        }
    }
}
