//! Connections to a node, and why there is none.

use super::target::Target;
use orlop_api::{Fault, FaultKind};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// How long a connection, TLS included, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream of bytes to a node.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects to the node.
pub(crate) async fn connect(target: &Target) -> Result<Box<dyn Stream>, Fault> {
    let connected = async {
        match target {
            Target::Local { socket } => local(socket).await,
            Target::Remote {
                host,
                port,
                name,
                tls,
            } => remote(host, *port, name, tls).await,
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connected)
        .await
        .unwrap_or_else(|_| {
            Err(unreachable(
                target,
                &format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
            ))
        })
}

async fn local(socket: &Path) -> Result<Box<dyn Stream>, Fault> {
    match UnixStream::connect(socket).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let text = format!("cannot reach the agent at {}: {error}", socket.display());
            Err(if error.kind() == io::ErrorKind::PermissionDenied {
                Fault::new(FaultKind::Denied, text).hint("ask as root or join the group orlop")
            } else {
                Fault::new(FaultKind::Transient, text)
                    .hint("check that orlopd runs on this machine, or name another with --host")
            })
        }
    }
}

async fn remote(
    host: &str,
    port: u16,
    name: &ServerName<'static>,
    tls: &Arc<ClientConfig>,
) -> Result<Box<dyn Stream>, Fault> {
    let place = place(host, port);
    let stream = TcpStream::connect((host, port)).await.map_err(|error| {
        Fault::new(
            FaultKind::Transient,
            format!("cannot reach {place}: {error}"),
        )
        .hint("check the address, and [api] listen in the node's TOML")
    })?;
    match TlsConnector::from(Arc::clone(tls))
        .connect(name.clone(), stream)
        .await
    {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(tls_fault(&place, &error).unwrap_or_else(|| {
            Fault::new(
                FaultKind::Transient,
                format!("cannot reach {place}: {error}"),
            )
        })),
    }
}

/// The fault for a node that does not answer.
pub(crate) fn unreachable(target: &Target, why: &str) -> Fault {
    let place = match target {
        Target::Local { socket } => format!("the agent at {}", socket.display()),
        Target::Remote { host, port, .. } => place(host, *port),
    };
    Fault::new(FaultKind::Transient, format!("cannot reach {place}: {why}"))
}

/// The fault for an exchange that broke. A client certificate that the node refuses shows only
/// here: in TLS 1.3 the handshake is over for the client before the node has looked at it.
pub(crate) fn broken(target: &Target, error: &(dyn Error + 'static)) -> Fault {
    if let Target::Remote { host, port, .. } = target {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let fault = error
                .downcast_ref::<io::Error>()
                .and_then(|error| tls_fault(&place(host, *port), error));
            if let Some(fault) = fault {
                return fault;
            }
            cause = error.source();
        }
    }
    unreachable(target, &innermost(error))
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn place(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// What a failure of TLS means, where it is one of trust.
fn tls_fault(place: &str, error: &io::Error) -> Option<Fault> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let denied =
        |why: &str| Fault::new(FaultKind::Denied, format!("cannot talk to {place}: {why}"));
    Some(match error {
        rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            denied("its certificate has another fingerprint").hint(
                "compare with the fingerprint on the node's console; if it differs there too, \
                 something stands in between",
            )
        }
        rustls::Error::InvalidCertificate(why) => {
            denied(&format!("its certificate is not to be trusted: {why}"))
                .hint("check --server-ca and the name in --host, or use --fingerprint")
        }
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired),
        ) => denied(&format!("it refuses our certificate ({alert:?})"))
            .hint("use a certificate from the CA that the node's [api] clients names"),
        _ => return None,
    })
}
