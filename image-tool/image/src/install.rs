//! The end of a pull: the image gets its identity, its claims are checked, and it is named.

use crate::atomic_write::sync_dir;
use crate::content_store::ContentStore;
use crate::erofs::image_of;
use crate::import::store_error;
use crate::manifest::ImageConfig;
use crate::pull_error::PullError;
use crate::record::{ImageKind, ImageRecord, LayerRecord, RECORD_FORMAT, RuntimeConfig};
use crate::source::Found;
use crate::store::{Store, io_error};
use crate::tree::Tree;
use crate::uki::{boot_digest_of, root_digest};
use orlop_config::{Digest, RootDigest};
use tempfile::NamedTempFile;

const VERSION_LABEL: &str = "io.orlop.os.version";
const ROOT_LABEL: &str = "io.orlop.os.root";
const BOOT_LABEL: &str = "io.orlop.os.boot";

/// What is to be pulled, as manifest and config say it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) image: String,
    pub(crate) layers: Vec<PlannedLayer>,
    manifest: Digest,
    runtime: RuntimeConfig,
    created: Option<String>,
    os: Option<OsClaims>,
}

#[derive(Clone, Debug)]
pub(crate) struct PlannedLayer {
    pub(crate) record: LayerRecord,
    pub(crate) is_uki: bool,
}

/// What an OS image's labels say.
#[derive(Clone, Debug)]
struct OsClaims {
    version: String,
    root: RootDigest,
    boot: Digest,
}

impl Plan {
    pub(crate) fn new(
        image: String,
        found: &Found,
        config: ImageConfig,
    ) -> Result<Self, PullError> {
        let layers: Vec<_> = found
            .manifest
            .layers
            .iter()
            .zip(config.diff_ids())
            .map(|(layer, diff_id)| PlannedLayer {
                record: LayerRecord {
                    digest: layer.digest.clone(),
                    diff_id: diff_id.clone(),
                    size_bytes: layer.size,
                },
                is_uki: layer.is_uki(),
            })
            .collect();
        let ukis = layers.iter().filter(|layer| layer.is_uki).count();
        let not_os = |why: String| PullError::NotOs {
            image: image.clone(),
            why,
        };
        let os = match ukis {
            0 => None,
            1 => Some(OsClaims::of(&config).map_err(not_os)?),
            _ => return Err(not_os("it has more than one UKI layer".to_owned())),
        };
        Ok(Self {
            layers,
            manifest: found.digest.clone(),
            runtime: config.runtime(),
            created: config.created,
            os,
            image,
        })
    }

    pub(crate) fn is_os(&self) -> bool {
        self.os.is_some()
    }

    /// `layer 1 of 2`.
    pub(crate) fn name_of(&self, number: usize) -> String {
        format!("layer {} of {}", number + 1, self.layers.len())
    }

    pub(crate) fn total_bytes(&self) -> u64 {
        self.layers
            .iter()
            .fold(0, |sum, layer| sum.saturating_add(layer.record.size_bytes))
    }
}

impl OsClaims {
    fn of(config: &ImageConfig) -> Result<Self, String> {
        let label = |key: &str| config.label(key).ok_or(format!("it has no label {key}"));
        let wrong = |key: &str, why: String| format!("its label {key} is wrong: {why}");
        Ok(Self {
            version: label(VERSION_LABEL)?.to_owned(),
            root: label(ROOT_LABEL)?
                .parse()
                .map_err(|e| wrong(ROOT_LABEL, format!("{e}")))?,
            boot: label(BOOT_LABEL)?
                .parse()
                .map_err(|e| wrong(BOOT_LABEL, format!("{e}")))?,
        })
    }
}

/// Gives `tree` its identity, checks what the image says of itself, and makes all of it durable:
/// objects, then the image's name, then the UKI, then the record.
pub(crate) fn install(
    store: &Store,
    plan: &Plan,
    tree: Tree,
    uki: Option<NamedTempFile>,
) -> Result<ImageRecord, PullError> {
    let size_bytes = tree.size_bytes();
    let (image, root) = image_of(tree).map_err(|source| PullError::Layer {
        what: "the layers".to_owned(),
        image: plan.image.clone(),
        source,
    })?;
    let kind = match (&plan.os, &uki) {
        (Some(claims), Some(uki)) => check_os(plan, claims, uki, &root)?,
        _ => ImageKind::Container,
    };
    let fail = |error| store_error(&plan.image, error);
    store
        .open()
        .and_then(|opened| opened.put_image(&image))
        .map_err(fail)?;
    if let Some(uki) = uki {
        let (path, dir) = (store.uki_path(&root), store.side("uki"));
        uki.persist(&path)
            .map_err(|e| fail(io_error("write", &path, e.error)))?;
        sync_dir(&dir).map_err(|source| fail(io_error("write", &dir, source)))?;
    }
    let record = ImageRecord {
        format: RECORD_FORMAT,
        manifest: plan.manifest.clone(),
        root,
        reference: plan.image.clone(),
        kind,
        runtime: plan.runtime.clone(),
        layers: plan
            .layers
            .iter()
            .map(|layer| layer.record.clone())
            .collect(),
        size_bytes,
        created: plan.created.clone(),
    };
    store.put_record(&record).map_err(fail)?;
    Ok(record)
}

/// Compares what the labels and the UKI say with what the files make.
fn check_os(
    plan: &Plan,
    claims: &OsClaims,
    uki: &NamedTempFile,
    root: &RootDigest,
) -> Result<ImageKind, PullError> {
    let not_os = |why: String| PullError::NotOs {
        image: plan.image.clone(),
        why,
    };
    let bytes = std::fs::read(uki.path()).map_err(|source| PullError::Io {
        verb: "read",
        path: uki.path().to_owned(),
        source,
    })?;
    let in_uki = root_digest(&bytes).map_err(|e| not_os(e.to_string()))?;
    let boot = boot_digest_of(&bytes).map_err(|e| not_os(e.to_string()))?;
    for (place, claimed) in [
        (format!("label {ROOT_LABEL}"), &claims.root),
        ("the UKI's command line".into(), &in_uki),
    ] {
        if claimed != root {
            return Err(PullError::RootMismatch {
                image: plan.image.clone(),
                place,
                claimed: claimed.to_string(),
                computed: root.to_string(),
            });
        }
    }
    if boot != claims.boot {
        return Err(PullError::DigestMismatch {
            what: format!("the UKI (label {BOOT_LABEL})"),
            image: plan.image.clone(),
            expected: claims.boot.to_string(),
            got: boot.to_string(),
        });
    }
    Ok(ImageKind::Os {
        version: claims.version.clone(),
        boot,
    })
}
