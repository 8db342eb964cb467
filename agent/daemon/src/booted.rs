//! What was booted: the root that is mounted, as who mounted it left word in its `/etc`, the kernel's
//! id of this run, and what the run before left behind.

use crate::paths::Paths;
use crate::records::{RecordError, read_limited};
use crate::remains;
use orlop_config::RootDigest;
use orlop_core::BootId;
use orlop_core::boot::{Booted, Remains};
use serde::Deserialize;
use std::path::PathBuf;

/// The kernel's id of this run of the machine (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The largest `boot.json`.
const MAX_BYTES: u64 = 64 << 10;

/// What runs, as the initrd left word of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Root and run.
    pub booted: Booted,
    /// Whether the root was mounted with fs-verity required.
    pub verity: bool,
}

impl Boot {
    /// Of a machine that does not know what was booted: no image has this root, so nothing on
    /// record is taken to run, and nothing is changed.
    pub fn unknown() -> Self {
        let root = "0"
            .repeat(64)
            .parse()
            .expect("64 hex digits are a root digest");
        Self {
            booted: Booted {
                root,
                boot: BootId(String::new()),
                remains: Remains::default(),
            },
            verity: false,
        }
    }
}

/// It is not known what was booted.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The file cannot be read.
    #[error("cannot tell which OS image runs")]
    Read(#[from] RecordError),
    /// There is no such file: the machine was not started by `orlop-initrd`.
    #[error("cannot tell which OS image runs: there is no {}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It does not say what it must.
    #[error("cannot tell which OS image runs: {} is damaged", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct BootFile {
    root: RootDigest,
    verity: bool,
}

/// Reads what was booted.
///
/// # Errors
/// [`BootError`]: the initrd left no word, or none that can be read.
pub fn read(paths: &Paths) -> Result<Boot, BootError> {
    let path = paths.boot_json();
    let Some(bytes) = read_limited(&path, MAX_BYTES)? else {
        return Err(BootError::Missing { path });
    };
    let file: BootFile = serde_json::from_slice(&bytes).map_err(|source| BootError::Damaged {
        path: path.clone(),
        source,
    })?;
    Ok(Boot {
        booted: Booted {
            root: file.root,
            boot: boot_id()?,
            remains: remains::gather(paths),
        },
        verity: file.verity,
    })
}

/// The kernel's id of this run of the machine.
///
/// # Errors
/// [`BootError`]: the kernel does not say it.
pub fn boot_id() -> Result<BootId, BootError> {
    let path = PathBuf::from(BOOT_ID);
    let id = read_limited(&path, MAX_BYTES)?.ok_or(BootError::Missing { path })?;
    Ok(BootId(String::from_utf8_lossy(&id).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: Option<&str>) -> Result<Boot, String> {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        std::fs::create_dir_all(paths.boot_json().parent().unwrap()).unwrap();
        if let Some(text) = text {
            std::fs::write(paths.boot_json(), text).unwrap();
        }
        read(&paths).map_err(|error| {
            error
                .to_string()
                .replace(&dir.path().display().to_string(), "")
        })
    }

    #[test]
    fn the_initrds_word_is_read_and_the_run_has_an_id() {
        let root = "0a".repeat(32);
        let boot = read_text(Some(&format!(r#"{{"root": "{root}", "verity": true}}"#))).unwrap();
        assert_eq!(boot.booted.root.as_str(), root);
        assert!(boot.verity);
        assert_eq!(
            boot.booted.boot.0.len(),
            36,
            "a UUID: {:?}",
            boot.booted.boot
        );
    }

    #[test]
    fn a_missing_or_damaged_word_is_an_error_that_names_the_file() {
        let missing = read_text(None).unwrap_err();
        assert_eq!(
            missing,
            "cannot tell which OS image runs: there is no /etc/orlop/boot.json"
        );
        let damaged = read_text(Some(r#"{"root": "12"}"#)).unwrap_err();
        assert_eq!(
            damaged,
            "cannot tell which OS image runs: /etc/orlop/boot.json is damaged"
        );
    }
}
