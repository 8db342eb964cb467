//! What the agent asks of systemd for the machine as a whole, over the system bus.

use zbus::Connection;

/// `Reboot` and `ReloadOrRestartUnit` of `org.freedesktop.systemd1`
/// (org.freedesktop.systemd1(5)), and the manager's state.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    /// Starts `reboot.target`, as `systemctl reboot` does.
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<zbus::OwnedObjectPath>;

    /// Makes a unit take its new configuration.
    fn reload_or_restart_unit(&self, name: &str, mode: &str)
    -> zbus::Result<zbus::OwnedObjectPath>;

    /// `running`, `stopping`, … as `systemctl is-system-running` says.
    #[zbus(property(emits_changed_signal = "false"))]
    fn system_state(&self) -> zbus::Result<String>;
}

/// A request that systemd did not take.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// No system bus.
    #[error("cannot reach the system bus")]
    Bus(#[source] zbus::Error),
    /// Refused or failed.
    #[error("cannot {what}")]
    Call {
        /// What was asked for.
        what: String,
        /// The answer.
        #[source]
        source: zbus::Error,
    },
}

/// The manager on the system bus. Cheap to make; each call connects anew where the bus was
/// restarted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Systemd;

impl Systemd {
    async fn manager(self) -> Result<ManagerProxy<'static>, SystemdError> {
        let bus = Connection::system().await.map_err(SystemdError::Bus)?;
        ManagerProxy::new(&bus).await.map_err(SystemdError::Bus)
    }

    /// Begins an orderly reboot. Returns when systemd has taken the request.
    ///
    /// # Errors
    /// [`SystemdError`] where the bus or systemd does not answer.
    pub async fn reboot(self) -> Result<(), SystemdError> {
        let manager = self.manager().await?;
        let answer = manager
            .start_unit("reboot.target", "replace-irreversibly")
            .await;
        answer.map(drop).map_err(|source| SystemdError::Call {
            what: "reboot".into(),
            source,
        })
    }

    /// Makes a running service take its new configuration.
    ///
    /// # Errors
    /// [`SystemdError`] where the bus or systemd does not answer, or there is no such unit.
    pub async fn reload(self, unit: &str) -> Result<(), SystemdError> {
        let manager = self.manager().await?;
        let answer = manager.reload_or_restart_unit(unit, "replace").await;
        answer.map(drop).map_err(|source| SystemdError::Call {
            what: format!("reload {unit}"),
            source,
        })
    }

    /// Whether the whole system is on its way down, and not just the agent.
    ///
    /// # Errors
    /// [`SystemdError`] where the bus or systemd does not answer.
    pub async fn is_stopping(self) -> Result<bool, SystemdError> {
        let manager = self.manager().await?;
        let state = manager
            .system_state()
            .await
            .map_err(|source| SystemdError::Call {
                what: "ask for the system's state".into(),
                source,
            })?;
        Ok(state == "stopping")
    }
}
