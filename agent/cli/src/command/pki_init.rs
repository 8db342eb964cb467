//! `orlop pki init`: a CA for clients.

use super::{Ending, Outcome};
use crate::screen::Screen;
use orlop_api::{Fault, FaultKind};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// File name of the CA's certificate.
pub(super) const CA_CERT: &str = "ca.pem";
/// File name of the CA's key.
pub(super) const CA_KEY: &str = "ca.key";
/// Subject of the CA, and so issuer of what it signs.
const CA_NAME: &str = "Orlop clients";
const CERT_MODE: u32 = 0o644;
const KEY_MODE: u32 = 0o600;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to put `ca.pem` and `ca.key`.
    dir: PathBuf,
}

/// The files that were made.
#[derive(Serialize)]
pub(super) struct Made {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
}

pub(crate) fn run(options: &Options, screen: &Screen) -> Outcome {
    std::fs::create_dir_all(&options.dir).map_err(|error| {
        Fault::new(
            FaultKind::Usage,
            format!("cannot make {}: {error}", options.dir.display()),
        )
    })?;
    let made = Made {
        cert: options.dir.join(CA_CERT),
        key: options.dir.join(CA_KEY),
    };
    let key = new_key()?;
    let cert = ca_params().self_signed(&key).map_err(not_made)?;
    write_pair(&made, &cert.pem(), &key.serialize_pem())?;
    tell(screen, &made)?;
    screen.talk(&format!(
        "put the text of {} into [api] clients of the TOML",
        made.cert.display()
    ));
    Ok(Ending::Done)
}

/// What the CA's certificate says. The same for every CA that this command makes, but for the key.
pub(super) fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(super) fn new_key() -> Result<KeyPair, Fault> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(not_made)
}

pub(super) fn not_made(error: rcgen::Error) -> Fault {
    Fault::new(
        FaultKind::Internal,
        format!("cannot make a key and certificate: {error}"),
    )
}

/// Writes key and certificate; never over files that are there.
pub(super) fn write_pair(made: &Made, cert: &str, key: &str) -> Result<(), Fault> {
    for path in [&made.key, &made.cert] {
        if path.exists() {
            return Err(Fault::new(
                FaultKind::Refused,
                format!("cannot write {}: it is there already", path.display()),
            )
            .hint("remove it or choose another directory or name"));
        }
    }
    write(&made.key, key, KEY_MODE)?;
    write(&made.cert, cert, CERT_MODE)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Fault> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| {
        Fault::new(
            FaultKind::Usage,
            format!("cannot write {}: {error}", path.display()),
        )
    })
}

pub(super) fn tell(screen: &Screen, made: &Made) -> Result<(), Fault> {
    screen.show(made, |_| {
        format!("{}\n{}\n", made.cert.display(), made.key.display())
    })
}
