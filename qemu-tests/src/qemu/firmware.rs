//! UEFI firmware for QEMU machines: Debian's OVMF.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Code and variable store of OVMF without Secure Boot keys, newest naming first
/// (package `ovmf` of Debian 12 and 13).
const CANDIDATES: [(&str, &str); 2] = [
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
];

/// No firmware to boot with.
#[derive(Debug, thiserror::Error)]
pub enum FirmwareError {
    /// OVMF is not installed.
    #[error("cannot find UEFI firmware {}: install the package ovmf", CANDIDATES[0].0)]
    Missing,
    /// The machine's own variable store cannot be made.
    #[error("cannot copy the firmware's variables to {path}")]
    Copy {
        /// The copy.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Firmware with a variable store of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// The code, shared and read-only.
    pub code: PathBuf,
    /// The variables; boot entries that the firmware makes are kept here over reboots.
    pub vars: PathBuf,
}

impl Firmware {
    /// The host's OVMF, its variables kept in `vars`, which is made from the pristine ones where it
    /// does not exist yet.
    ///
    /// # Errors
    /// OVMF is not installed, or `vars` cannot be written.
    pub fn with_vars(vars: &Path) -> Result<Self, FirmwareError> {
        let (code, pristine) = CANDIDATES
            .iter()
            .find(|(code, vars)| Path::new(code).exists() && Path::new(vars).exists())
            .ok_or(FirmwareError::Missing)?;
        if !vars.exists() {
            fs::copy(pristine, vars).map_err(|source| FirmwareError::Copy {
                path: vars.to_owned(),
                source,
            })?;
        }
        Ok(Self {
            code: PathBuf::from(code),
            vars: vars.to_owned(),
        })
    }

    /// The arguments that give it to QEMU.
    pub(super) fn arguments(&self) -> [String; 4] {
        let drive =
            |path: &Path, more: &str| format!("if=pflash,format=raw,file={}{more}", path.display());
        [
            "-drive".to_owned(),
            drive(&self.code, ",readonly=on"),
            "-drive".to_owned(),
            drive(&self.vars, ""),
        ]
    }
}
