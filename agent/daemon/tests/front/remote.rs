//! The HTTP API over TLS.

use crate::client::{fault, json, send};
use crate::node::MemoryNode;
use hyper::Method;
use orlop_config::{Api, Digest};
use orlopd::front::{ApiServer, ServeError, ServerOptions, pki};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    fn client(&self, organization: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "anna");
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (
            certificate.der().clone(),
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
    }
}

struct Remote {
    _dir: TempDir,
    server: ApiServer,
    node: Arc<MemoryNode>,
    identity: CertificateDer<'static>,
}

impl Remote {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = pki::load_or_make(&dir.path().join("pki"), "edge-17").unwrap();
        let certificate = identity.certificate().clone();
        let node = Arc::new(MemoryNode::default());
        let options = ServerOptions::new(dir.path().join("api.sock"), identity);
        let server = ApiServer::start(Arc::clone(&node), options).unwrap();
        Self {
            _dir: dir,
            server,
            node,
            identity: certificate,
        }
    }

    async fn listening(ca: &Ca) -> Self {
        let mut remote = Self::new();
        remote
            .server
            .reconfigure(&api(loopback(), ca))
            .await
            .unwrap();
        remote
    }

    fn address(&self) -> SocketAddr {
        self.server.remote_address().unwrap()
    }

    async fn connect(
        &self,
        client: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.identity.clone()).unwrap();
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
        let config = match client {
            Some((certificate, key)) => config
                .with_client_auth_cert(vec![certificate], key)
                .unwrap(),
            None => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(self.address()).await?;
        let name = ServerName::try_from("edge-17").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// What comes of a client that the handshake should not let in.
    async fn refusal(
        &self,
        client: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> String {
        let mut stream = self.connect(client).await.unwrap();
        let exchange = async {
            stream
                .write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n")
                .await?;
            stream.read_u8().await
        };
        exchange.await.unwrap_err().to_string()
    }
}

fn api(listen: SocketAddr, ca: &Ca) -> Api {
    Api {
        listen: Some(listen),
        clients: Some(ca.pem.clone()),
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let ca = Ca::new("clients");
    let remote = Remote::listening(&ca).await;
    let stream = remote
        .connect(Some(ca.client("orlop:operator")))
        .await
        .unwrap();
    let answer = send(stream, Method::POST, "/v1/update/apply", "").await;
    assert_eq!(json(answer).await.0, 202);
    assert_eq!(
        *remote.node.asked.lock().unwrap(),
        [
            "certificate CN=anna: apply ApplyRequest { mode: None, confirm_secs: None, dry_run: false }"
        ]
    );
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let ca = Ca::new("clients");
    let remote = Remote::listening(&ca).await;
    assert_eq!(
        remote.refusal(None).await,
        "received fatal alert: CertificateRequired"
    );
}

#[tokio::test]
async fn a_client_of_another_ca_is_refused() {
    let remote = Remote::listening(&Ca::new("clients")).await;
    // The same name, and another key.
    let stranger = Ca::new("clients").client("orlop:admin");
    assert_eq!(
        remote.refusal(Some(stranger)).await,
        "received fatal alert: DecryptError"
    );
    let stranger = Ca::new("someone else").client("orlop:admin");
    assert_eq!(
        remote.refusal(Some(stranger)).await,
        "received fatal alert: UnknownCA"
    );
}

#[tokio::test]
async fn a_reader_may_read_and_may_not_change() {
    let ca = Ca::new("clients");
    let remote = Remote::listening(&ca).await;
    let stream = remote
        .connect(Some(ca.client("orlop:reader")))
        .await
        .unwrap();
    assert_eq!(
        json(send(stream, Method::GET, "/v1/status", "").await)
            .await
            .0,
        200
    );
    let stream = remote
        .connect(Some(ca.client("orlop:reader")))
        .await
        .unwrap();
    let (status, fault) = fault(send(stream, Method::POST, "/v1/rollback", "").await).await;
    assert_eq!(status, 403);
    assert_eq!(
        fault.message,
        "cannot let certificate CN=anna do this: its role is reader, this needs operator"
    );
    assert!(remote.node.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_certificate_without_a_role_may_do_nothing() {
    let ca = Ca::new("clients");
    let remote = Remote::listening(&ca).await;
    let stream = remote
        .connect(Some(ca.client("Example Ltd")))
        .await
        .unwrap();
    let (status, fault) = fault(send(stream, Method::GET, "/v1/status", "").await).await;
    assert_eq!(status, 403);
    assert_eq!(
        fault.message,
        "cannot let certificate CN=anna in: the certificate gives no role"
    );
}

#[tokio::test]
async fn another_ca_takes_over_on_the_same_port_and_cuts_the_old_ones_clients() {
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let mut remote = Remote::listening(&old).await;
    let wanted = loopback();
    let address = remote.address();
    let mut open = remote
        .connect(Some(old.client("orlop:admin")))
        .await
        .unwrap();
    open.write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(open.read_u8().await.unwrap(), b'H');
    remote.server.reconfigure(&api(wanted, &new)).await.unwrap();
    assert_eq!(remote.address(), address);
    let mut rest = Vec::new();
    // Cut without a goodbye: an error, where it is not just the end.
    let _ = open.read_to_end(&mut rest).await;
    assert_eq!(
        remote.refusal(Some(old.client("orlop:admin"))).await,
        "received fatal alert: UnknownCA"
    );
    let stream = remote
        .connect(Some(new.client("orlop:admin")))
        .await
        .unwrap();
    assert_eq!(
        json(send(stream, Method::GET, "/v1/status", "").await)
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn a_taken_port_is_an_error_and_the_old_one_goes_on() {
    let ca = Ca::new("clients");
    let mut remote = Remote::listening(&ca).await;
    let address = remote.address();
    let other = std::net::TcpListener::bind(loopback()).unwrap();
    let taken = other.local_addr().unwrap();
    let error = remote
        .server
        .reconfigure(&api(taken, &ca))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {taken} for the API")
    );
    assert_eq!(remote.address(), address);
    let stream = remote
        .connect(Some(ca.client("orlop:admin")))
        .await
        .unwrap();
    assert_eq!(
        json(send(stream, Method::GET, "/v1/status", "").await)
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn no_listen_closes_the_port_and_no_clients_opens_none() {
    let ca = Ca::new("clients");
    let mut remote = Remote::listening(&ca).await;
    let address = remote.address();
    remote.server.reconfigure(&Api::default()).await.unwrap();
    assert_eq!(remote.server.remote_address(), None);
    let gone = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone)
        .await
        .unwrap();
    let nobody = Api {
        listen: Some(loopback()),
        clients: None,
    };
    let error = remote.server.reconfigure(&nobody).await.unwrap_err();
    assert!(matches!(error, ServeError::NoClients { .. }), "{error}");
}

#[tokio::test]
async fn the_fingerprint_is_the_one_of_the_certificate_on_the_wire() {
    let ca = Ca::new("clients");
    let remote = Remote::listening(&ca).await;
    let stream = remote
        .connect(Some(ca.client("orlop:reader")))
        .await
        .unwrap();
    let shown = &stream.get_ref().1.peer_certificates().unwrap()[0];
    assert_eq!(Digest::of(shown).as_str(), remote.server.fingerprint());
}
