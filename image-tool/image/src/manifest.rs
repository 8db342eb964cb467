//! Manifests, indexes and image configs, OCI and Docker schema 2, as far as a pull needs them.
//!
//! Own types instead of `oci-spec`'s: Docker's configs have `null` where the specification has
//! nothing, and what is not asked for here must not make a pull fail.

use crate::limits::MAX_LAYERS;
use crate::record::RuntimeConfig;
use orlop_config::Digest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// An OCI image manifest.
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A Docker manifest, schema 2.
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list.
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// What is asked of a registry.
pub(crate) const ACCEPTED: &[&str] = &[OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

/// The annotation that holds a tag in a layout's `index.json`.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation of an OS image's second layer.
const LAYER_ANNOTATION: &str = "io.orlop.layer";
const UKI_LAYER: &str = "uki";

/// What a manifest says of a blob.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: Option<String>,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) architecture: String,
    pub(crate) variant: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

/// What a JSON document of a registry is.
#[derive(Clone, Debug)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// An image config.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ImageConfig {
    pub(crate) created: Option<String>,
    config: Option<RunConfig>,
    rootfs: RootFs,
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RunConfig {
    user: Option<String>,
    exposed_ports: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

impl Document {
    /// Reads a manifest or an index, told by what is in it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            schema_version: Option<u32>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let kind: Kind = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if kind.schema_version.is_some_and(|version| version != 2) {
            return Err("it is of Docker's schema 1, which is obsolete; push it again".to_owned());
        }
        let document = if kind.manifests.is_some() {
            Self::Index(serde_json::from_slice(text).map_err(|e| e.to_string())?)
        } else {
            Self::Manifest(serde_json::from_slice(text).map_err(|e| e.to_string())?)
        };
        match &document {
            Self::Manifest(manifest) if manifest.layers.len() > MAX_LAYERS => {
                Err(format!("it has over {MAX_LAYERS} layers"))
            }
            _ => Ok(document),
        }
    }
}

impl Index {
    /// The first image for `wanted`; an only image without platform is taken as that. Else what
    /// platforms there are.
    pub(crate) fn image_for(&self, wanted: &str) -> Result<&Descriptor, String> {
        let fits = |d: &&Descriptor| d.platform.as_ref().is_some_and(|p| p.fits(wanted));
        if let Some(found) = self.manifests.iter().find(fits) {
            return Ok(found);
        }
        match self.manifests.as_slice() {
            [only] if only.platform.is_none() => Ok(only),
            [] => Err("nothing at all".to_owned()),
            all => {
                let names = all.iter().map(|d| {
                    d.platform
                        .as_ref()
                        .map_or("?".to_owned(), Platform::to_string)
                });
                Err(names.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Platform {
    /// Whether `wanted`, `os/architecture[/variant]`, names it; without a variant any will do.
    fn fits(&self, wanted: &str) -> bool {
        let mut words = wanted.split('/');
        words.next() == Some(&self.os)
            && words.next() == Some(&self.architecture)
            && words
                .next()
                .is_none_or(|variant| Some(variant) == self.variant.as_deref())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            None => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

impl Descriptor {
    /// Whether it is the layer of an OS image that holds the UKI.
    pub(crate) fn is_uki(&self) -> bool {
        self.annotation(LAYER_ANNOTATION) == Some(UKI_LAYER)
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

impl ImageConfig {
    /// Reads the config of an image with so many layers.
    pub(crate) fn parse(text: &[u8], layers: usize) -> Result<Self, String> {
        let config: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        let found = config.rootfs.diff_ids.len();
        if found != layers {
            return Err(format!("it has {found} diff_ids for {layers} layers"));
        }
        Ok(config)
    }

    /// What it is for, if that is not `wanted`. One that does not say is let through.
    pub(crate) fn other_platform(&self, wanted: &str) -> Option<String> {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let platform = Platform {
            os: said(&self.os)?,
            architecture: said(&self.architecture)?,
            variant: said(&self.variant),
        };
        // Many tools leave the variant out of configs.
        let wanted = match platform.variant {
            Some(_) => wanted.to_owned(),
            None => wanted.split('/').take(2).collect::<Vec<_>>().join("/"),
        };
        (!platform.fits(&wanted)).then(|| platform.to_string())
    }

    pub(crate) fn diff_ids(&self) -> &[Digest] {
        &self.rootfs.diff_ids
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.config
            .as_ref()?
            .labels
            .as_ref()?
            .get(key)
            .map(String::as_str)
    }

    pub(crate) fn runtime(&self) -> RuntimeConfig {
        let config = self.config.clone().unwrap_or_default();
        RuntimeConfig {
            entrypoint: config.entrypoint.unwrap_or_default(),
            cmd: config.cmd.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
            working_dir: config.working_dir.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
            exposed_ports: config
                .exposed_ports
                .unwrap_or_default()
                .into_keys()
                .collect(),
            volumes: config.volumes.unwrap_or_default().into_keys().collect(),
            labels: config.labels.unwrap_or_default(),
        }
    }
}
