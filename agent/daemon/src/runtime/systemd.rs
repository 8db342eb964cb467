//! systemd, over D-Bus (org.freedesktop.systemd1(5)).

use super::error::StepError;
use super::plan::UnitState;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant};

/// An answer that takes longer will not come. systemd is slow while it reloads on a loaded machine.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// A unit's job may take the unit's own start time-out (unit.rs), the longest stop time-out of a config,
/// and systemd's own work.
const JOB_LIMIT: Duration = Duration::from_secs(60 + 10 * 60 + 60);
const DESTINATION: &str = "org.freedesktop.systemd1";
/// What all kinds of units have in common.
const UNIT_INTERFACE: &str = "org.freedesktop.systemd1.Unit";
/// Stands for all interfaces of an object.
const EVERY_INTERFACE: &str = "";
/// Up to so many new units are read one by one: each is two calls, and a reload some tens of them.
const FEW_UNITS: usize = 8;
const UNIT_PATHS: &str = "/org/freedesktop/systemd1/unit";

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn reload(&self) -> zbus::Result<()>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.freedesktop.DBus.Properties",
    default_service = "org.freedesktop.systemd1"
)]
trait UnitProperties {
    fn get_all(&self, interface: &str) -> zbus::Result<HashMap<String, OwnedVariant>>;
}

/// A unit as systemd sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UnitStatus {
    /// `active`, `activating`, `deactivating`, `inactive`, `failed`, …
    pub(super) active: String,
    /// `running`, `exited`, `auto-restart`, …
    pub(super) sub: String,
    /// Why it failed: `exit-code`, `signal`, …; `success` otherwise.
    pub(super) result: String,
    /// The container's first process.
    pub(super) pid: Option<u32>,
    /// How often it was started again.
    pub(super) restarts: u32,
    /// When its first process started, seconds since 1970-01-01 UTC.
    pub(super) started: Option<u64>,
    /// How its first process ended: exit status or signal number; none before.
    pub(super) exit: Option<Exit>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Status(i32),
    Signal(i32),
    /// By the kernel, which needed memory.
    OutOfMemory,
}

/// A job to wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    Start,
    Stop,
    /// Also where it does not run.
    Restart,
}

/// The connection to systemd; made when first needed, and again when it broke.
#[derive(Clone, Default)]
pub(super) struct Systemd {
    connection: Arc<Mutex<Option<Connection>>>,
    /// Whether it may know units whose files are gone.
    is_stale: Arc<AtomicBool>,
}

async fn limited<T>(
    method: &'static str,
    limit: Duration,
    call: impl Future<Output = zbus::Result<T>>,
) -> Result<T, StepError> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(StepError::Bus {
            method,
            source: Box::new(source),
        }),
        Err(_) => Err(StepError::Timeout {
            what: format!("systemd's {method}"),
            limit,
        }),
    }
}

/// A new connection. Without a subscription systemd sends no JobRemoved and no PropertiesChanged.
async fn subscribed() -> Result<Connection, StepError> {
    let connection = limited("connection", CALL_LIMIT, Connection::system()).await?;
    let manager = limited("Manager", CALL_LIMIT, ManagerProxy::new(&connection)).await?;
    limited("Subscribe", CALL_LIMIT, manager.subscribe()).await?;
    Ok(connection)
}

