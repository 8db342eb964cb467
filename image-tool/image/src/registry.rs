//! Registries as a source of images: requests with retries, and what their failures mean.

use crate::limits::MAX_JSON_BYTES;
use crate::manifest::ACCEPTED;
use crate::options::{Mirror, PullOptions};
use crate::pull_error::PullError;
use futures_util::StreamExt;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use orlop_config::{Digest, ImageRef};
use std::net::IpAddr;
use std::time::Duration;

/// The wait between retries grows up to so many times the first one.
const MAX_BACKOFF_FACTOR: u32 = 16;

/// One image of a registry.
pub(crate) struct Registry {
    pub(crate) client: Client,
    pub(crate) reference: Reference,
    pub(crate) image: String,
    pub(crate) host: String,
    pub(crate) options: PullOptions,
}

/// What a failed request means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The registry answered: it is not there.
    NotFound,
    /// The registry answered: no.
    Denied(String),
    /// It may work the next time.
    Retry(String),
    /// The content is not what its digest says.
    Digest { expected: String, got: String },
    /// The registry answered something else.
    Bad(String),
}

impl Registry {
    /// The image `reference` names; none if it names a layout.
    pub(crate) fn new(image: &ImageRef, options: &PullOptions) -> Option<Result<Self, PullError>> {
        let ImageRef::Registry {
            registry,
            repository,
            tag,
            digest,
        } = image
        else {
            return None;
        };
        let version = (tag.as_deref(), digest.as_ref());
        Some(Self::at(image, registry, repository, version, options))
    }

    /// The same image in a mirror of its registry.
    pub(crate) fn mirror(
        image: &ImageRef,
        mirror: &Mirror,
        options: &PullOptions,
    ) -> Result<Self, PullError> {
        let ImageRef::Registry {
            repository,
            tag,
            digest,
            ..
        } = image
        else {
            return Err(PullError::Options {
                image: image.to_string(),
                why: "a layout has no mirrors".to_owned(),
            });
        };
        let repository = match mirror.prefix.trim_matches('/') {
            "" => repository.clone(),
            prefix => format!("{prefix}/{repository}"),
        };
        let options = PullOptions {
            plain_http: mirror.plain_http,
            ca: mirror.ca.clone(),
            login: mirror.login.clone(),
            ..options.clone()
        };
        let version = (tag.as_deref(), digest.as_ref());
        Self::at(image, &mirror.host, &repository, version, &options)
    }

    fn at(
        image: &ImageRef,
        host: &str,
        repository: &str,
        version: (Option<&str>, Option<&Digest>),
        options: &PullOptions,
    ) -> Result<Self, PullError> {
        let (host, repository) = (host.to_owned(), repository.to_owned());
        let reference = match version {
            (_, Some(digest)) => {
                Reference::with_digest(host.clone(), repository, digest.to_string())
            }
            (tag, None) => {
                let tag = tag.unwrap_or("latest").to_owned();
                Reference::with_tag(host.clone(), repository, tag)
            }
        };
        let image = image.to_string();
        client(&host, &image, options).map(|client| Self {
            client,
            reference,
            image,
            host,
            options: options.clone(),
        })
    }

    /// Who logs in.
    pub(crate) fn auth(&self) -> RegistryAuth {
        match &self.options.login {
            Some(login) => RegistryAuth::Basic(login.user.clone(), login.password.clone()),
            None => RegistryAuth::Anonymous,
        }
    }

    /// Makes the login known to the client, for whatever is asked of it first.
    pub(crate) async fn log_in(&self) {
        let registry = self.reference.resolve_registry();
        self.client
            .store_auth_if_needed(registry, &self.auth())
            .await;
    }

