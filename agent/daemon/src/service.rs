//! The agent as a service of systemd: readiness, watchdog, signals, front doors.

use orlopd::chain::chain;
use orlopd::console;
use orlopd::effects::Effects;
use orlopd::front::pki::{self, PkiError};
use orlopd::front::{ApiServer, Bus, BusAddress, ServeError, ServerOptions};
use orlopd::host::{self, Host, HostError};
use orlopd::passing_mounts;
use orlopd::paths::Paths;
use sd_notify::NotifyState;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{interval, timeout};

/// How long the driver may take to write what a stop has to leave. Shorter than systemd's patience.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// The agent cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    /// The node.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The API's own key.
    #[error("cannot prepare the API")]
    Pki(#[from] PkiError),
    /// The local API: without it nobody could be told anything.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

/// Runs the agent until it is told to end.
///
/// # Errors
/// [`ServiceError`]: something that nothing works without.
pub(crate) async fn run(paths: Paths, effects: Arc<dyn Effects>) -> Result<(), ServiceError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServiceError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServiceError::Signals)?;
    let host_name = nix::unistd::gethostname().unwrap_or_default();
    let identity = pki::load_or_make(&paths.pki(), &host_name.to_string_lossy())?;
    // Before anything of the host mounts images.
    if let Err(error) = passing_mounts::clear(&paths) {
        log::warn!("cannot clear {}: {error}", paths.passing_mounts().display());
    }
    let host = Arc::new(host::start(paths.clone(), effects)?);
    let server = ApiServer::start(
        Arc::clone(&host),
        ServerOptions::new(paths.api_socket(), identity),
    )?;
    let _bus = Bus::start(Arc::clone(&host), BusAddress::System);
    let remote = tokio::spawn(follow_config(Arc::clone(&host), server));
    notify(&[NotifyState::Ready]);
    let alive = tokio::spawn(keep_alive(Arc::clone(&host)));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    notify(&[NotifyState::Stopping]);
    if timeout(STOP_TIMEOUT, host.stop()).await.is_err() {
        log::error!("the driver did not end within {} s", STOP_TIMEOUT.as_secs());
    }
    alive.abort();
    remote.abort();
    Ok(())
}

/// Lets the remote API follow `[api]` of the config in force.
async fn follow_config(host: Arc<Host>, mut server: ApiServer) {
    let mut api = host.api();
    loop {
        let wanted = api.borrow_and_update().clone();
        let outcome = server.reconfigure(&wanted).await;
        host.api_moved();
        host.set_api_problem(outcome.err().map(|error| chain(&error)));
        if let Some(address) = server.remote_address() {
            // Whoever stands at the machine tells the operator whom to trust.
            let fingerprint = server.fingerprint();
            console::say(&format!(
                "API on https://{address}, certificate fingerprint {fingerprint}"
            ));
        }
        if api.changed().await.is_err() {
            return;
        }
    }
}

/// Tells systemd that the agent is alive, and what the node does.
async fn keep_alive(host: Arc<Host>) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut ticks = interval(limit / 3);
    loop {
        ticks.tick().await;
        let status = host.phase().as_str();
        notify(&[NotifyState::Watchdog, NotifyState::Status(status)]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("ignoring that systemd cannot be told: {error}");
    }
}