impl Systemd {
    /// A live connection.
    async fn connect(&self) -> Result<Connection, StepError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            // The one method of the bus itself that every policy allows and that changes nothing.
            let ping = connection.call_method(
                Some("org.freedesktop.DBus"),
                "/org/freedesktop/DBus",
                Some("org.freedesktop.DBus"),
                "GetId",
                &(),
            );
            if limited("GetId", CALL_LIMIT, ping).await.is_ok() {
                return Ok(connection.clone());
            }
            log::warn!("cannot reach the system bus any more; connecting again");
        }
        let connection = subscribed().await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    async fn manager(&self) -> Result<ManagerProxy<'static>, StepError> {
        let connection = self.connect().await?;
        limited("Manager", CALL_LIMIT, ManagerProxy::new(&connection)).await
    }

    /// Reads the unit files again. Idempotent.
    pub(super) async fn reload(&self) -> Result<(), StepError> {
        self.is_stale.store(true, Ordering::Relaxed);
        limited("Reload", JOB_LIMIT, self.manager().await?.reload()).await?;
        self.is_stale.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Makes systemd know these units as their files are now. Files that are new to it are read one by one where
    /// they are few: reading those of the whole node again takes longer than the start of a container.
    pub(super) async fn learn(&self, units: &[String]) -> Result<(), StepError> {
        if units.len() > FEW_UNITS || self.is_stale.load(Ordering::Relaxed) {
            return self.reload().await;
        }
        for unit in units {
            let all = self.properties(unit, UNIT_INTERFACE).await?;
            let is_old = all
                .get("NeedDaemonReload")
                .and_then(|value| bool::try_from(value).ok());
            if text(&all, "LoadState") != "loaded" || is_old != Some(false) {
                return self.reload().await;
            }
        }
        Ok(())
    }

    /// Starts, stops or restarts `unit` and waits until that is done. Idempotent.
    ///
    /// # Errors
    /// `Job` where systemd could not carry it out; a unit that does not exist is stopped already.
    pub(super) async fn run_job(&self, unit: &str, job: Job) -> Result<(), StepError> {
        let manager = self.manager().await?;
        let mut removed = limited("JobRemoved", CALL_LIMIT, manager.receive_job_removed()).await?;
        let asked = match job {
            Job::Start => {
                limited("StartUnit", CALL_LIMIT, manager.start_unit(unit, "replace")).await
            }
            Job::Stop => limited("StopUnit", CALL_LIMIT, manager.stop_unit(unit, "replace")).await,
            Job::Restart => {
                let asked = manager.restart_unit(unit, "replace");
                limited("RestartUnit", CALL_LIMIT, asked).await
            }
        };
        let path = match asked {
            Err(StepError::Bus { source, .. })
                if matches!(job, Job::Stop) && is_error(&source, "NoSuchUnit") =>
            {
                return Ok(());
            }
            asked => asked?,
        };
        let ended = async {
            while let Some(signal) = removed.next().await {
                if let Ok(args) = signal.args()
                    && args.job == path
                {
                    return Some(args.result);
                }
            }
            None
        };
        let what = || format!("systemd's job for {unit}");
        match tokio::time::timeout(JOB_LIMIT, ended).await {
            Ok(Some(result)) if result == "done" || result == "skipped" => Ok(()),
            Ok(result) => Err(StepError::Job {
                unit: unit.to_owned(),
                result: result.unwrap_or_else(|| "lost".to_owned()),
            }),
            Err(_) => Err(StepError::Timeout {
                what: what(),
                limit: JOB_LIMIT,
            }),
        }
    }

    /// Forgets that `unit` failed. Idempotent; a unit that is not there is fine.
    pub(super) async fn reset_failed(&self, unit: &str) -> Result<(), StepError> {
        let manager = self.manager().await?;
        match limited(
            "ResetFailedUnit",
            CALL_LIMIT,
            manager.reset_failed_unit(unit),
        )
        .await
        {
            Err(StepError::Bus { source, .. }) if is_error(&source, "NoSuchUnit") => Ok(()),
            done => done,
        }
    }

    /// How `unit` stands. One that does not exist is inactive.
    pub(super) async fn status(&self, unit: &str) -> Result<UnitStatus, StepError> {
        Ok(UnitStatus::from_properties(
            &self.properties(unit, EVERY_INTERFACE).await?,
        ))
    }

    /// Whether `unit` is active, and its state in words.
    pub(super) async fn standing(&self, unit: &str) -> Result<(bool, String), StepError> {
        let all = self.properties(unit, EVERY_INTERFACE).await?;
        if text(&all, "LoadState") == "not-found" {
            return Ok((false, "there is no such unit".to_owned()));
        }
        let status = UnitStatus::from_properties(&all);
        let words = match status.result.as_str() {
            "" | "success" => format!("{} ({})", status.active, status.sub),
            result => format!("{} ({}): {result}", status.active, status.sub),
        };
        Ok((
            matches!(
                status.active.as_str(),
                "active" | "reloading" | "refreshing"
            ),
            words,
        ))
    }

    async fn properties(
        &self,
        unit: &str,
        interface: &str,
    ) -> Result<HashMap<String, OwnedVariant>, StepError> {
        let connection = self.connect().await?;
        let manager = limited("Manager", CALL_LIMIT, ManagerProxy::new(&connection)).await?;
        let path = limited("LoadUnit", CALL_LIMIT, manager.load_unit(unit)).await?;
        let proxy = UnitPropertiesProxy::builder(&connection)
            .path(path)
            // Everything changes; nothing is worth keeping.
            .cache_properties(zbus::proxy::CacheProperties::No);
        let proxy = limited("GetAll", CALL_LIMIT, proxy.build()).await?;
        limited("GetAll", CALL_LIMIT, proxy.get_all(interface)).await
    }

    /// Names of the units that systemd says have changed, from now on, one item a signal; ends
    /// when the connection does.
    ///
    /// The connection is its own: a stream that is not read, because its reader waits for a call's
    /// reply, fills up when systemd reloads and signals every unit, and then nothing is read from
    /// its connection any more, that reply neither.
    pub(super) async fn changed_units()
    -> Result<impl futures_util::Stream<Item = String> + Send + 'static, StepError> {
        let connection = subscribed().await?;
        let bus = |source| StepError::Bus {
            method: "PropertiesChanged",
            source: Box::new(source),
        };
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(DESTINATION)
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .path_namespace(UNIT_PATHS)
            .build()
            .map_err(bus)?;
        let stream = MessageStream::for_match_rule(rule, &connection, None);
        let stream = limited("PropertiesChanged", CALL_LIMIT, stream).await?;
        Ok(stream.filter_map(|message| async move {
            let message = message.ok()?;
            let header = message.header();
            unescape(
                header
                    .path()?
                    .as_str()
                    .strip_prefix(UNIT_PATHS)?
                    .strip_prefix('/')?,
            )
        }))
    }
}

