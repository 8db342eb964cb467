//! Servers on loopback: our own, Debian's docker-registry, and proxies that fail on purpose.

use crate::fixture::LayoutDir;
use orlop_config::ImageRef;
use orlop_image::{Repositories, serve};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A task that ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

impl Server {
    /// `serve` with the layout as repository `os`.
    pub(crate) async fn of(layout: &Path) -> Self {
        let (listener, address) = listen().await;
        let repositories = Repositories::from([("a/os".to_owned(), layout.to_owned())]);
        let task = tokio::spawn(async move {
            serve(listener, repositories, std::future::pending())
                .await
                .unwrap();
        });
        Self { address, task }
    }

    pub(crate) fn image(&self, rest: &str) -> ImageRef {
        format!("{}/a/os{rest}", self.address).parse().unwrap()
    }

    /// TLS in front of another server, and the PEM of its certificate.
    pub(crate) async fn tls(inner: SocketAddr) -> (Self, String) {
        let cert = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(cert.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (listener, address) = listen().await;
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut client) = acceptor.accept(client).await else {
                        return;
                    };
                    let mut server = TcpStream::connect(inner).await.unwrap();
                    let _closed = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        (Self { address, task }, cert.cert.pem())
    }
}

/// How a connection through a [`Proxy`] ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Cut after so many bytes to the client.
    Cut(u64),
    /// Silent after so many bytes, but open.
    Stall(u64),
}

/// A proxy whose first connections fail; later ones work, or are refused.
pub(crate) struct Proxy {
    pub(crate) server: Server,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Bytes that came to the client.
    pub(crate) bytes: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) async fn new(inner: SocketAddr, faults: Vec<Fault>, dies: bool) -> Self {
        let (listener, address) = listen().await;
        let connections = Arc::new(AtomicUsize::new(0));
        let bytes = Arc::new(AtomicU64::new(0));
        let (count, total) = (connections.clone(), bytes.clone());
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                let fault = faults.get(number).copied();
                if fault.is_none() && dies {
                    continue;
                }
                tokio::spawn(relay(client, inner, fault, total.clone()));
            }
        });
        Self {
            server: Server { address, task },
            connections,
            bytes,
        }
    }
}

async fn relay(client: TcpStream, inner: SocketAddr, fault: Option<Fault>, total: Arc<AtomicU64>) {
    let server = TcpStream::connect(inner).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::spawn(async move {
        let _closed = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let limit = match fault {
        Some(Fault::Cut(bytes) | Fault::Stall(bytes)) => bytes,
        None => u64::MAX,
    };
    let mut sent = 0;
    let mut buffer = vec![0; 4096];
    while sent < limit {
        let room = buffer
            .len()
            .min(usize::try_from(limit - sent).unwrap_or(usize::MAX));
        let Ok(n @ 1..) = from_server.read(&mut buffer[..room]).await else {
            break;
        };
        if to_client.write_all(&buffer[..n]).await.is_err() {
            break;
        }
        sent += n as u64;
        total.fetch_add(n as u64, Ordering::SeqCst);
    }
    if matches!(fault, Some(Fault::Stall(_))) {
        std::future::pending::<()>().await;
    }
    up.abort();
}

/// Debian's docker-registry, on a free port, ended with the test.
pub(crate) struct DockerRegistry {
    child: Child,
    pub(crate) address: String,
}

impl DockerRegistry {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::with(dir, "")
    }

    /// One that lets in `puller` with the password `s3cret` alone.
    pub(crate) fn with_login(dir: &Path) -> Self {
        let users = dir.join("users");
        // The hash of that password, by bcrypt, which is what docker-registry takes.
        let user = "puller:$2b$04$16YW8qjVHi.xF/5.mW42U.1JrlX0zpOl4vOBh4ZiJE.xSomgTmsjC\n";
        std::fs::write(&users, user).unwrap();
        let auth = format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            users.display()
        );
        Self::with(dir, &auth)
    }

    fn with(dir: &Path, more: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let config = dir.join("registry.yml");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{more}",
            dir.join("registry").display()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, address };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&this.address).is_err() {
            assert!(Instant::now() < deadline, "docker-registry did not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Copies the layout's image `1` with skopeo.
pub(crate) fn skopeo_copy(layout: &LayoutDir, target: &str, more: &[&str]) {
    let source = layout.reference().to_string();
    let output = Command::new("skopeo")
        .args(["copy", "--dest-tls-verify=false", "--insecure-policy"])
        .args(more)
        .args([source, format!("docker://{target}")])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
