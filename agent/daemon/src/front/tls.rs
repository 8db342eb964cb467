//! TLS with client certificates: who is let in, and as whom.

use super::access::{Peer, Role};
use super::pki::ServerIdentity;
use crate::ops::Caller;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Stands for a name that a certificate does not have.
const NO_NAME: &str = "(none)";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM.
    #[error("cannot read the PEM of [api] clients")]
    ReadPem(#[source] rustls::pki_types::pem::Error),
    /// PEM, and not of a certificate.
    #[error("cannot find a certificate in the PEM of [api] clients")]
    NoCertificate,
    /// Not usable as a CA.
    #[error("cannot trust the certificate in [api] clients")]
    Trust(#[source] rustls::Error),
    /// The verifier cannot be built of them.
    #[error("cannot check clients by the certificates in [api] clients")]
    Verifier(#[from] VerifierBuilderError),
    /// The node's own key or certificate is refused.
    #[error("cannot use the API's own key and certificate")]
    Identity(#[source] rustls::Error),
}

/// TLS 1.3 for a server of this identity that lets in whoever a CA in `clients` (PEM) vouches for.
pub(crate) fn server_config(
    identity: &ServerIdentity,
    clients: &str,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(clients.as_bytes()) {
        let certificate = certificate.map_err(TlsError::ReadPem)?;
        roots.add(certificate).map_err(TlsError::Trust)?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let provider = Arc::new(ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Identity)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate().clone()], identity.key())
        .map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Who the certificate, which the TLS handshake has verified, is for. Of several roles in it, the
/// highest counts.
pub(crate) fn peer(certificate: &CertificateDer<'_>) -> Peer {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        // Verified by the handshake and still not readable: let in as nobody, and so refused.
        log::warn!("cannot read a verified client certificate");
        return Peer {
            caller: Caller::Certificate {
                name: NO_NAME.to_owned(),
            },
            role: None,
        };
    };
    let subject = certificate.subject();
    let name = subject
        .iter_common_name()
        .find_map(|name| name.as_str().ok())
        .unwrap_or(NO_NAME);
    let role = subject
        .iter_organization()
        .filter_map(|organization| organization.as_str().ok())
        .filter_map(Role::from_organization)
        .max();
    Peer {
        caller: Caller::Certificate {
            name: name.to_owned(),
        },
        role,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn certificate(organizations: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "anna");
        for organization in organizations {
            params
                .distinguished_name
                .push(DnType::OrganizationName, *organization);
        }
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .clone()
    }

    #[test]
    fn the_role_comes_from_the_organization() {
        for (organization, role) in [
            ("orlop:reader", Some(Role::Reader)),
            ("orlop:operator", Some(Role::Operator)),
            ("orlop:admin", Some(Role::Admin)),
            ("orlop:king", None),
            ("Example Ltd", None),
        ] {
            let peer = peer(&certificate(&[organization]));
            assert_eq!(peer.role, role, "{organization}");
            assert_eq!(
                peer.caller,
                Caller::Certificate {
                    name: "anna".to_owned()
                }
            );
        }
    }

    #[test]
    fn clients_without_a_certificate_in_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let identity = crate::front::pki::load_or_make(dir.path(), "edge-17").unwrap();
        assert!(matches!(
            server_config(&identity, "no PEM"),
            Err(TlsError::NoCertificate)
        ));
    }
}