    /// The manifest or index that the reference, or `digest` in its repository, stands for.
    pub(crate) async fn manifest(&self, digest: Option<&Digest>) -> Result<Vec<u8>, PullError> {
        let reference = match digest {
            Some(digest) => self.reference.clone_with_digest(digest.to_string()),
            None => self.reference.clone(),
        };
        let text = self
            .retry("manifest", digest, || async {
                self.client
                    .pull_manifest_raw(&reference, &self.auth(), ACCEPTED)
                    .await
                    .map(|(text, _)| text)
                    .map_err(failure)
            })
            .await?;
        if text.len() as u64 > MAX_JSON_BYTES {
            return Err(self.bad("manifest", format!("it is over {MAX_JSON_BYTES} bytes")));
        }
        Ok(text.to_vec())
    }

    /// A small blob, such as a config.
    pub(crate) async fn document(&self, what: &str, digest: &Digest) -> Result<Vec<u8>, PullError> {
        self.log_in().await;
        self.retry(what, Some(digest), || async {
            let mut stream = self
                .client
                .pull_blob_stream(&self.reference, digest.as_str())
                .await
                .map_err(failure)?
                .stream;
            let mut text = Vec::new();
            while let Some(chunk) = stream.next().await {
                text.extend_from_slice(&chunk.map_err(stream_failure)?);
                if text.len() as u64 > MAX_JSON_BYTES {
                    return Err(Failure::Bad(format!("it is over {MAX_JSON_BYTES} bytes")));
                }
            }
            Ok(text)
        })
        .await
    }

    /// Does `request` until it works, fails for good, or the retries are used up.
    async fn retry<T, F>(
        &self,
        what: &str,
        digest: Option<&Digest>,
        request: impl Fn() -> F,
    ) -> Result<T, PullError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match request().await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Retry(why)) if attempts > self.options.retries => {
                    return Err(self.unreachable(attempts, why));
                }
                Err(Failure::Retry(why)) => {
                    log::info!(image = self.image.as_str(), attempts, why = why.as_str();
                        "registry failed, trying again");
                    tokio::time::sleep(self.backoff(attempts)).await;
                }
                Err(other) => return Err(self.error(what, digest, other)),
            }
        }
    }

    /// The wait after so many failures.
    pub(crate) fn backoff(&self, attempts: u32) -> Duration {
        let factor = 1 << attempts.saturating_sub(1).min(MAX_BACKOFF_FACTOR.ilog2());
        self.options.backoff * factor
    }

    /// A failure that no retry mends, as an error.
    pub(crate) fn error(&self, what: &str, digest: Option<&Digest>, failure: Failure) -> PullError {
        let image = self.image.clone();
        match (failure, digest) {
            (Failure::NotFound, Some(digest)) => PullError::MissingBlob {
                what: what.to_owned(),
                image,
                place: self.place(),
                digest: digest.clone(),
            },
            (Failure::NotFound, None) => PullError::UnknownImage {
                image,
                place: self.place(),
            },
            (Failure::Denied(why), _) => PullError::Denied {
                registry: self.host.clone(),
                image,
                why,
            },
            (Failure::Digest { expected, got }, _) => PullError::DigestMismatch {
                what: what.to_owned(),
                image,
                expected,
                got,
            },
            (Failure::Retry(why), _) => self.unreachable(1, why),
            (Failure::Bad(why), _) => self.bad(what, why),
        }
    }

    pub(crate) fn place(&self) -> String {
        format!("registry {}", self.host)
    }

    fn unreachable(&self, attempts: u32, why: String) -> PullError {
        PullError::Unreachable {
            registry: self.host.clone(),
            image: self.image.clone(),
            attempts,
            why,
        }
    }

    fn bad(&self, what: &str, why: String) -> PullError {
        PullError::BadAnswer {
            what: what.to_owned(),
            image: self.image.clone(),
            why,
        }
    }
}

