//! What two generations differ in.

use crate::ImageView;
use serde::{Deserialize, Serialize};

/// Which two generations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiffQuery {
    /// The one to start from; none is the one that runs.
    pub from: Option<u64>,
    /// The one to get to; none is the one that is staged.
    pub to: Option<u64>,
    /// Also name every file that differs.
    pub files: bool,
}

/// What two generations differ in. What is the same in both is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The generation to start from.
    pub from: u64,
    /// The generation to get to.
    pub to: u64,
    /// The OS images, where they differ.
    pub os: Option<OsDiff>,
    /// Keys of the TOML that differ, sorted.
    pub config: Vec<KeyChange>,
    /// Whether the TOMLs differ in anything at all, a comment say.
    pub config_differs: bool,
    /// Containers whose image differs, or that only one generation has, by name.
    pub containers: Vec<ContainerDiff>,
}

/// What two OS images differ in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsDiff {
    /// The image to start from.
    pub from: ImageView,
    /// The image to get to.
    pub to: ImageView,
    /// Whether kernel, initrd or kernel arguments differ.
    pub kernel: bool,
    /// Packages that differ, by name; none where an image has no list of its packages.
    pub packages: Option<Vec<PackageChange>>,
    /// Files that differ; none where an image is not in the store.
    pub files: Option<FileChanges>,
}

/// A package of another version, or that only one image has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// Version in the image to start from; none where it is not there.
    pub from: Option<String>,
    /// Version in the image to get to; none where it is not there.
    pub to: Option<String>,
}

/// Files, directories and links that differ in content, mode, owner or extended attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChanges {
    /// How many are new.
    pub added: u64,
    /// How many are gone.
    pub removed: u64,
    /// How many are in both and differ.
    pub changed: u64,
    /// Each of them, sorted by path; only where asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<FileChange>,
}

/// One file that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Its absolute path.
    pub path: String,
    /// How.
    pub change: Change,
}

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

/// A key of the TOML that differs. Values are cut where they are long, and hidden where they may be
/// secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyChange {
    /// `container.web.image`.
    pub key: String,
    /// As the first TOML writes it; none where it does not.
    pub from: Option<String>,
    /// As the second TOML writes it; none where it does not.
    pub to: Option<String>,
}

/// A container whose image differs, or that only one generation has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerDiff {
    /// Its name.
    pub name: String,
    /// Its image in the generation to start from.
    pub from: Option<ImageView>,
    /// Its image in the generation to get to.
    pub to: Option<ImageView>,
}