fn is_error(error: &zbus::Error, short: &str) -> bool {
    matches!(error, zbus::Error::MethodError(name, ..)
        if name.as_str().strip_prefix("org.freedesktop.systemd1.") == Some(short))
}

/// Undoes systemd's escaping of a unit's name in an object path (`_2d` is `-`).
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'_' {
            let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

fn text(all: &HashMap<String, OwnedVariant>, key: &str) -> String {
    let value = all
        .get(key)
        .and_then(|value| value.downcast_ref::<&str>().ok());
    value.unwrap_or_default().to_owned()
}

// siginfo_t's si_code as systemd reports it in ExecMainCode (sigaction(2)).
const CLD_EXITED: i32 = 1;
const CLD_KILLED: i32 = 2;
const CLD_DUMPED: i32 = 3;
const MICROS_PER_SEC: u64 = 1_000_000;

impl UnitStatus {
    fn from_properties(all: &HashMap<String, OwnedVariant>) -> Self {
        let unsigned = |key: &str| all.get(key).and_then(|v| v.downcast_ref::<u32>().ok());
        let signed = |key: &str| all.get(key).and_then(|v| v.downcast_ref::<i32>().ok());
        let micros = all
            .get("ExecMainStartTimestamp")
            .and_then(|value| value.downcast_ref::<u64>().ok())
            .filter(|micros| *micros != 0);
        let status = signed("ExecMainStatus").unwrap_or_default();
        Self {
            active: text(all, "ActiveState"),
            sub: text(all, "SubState"),
            result: text(all, "Result"),
            pid: unsigned("MainPID").filter(|pid| *pid != 0),
            restarts: unsigned("NRestarts").unwrap_or_default(),
            started: micros.map(|micros| micros / MICROS_PER_SEC),
            exit: match signed("ExecMainCode") {
                Some(CLD_EXITED) => Some(Exit::Status(status)),
                Some(CLD_KILLED | CLD_DUMPED) => Some(Exit::Signal(status)),
                _ => None,
            },
        }
    }

    /// As far as the planner depends on it.
    pub(super) fn state(&self) -> UnitState {
        match self.active.as_str() {
            "active" | "activating" | "deactivating" | "reloading" | "refreshing"
            | "maintenance" => UnitState::Active,
            "failed" => UnitState::Failed,
            _ => UnitState::Inactive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_name_is_read_from_its_object_path() {
        assert_eq!(
            unescape("orlop_2dcontainer_2dweb_2eservice").as_deref(),
            Some("orlop-container-web.service")
        );
        assert_eq!(unescape("a_2"), None);
        assert_eq!(unescape("a_zz"), None);
    }

    #[test]
    fn a_unit_that_waits_for_its_restart_is_active_to_the_planner() {
        let all = HashMap::from([
            (
                "ActiveState".to_owned(),
                OwnedVariant::try_from(zbus::Variant::from("activating")).unwrap(),
            ),
            ("NRestarts".to_owned(), OwnedVariant::from(3_u32)),
            ("ExecMainCode".to_owned(), OwnedVariant::from(1_i32)),
            ("ExecMainStatus".to_owned(), OwnedVariant::from(7_i32)),
            (
                "ExecMainStartTimestamp".to_owned(),
                OwnedVariant::from(5_000_000_u64),
            ),
        ]);
        let status = UnitStatus::from_properties(&all);
        assert_eq!(status.state(), UnitState::Active);
        assert_eq!(
            (status.restarts, status.exit, status.started, status.pid),
            (3, Some(Exit::Status(7)), Some(5), None)
        );
    }
}