/// A client for one registry.
pub(crate) fn client(host: &str, image: &str, options: &PullOptions) -> Result<Client, PullError> {
    // The default provider of the process; that it is set already, by whomever, is fine.
    let _already_set = rustls::crypto::ring::default_provider().install_default();
    let is_plain = options.plain_http || (options.ca.is_none() && is_loopback(host));
    let config = ClientConfig {
        protocol: if is_plain {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        },
        extra_root_certificates: options
            .ca
            .iter()
            .flat_map(|pem| certificates(pem))
            .collect(),
        platform_resolver: None,
        read_timeout: Some(options.stall_timeout),
        connect_timeout: Some(options.connect_timeout),
        https_proxy: options.proxy.https.clone(),
        http_proxy: options.proxy.http.clone(),
        no_proxy: Some(not_proxied(&options.proxy.except)),
        user_agent: concat!("orlop/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| PullError::Options {
        image: image.to_owned(),
        why: format!("the TLS client cannot be set up: {}", chain(&error)),
    })
}

/// What is reached without a proxy, as the client takes it.
fn not_proxied(except: &[String]) -> String {
    let own = ["localhost", "127.0.0.0/8", "::1"].into_iter();
    let all: Vec<_> = own.chain(except.iter().map(String::as_str)).collect();
    all.join(",")
}

/// Each certificate of a PEM text on its own, as the client takes them.
fn certificates(pem: &str) -> impl Iterator<Item = Certificate> + '_ {
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END)
        .filter(|part| part.contains(END))
        .map(|part| Certificate {
            encoding: CertificateEncoding::Pem,
            data: part.trim_start().as_bytes().to_vec(),
        })
}

/// Whether `host:port` is this machine by its address or as `localhost`.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// What an error of the client means.
pub(crate) fn failure(error: OciDistributionError) -> Failure {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => Failure::NotFound,
        OciDistributionError::RegistryError { envelope, .. } => {
            let has =
                |codes: &[OciErrorCode]| envelope.errors.iter().any(|e| codes.contains(&e.code));
            use OciErrorCode as Code;
            if has(&[
                Code::ManifestUnknown,
                Code::NameUnknown,
                Code::BlobUnknown,
                Code::NotFound,
                Code::ManifestBlobUnknown,
            ]) {
                Failure::NotFound
            } else if has(&[Code::Unauthorized, Code::Denied]) {
                Failure::Denied(envelope.to_string())
            } else if has(&[Code::Toomanyrequests]) {
                Failure::Retry(envelope.to_string())
            } else {
                Failure::Bad(envelope.to_string())
            }
        }
        OciDistributionError::ServerError { code: 404, .. } => Failure::NotFound,
        OciDistributionError::ServerError { code, message, .. }
            if code >= 500 || code == 429 || code == 408 =>
        {
            Failure::Retry(format!("status {code}: {}", first_line(&message)))
        }
        OciDistributionError::ServerError { code, message, .. } => {
            Failure::Bad(format!("status {code}: {}", first_line(&message)))
        }
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_) => Failure::Denied(error.to_string()),
        OciDistributionError::DigestError(oci_client::errors::DigestError::VerificationError {
            expected,
            actual,
        }) => Failure::Digest {
            expected,
            got: actual,
        },
        OciDistributionError::RequestError(_) | OciDistributionError::IoError(_) => {
            Failure::Retry(chain(&error))
        }
        other => Failure::Bad(chain(&other)),
    }
}

/// What an error in the middle of a blob means. The client wraps a wrong digest in an I/O error.
pub(crate) fn stream_failure(error: std::io::Error) -> Failure {
    use oci_client::errors::DigestError;
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<DigestError>())
    {
        Some(DigestError::VerificationError { expected, actual }) => Failure::Digest {
            expected: expected.clone(),
            got: actual.clone(),
        },
        _ => Failure::Retry(chain(&error)),
    }
}

/// An error and its causes; what repeats its cause is left out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["127.0.0.1:5000", "localhost", "[::1]:5000", "127.9.9.9"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "10.0.0.1:5000",
            "localhost.example.com",
            "127.0.0.1.example.com:80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_pem_of_two_certificates_is_split() {
        let one = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        assert_eq!(certificates(&format!("{one}{one}")).count(), 2);
        assert_eq!(certificates("no pem").count(), 0);
    }
}
