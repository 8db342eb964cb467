//! The list of packages that an OS image carries: `usr/share/orlop/packages.json`, an array of
//! `{"name": …, "version": …}` sorted by name. The build writes it, since the image has no package
//! manager and so no record of its own; a node reads it to say what an update changes.

use crate::store::Store;
use crate::store_error::StoreError;
use orlop_config::RootDigest;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The list's place in an image, without leading slash.
pub const PACKAGES_FILE: &str = "usr/share/orlop/packages.json";

/// The longest list that is read: ten times the one of a full Debian installation.
const MAX_LIST_BYTES: u64 = 4 << 20;

/// A package of an OS image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, as its packager writes it.
    pub version: String,
}

/// The list's text: sorted, a package a line, and the same bytes for the same packages.
pub fn encode_packages(packages: &[Package]) -> String {
    let mut sorted = packages.to_vec();
    sorted.sort();
    sorted.dedup();
    let lines: Vec<_> = sorted
        .iter()
        .map(|package| serde_json::json!(package).to_string())
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

impl Store {
    /// The packages of an OS image; none where it carries no list.
    pub fn packages(&self, root: &RootDigest) -> Result<Option<Vec<Package>>, StoreError> {
        let path = Path::new("/").join(PACKAGES_FILE);
        let Some(text) = self.read_file(root, &path, MAX_LIST_BYTES)? else {
            return Ok(None);
        };
        let packages = serde_json::from_slice(&text).map_err(|error| StoreError::Record {
            path,
            why: error.to_string(),
        })?;
        Ok(Some(packages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_sorted_and_read_back() {
        let package = |name: &str, version: &str| Package {
            name: name.to_owned(),
            version: version.to_owned(),
        };
        let text = encode_packages(&[package("b", "2:1.0~rc1"), package("a", "1")]);
        assert_eq!(
            text,
            "[\n{\"name\":\"a\",\"version\":\"1\"},\n{\"name\":\"b\",\"version\":\"2:1.0~rc1\"}\n]\n"
        );
        let read: Vec<Package> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, [package("a", "1"), package("b", "2:1.0~rc1")]);
        assert_eq!(encode_packages(&[]), "[\n\n]\n");
    }
}
