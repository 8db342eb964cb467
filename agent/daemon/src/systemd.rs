//! What the agent asks of systemd for the machine as a whole, over the system bus.

use futures_util::StreamExt as _;
use orlop_config::Telling;
use std::time::Duration;
use zbus::Connection;

/// What the agent uses of the manager (org.freedesktop.systemd1(5)).
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    /// Starts `reboot.target` or `soft-reboot.target`, as `systemctl reboot` does.
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<zbus::OwnedObjectPath>;

    /// Reloads a unit that runs, or restarts it where it cannot reload.
    fn reload_or_try_restart_unit(
        &self,
        name: &str,
        mode: &str,
    ) -> zbus::Result<zbus::OwnedObjectPath>;

    /// Restarts a unit that runs.
    fn try_restart_unit(&self, name: &str, mode: &str) -> zbus::Result<zbus::OwnedObjectPath>;

    /// Starts a unit, after stopping it where it runs.
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<zbus::OwnedObjectPath>;

    /// Forgets that a unit has failed, and how often it was started of late.
    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;

    /// Asks for the signals.
    fn subscribe(&self) -> zbus::Result<()>;

    /// A job is over: `done`, `failed`, ….
    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: zbus::OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;

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
    /// A unit did not take its configuration.
    #[error("cannot put the config of {unit} in force: its job is {result}")]
    Job {
        /// Which.
        unit: String,
        /// `failed`, `timeout`, ….
        result: String,
    },
}

/// The agent's own unit.
const AGENT: &str = "orlopd.service";

/// A job that takes longer will not come to an end: what is told of a change ends within a second.
const JOB_LIMIT: Duration = Duration::from_secs(60);

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
        self.leave_by("reboot.target").await
    }

    /// Begins an orderly restart of userspace, on the root at `/run/nextroot` where there is one.
    /// Units that are made for it go on. Returns when systemd has taken the request.
    ///
    /// # Errors
    /// [`SystemdError`] where the bus or systemd does not answer.
    pub async fn soft_reboot(self) -> Result<(), SystemdError> {
        // It starts the agent anew, which the limit of its starts must not take for a crash.
        if let Err(error) = self.manager().await?.reset_failed_unit(AGENT).await {
            log::warn!("ignoring that systemd goes on counting the starts of {AGENT}: {error}");
        }
        self.leave_by("soft-reboot.target").await
    }

    async fn leave_by(self, target: &str) -> Result<(), SystemdError> {
        let manager = self.manager().await?;
        let answer = manager.start_unit(target, "replace-irreversibly").await;
        answer.map(drop).map_err(|source| SystemdError::Call {
            what: format!("start {target}"),
            source,
        })
    }

    /// Tells a unit that its configuration has changed, and waits until it has taken it.
    ///
    /// # Errors
    /// [`SystemdError`] where the bus or systemd does not answer, there is no such unit, or it could
    /// not take its configuration.
    pub async fn tell(self, unit: &str, telling: Telling) -> Result<(), SystemdError> {
        let manager = self.manager().await?;
        let call = |source| SystemdError::Call {
            what: format!("tell {unit} of its new configuration"),
            source,
        };
        manager.subscribe().await.map_err(call)?;
        let mut removed = manager.receive_job_removed().await.map_err(call)?;
        let job = match telling {
            Telling::Reload => manager.reload_or_try_restart_unit(unit, "replace").await,
            Telling::Restart => manager.try_restart_unit(unit, "replace").await,
            Telling::RunAgain => manager.restart_unit(unit, "replace").await,
        };
        let job = job.map_err(call)?;
        let ended = async {
            while let Some(signal) = removed.next().await {
                if let Ok(args) = signal.args()
                    && args.job == job
                {
                    return args.result;
                }
            }
            "lost".to_owned()
        };
        match tokio::time::timeout(JOB_LIMIT, ended).await {
            Ok(result) if matches!(result.as_str(), "done" | "skipped") => Ok(()),
            Ok(result) => Err(SystemdError::Job {
                unit: unit.to_owned(),
                result,
            }),
            Err(_) => Err(SystemdError::Job {
                unit: unit.to_owned(),
                result: format!("not over after {} s", JOB_LIMIT.as_secs()),
            }),
        }
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
