//! TLS to a node: its certificate trusted by fingerprint or CA, and our own shown.

use orlop_api::{Fault, FaultKind};
use orlop_config::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why to believe that a node is the one meant.
#[derive(Debug)]
pub(crate) enum Trust {
    /// Its certificate is this very one.
    Fingerprint(Digest),
    /// A CA in this PEM file vouches for it, under the name that was asked for.
    Ca(PathBuf),
}

/// TLS 1.3 with the certificate and key of these PEM files.
pub(crate) fn client_config(
    trust: Trust,
    cert: &Path,
    key: &Path,
) -> Result<Arc<ClientConfig>, Fault> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Fingerprint(wanted) => Arc::new(Pinned {
            wanted,
            algorithms: provider.signature_verification_algorithms,
        }),
        Trust::Ca(path) => by_ca(&path, &provider)?,
    };
    let chain = certificates(cert)?;
    let key_der = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| unusable("private key", key, &error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Fault::new(FaultKind::Internal, format!("cannot set up TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(chain, key_der)
        .map_err(|error| {
            unusable("certificate and key", cert, &error).hint(format!(
                "check that {} is the key of this certificate",
                key.display()
            ))
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn by_ca(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unusable("CA certificate", path, &error))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| unusable("CA certificate", path, &error))
}

/// Every certificate of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let list = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable("certificate", path, &error))?;
    if list.is_empty() {
        return Err(unusable("certificate", path, &"there is none in it"));
    }
    Ok(list)
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path).map_err(|error| {
        Fault::new(
            FaultKind::Usage,
            format!("cannot read {}: {error}", path.display()),
        )
    })
}

fn unusable(what: &str, path: &Path, why: &dyn std::fmt::Display) -> Fault {
    Fault::new(
        FaultKind::Usage,
        format!("cannot use {what} {}: {why}", path.display()),
    )
}

/// Takes exactly one certificate. Its names and dates do not matter: a node's clock may be wrong,
/// and it is the same node under every name.
#[derive(Debug)]
struct Pinned {
    wanted: Digest,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Digest::of(end_entity) == self.wanted {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
