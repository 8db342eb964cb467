//! The HTTP servers: the local one always, the remote one as the config says.

use super::access::{OPERATORS_GROUP, Peer};
use super::pki::ServerIdentity;
use super::tls::{self, TlsError};
use super::{connection, local, routes};
use crate::ops::Operations;
use axum::Router;
use nix::sys::socket::{setsockopt, sockopt};
use orlop_config::Api;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The most local connections at once; more wait in the socket's backlog.
const MAX_LOCAL_CONNECTIONS: usize = 64;
/// The most TLS connections at once; more wait in the socket's backlog.
const MAX_REMOTE_CONNECTIONS: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait after `accept` failed, mostly for want of file descriptors.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(200);
/// Seconds without traffic after which the kernel asks whether a remote client is still there.
const KEEP_ALIVE_SECS: u32 = 60;
/// Milliseconds after which sent data that nobody acknowledged ends a connection.
const UNACKNOWLEDGED_MILLIS: u32 = 60_000;

/// What does not change while the agent runs.
#[derive(Debug)]
pub struct ServerOptions {
    /// Where the local API listens: `/run/orlop/api.sock`.
    pub socket: PathBuf,
    /// The group that may use it besides root: `orlop`.
    pub group: String,
    /// The remote API's key and certificate.
    pub identity: ServerIdentity,
}

impl ServerOptions {
    /// The local API at `socket` for root and the group `orlop`.
    pub fn new(socket: PathBuf, identity: ServerIdentity) -> Self {
        Self {
            socket,
            group: OPERATORS_GROUP.to_owned(),
            identity,
        }
    }
}

/// Why an API does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The local one.
    #[error("cannot listen on {path}")]
    Local {
        /// Its socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The remote one.
    #[error("cannot listen on {address} for the API")]
    Remote {
        /// Its address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// `[api] listen` without `[api] clients`.
    #[error(
        "cannot listen on {address} for the API: [api] has no `clients`, so nobody could be let in"
    )]
    NoClients {
        /// The address.
        address: SocketAddr,
    },
    /// The remote one's TLS.
    #[error("cannot set up TLS for the API")]
    Tls(#[from] TlsError),
}

/// The running servers. They stop, and every connection with them, when this is dropped.
#[derive(Debug)]
pub struct ApiServer {
    router: Router,
    identity: ServerIdentity,
    remote: Option<Remote>,
    _stop_local: DropGuard,
}

#[derive(Debug)]
struct Remote {
    wanted: SocketAddr,
    clients: String,
    listener: Arc<TcpListener>,
    _stop: DropGuard,
}

impl ApiServer {
    /// Starts the local API. The remote one starts with the first [`Self::reconfigure`].
    /// Must be called within a tokio runtime.
    pub fn start<O: Operations>(ops: Arc<O>, options: ServerOptions) -> Result<Self, ServeError> {
        let router = routes::router(ops);
        let listener = local::listen(&options.socket, &options.group)?;
        let stop = CancellationToken::new();
        tokio::spawn(accept_local(
            listener,
            options.group,
            router.clone(),
            stop.clone(),
        ));
        Ok(Self {
            router,
            identity: options.identity,
            remote: None,
            _stop_local: stop.drop_guard(),
        })
    }

    /// Makes the remote API what `[api]` says: started, moved, stopped, or left alone where nothing
    /// changed. Connections made under other settings are cut. On an error, the remote API is as
    /// it was.
    pub async fn reconfigure(&mut self, api: &Api) -> Result<(), ServeError> {
        let Some(address) = api.listen else {
            self.remote = None;
            return Ok(());
        };
        let clients = api
            .clients
            .as_deref()
            .ok_or(ServeError::NoClients { address })?;
        let old = self
            .remote
            .as_ref()
            .filter(|remote| remote.wanted == address);
        if old.is_some_and(|remote| remote.clients == clients) {
            return Ok(());
        }
        let config = tls::server_config(&self.identity, clients)?;
        let listener = match old {
            Some(remote) => Arc::clone(&remote.listener),
            None => Arc::new(
                TcpListener::bind(address)
                    .await
                    .map_err(|source| ServeError::Remote { address, source })?,
            ),
        };
        let stop = CancellationToken::new();
        let accept = accept_remote(
            Arc::clone(&listener),
            config,
            self.router.clone(),
            stop.clone(),
        );
        self.remote = Some(Remote {
            wanted: address,
            clients: clients.to_owned(),
            listener,
            _stop: stop.drop_guard(),
        });
        tokio::spawn(accept);
        log::info!(address:%; "the API listens on {address}");
        Ok(())
    }

    /// The address that the remote API listens on, if it does.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.remote
            .as_ref()
            .and_then(|remote| remote.listener.local_addr().ok())
    }

    /// SHA-256 of the remote API's certificate, `sha256:…`.
    pub fn fingerprint(&self) -> String {
        self.identity.fingerprint()
    }
}

async fn accept_local(
    listener: UnixListener,
    group: String,
    router: Router,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(MAX_LOCAL_CONNECTIONS));
    let accept_all = async {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(serve_local(
                        stream,
                        group.clone(),
                        router.clone(),
                        stop.clone(),
                        slot,
                    ));
                }
                Err(error) => back_off(&error).await,
            }
        }
    };
    tokio::select! {
        () = accept_all => {}
        () = stop.cancelled() => {}
    }
}

async fn serve_local(
    stream: UnixStream,
    group: String,
    router: Router,
    stop: CancellationToken,
    _slot: OwnedSemaphorePermit,
) {
    let peer = match stream.peer_cred() {
        Ok(credentials) => Peer::local(credentials.uid(), &group),
        Err(error) => {
            log::warn!(error:% = error; "cannot tell who is at the local API, refusing it");
            return;
        }
    };
    connection::serve(stream, peer, router, stop).await;
}

async fn accept_remote(
    listener: Arc<TcpListener>,
    config: Arc<ServerConfig>,
    router: Router,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(MAX_REMOTE_CONNECTIONS));
    let acceptor = TlsAcceptor::from(config);
    let accept_all = async {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, address)) => {
                    let serve = serve_remote(
                        stream,
                        address,
                        acceptor.clone(),
                        router.clone(),
                        stop.clone(),
                    );
                    tokio::spawn(async move {
                        serve.await;
                        drop(slot);
                    });
                }
                Err(error) => back_off(&error).await,
            }
        }
    };
    tokio::select! {
        () = accept_all => {}
        () = stop.cancelled() => {}
    }
}

async fn serve_remote(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
) {
    if let Err(error) = watch_liveness(&stream) {
        log::debug!(error:% = error; "ignoring that a connection's liveness is not watched");
    }
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
    let stream = match handshake.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            log::info!(address:%, error:% = error; "refused a TLS client from {address}: {error}");
            return;
        }
        Err(_) => {
            log::info!(address:%; "refused a TLS client from {address}: no handshake in time");
            return;
        }
    };
    let Some(certificate) = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
    else {
        // The verifier lets nobody in without one.
        log::error!(address:%; "a TLS client from {address} has no certificate, refusing it");
        return;
    };
    let peer = tls::peer(certificate);
    connection::serve(stream, peer, router, stop).await;
}

/// Lets the kernel end a connection whose other end is gone, so that it gives its slot back.
fn watch_liveness(stream: &TcpStream) -> nix::Result<()> {
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &KEEP_ALIVE_SECS)?;
    setsockopt(stream, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MILLIS)
}

async fn back_off(error: &io::Error) {
    log::warn!(error:% = error; "cannot accept a connection, trying again");
    tokio::time::sleep(ACCEPT_BACK_OFF).await;
}
