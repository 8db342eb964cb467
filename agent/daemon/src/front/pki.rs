//! The API's own key and certificate.
//!
//! Made once on the node and never sent anywhere: clients trust the certificate by the fingerprint
//! that the node prints on its console.

use orlop_config::Digest;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Key and certificate in one file, so that no power cut parts them.
const FILE: &str = "server.pem";
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The API's own key and certificate.
#[derive(Debug)]
pub struct ServerIdentity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// Why there is no key and certificate.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The directory cannot be made.
    #[error("cannot make directory {path}")]
    MakeDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there and cannot be read.
    #[error("cannot read the API's key and certificate {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there and is not what was written.
    #[error(
        "cannot use the API's key and certificate {path}: remove it to have new ones made \
         (clients then see a new fingerprint)"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// A key or certificate cannot be made.
    #[error("cannot make the API's key and certificate")]
    Make(#[from] rcgen::Error),
    /// The file cannot be written.
    #[error("cannot write the API's key and certificate {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ServerIdentity {
    /// SHA-256 over the certificate's DER bytes, `sha256:` and 64 hex digits: what `orlop
    /// --fingerprint` takes.
    pub fn fingerprint(&self) -> String {
        Digest::of(&self.certificate).to_string()
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The private key, DER.
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

/// The key and certificate in `dir`, made for `host_name` (ECDSA P-256, self-signed, valid as long
/// as the node lives) where there are none yet. Durable when it returns. A later change of the
/// host name keeps them: the fingerprint is the node's for life.
pub fn load_or_make(dir: &Path, host_name: &str) -> Result<ServerIdentity, PkiError> {
    let path = dir.join(FILE);
    match std::fs::read(&path) {
        Ok(pem) => parse(&pem).map_err(|source| PkiError::Damaged { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(DIR_MODE)
                .create(dir)
                .map_err(|source| PkiError::MakeDir {
                    path: dir.to_owned(),
                    source,
                })?;
            let pem = make(host_name)?;
            write_secret(dir, &path, pem.as_bytes()).map_err(|source| PkiError::Write {
                path: path.clone(),
                source,
            })?;
            parse(pem.as_bytes()).map_err(|source| PkiError::Damaged { path, source })
        }
        Err(source) => Err(PkiError::Read { path, source }),
    }
}

fn parse(pem: &[u8]) -> Result<ServerIdentity, rustls::pki_types::pem::Error> {
    Ok(ServerIdentity {
        certificate: CertificateDer::from_pem_slice(pem)?,
        key: PrivateKeyDer::from_pem_slice(pem)?,
    })
}

fn make(host_name: &str) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new([host_name.to_owned(), "localhost".to_owned()])?;
    params
        .distinguished_name
        .push(DnType::CommonName, host_name);
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ServerAuth);
    let certificate = params.self_signed(&key)?;
    Ok(key.serialize_pem() + &certificate.pem())
}

/// Writes a file that only root may read: temporary name, fsync, rename, fsync of the directory.
fn write_secret(dir: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let temp = path.with_extension("pem.orlop-tmp");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&temp)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temp, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_only_root_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let pki = dir.path().join("pki");
        let made = load_or_make(&pki, "edge-17").unwrap();
        let loaded = load_or_make(&pki, "another-name").unwrap();
        assert_eq!(made.fingerprint(), loaded.fingerprint());
        assert_eq!(made.fingerprint().len(), "sha256:".len() + 64);
        let mode = std::fs::metadata(pki.join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, FILE_MODE);
        assert_eq!(std::fs::read_dir(&pki).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "not PEM").unwrap();
        let error = load_or_make(dir.path(), "edge-17").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("remove it to have new ones made"),
            "{error}"
        );
        assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), b"not PEM");
    }
}
