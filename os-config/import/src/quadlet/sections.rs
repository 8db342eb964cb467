//! `[Service]` and `[Unit]` of a `.container` unit.

use super::container::Reading;
use crate::compose::io;
use crate::note::Place;
use crate::quantity;

/// Targets that are reached before any container is started.
const REACHED: [&str; 6] = [
    "network.target",
    "network-online.target",
    "local-fs.target",
    "remote-fs.target",
    "nss-lookup.target",
    "time-sync.target",
];

impl Reading<'_, '_> {
    pub(super) fn service_key(&mut self, key: &str, value: &str, place: &Place) {
        match key {
            "Restart" => {
                let policy = match value {
                    "always" => "always",
                    "on-failure" | "on-abnormal" | "on-abort" | "on-watchdog" => "on-failure",
                    "no" => "never",
                    "on-success" => {
                        let why = "it is restarted always, on failure, or never";
                        return self.builder.left_out(place, why);
                    }
                    _ => return self.builder.not_so(place, "a restart policy"),
                };
                if policy == "on-failure" && value != policy {
                    self.builder.changed(place, "it is \"on-failure\" now");
                }
                self.out.set("restart", policy, place);
            }
            "RestartSec" => self.duration("restart_delay", value, place),
            "RestartMaxDelaySec" => self.duration("restart_delay_max", value, place),
            "TimeoutStopSec" => self.duration("stop_timeout", value, place),
            "Type" if value == "oneshot" => self.out.set("kind", "task", place),
            // How systemd waits for Podman says nothing of the container.
            "Type" | "NotifyAccess" | "Delegate" | "SyslogIdentifier" => {}
            "RemainAfterExit" => {}
            "MemoryMax" => self.size("memory", value, place),
            "MemoryHigh" => self.size("memory_high", value, place),
            "MemorySwapMax" => self.size("swap", value, place),
            "TasksMax" => self.number("pids", value, place),
            "CPUWeight" => self.number("cpu_weight", value, place),
            "IOWeight" => self.number("io_weight", value, place),
            "IOReadBandwidthMax" => self.disk("read", value, place),
            "IOWriteBandwidthMax" => self.disk("write", value, place),
            "IOReadIOPSMax" => self.disk("read_ops", value, place),
            "IOWriteIOPSMax" => self.disk("write_ops", value, place),
            "OOMScoreAdjust" => self.number("oom_score_adj", value, place),
            "AllowedCPUs" => self.out.set("cpuset", value.replace(' ', ","), place),
            "CPUQuota" => {
                let percent = value
                    .strip_suffix('%')
                    .and_then(|text| text.parse::<f64>().ok());
                match percent.filter(|percent| percent.is_finite()) {
                    Some(percent) => self.out.set("cpus", percent / 100.0, place),
                    None => self.builder.not_so(place, "a percentage"),
                }
            }
            "TimeoutStartSec" => {
                let why = "a start has no limit of its own: the gate's deadline is one";
                self.builder.left_out(place, why);
            }
            _ if key.starts_with("Exec") => {
                let why = "there are no commands of the host: let another container do it, `kind = \"task\"`";
                self.builder.left_out(place, why);
            }
            _ => self.builder.left_out(place, "containers have no such key"),
        }
    }

    /// `DISK LIMIT`.
    fn disk(&mut self, key: &str, value: &str, place: &Place) {
        let limit = |text: &str| match key {
            "read_ops" | "write_ops" => quantity::decimal(text)
                .and_then(|number| i64::try_from(number).ok())
                .map(toml::Value::from),
            _ => {
                let bytes = quantity::decimal(text)?;
                let rate = orlop_config::ByteSize(bytes);
                Some(toml::Value::from(format!("{rate}/s")))
            }
        };
        let parts = value.split_once(char::is_whitespace);
        match parts.and_then(|(disk, text)| Some((disk, limit(text.trim())?))) {
            Some((disk, limit)) => io::set(&mut self.out, disk, key, limit, place),
            None => self.builder.not_so(place, "a disk and a limit"),
        }
    }

    pub(super) fn unit_key(&mut self, key: &str, value: &str, place: &Place) {
        match key {
            "Description" => self.out.table("labels").set("description", value, place),
            "Documentation" => {}
            "After" | "Requires" | "Wants" | "BindsTo" | "PartOf" | "Requisite" => {
                for other in value.split_whitespace() {
                    self.after(other, place);
                }
            }
            "StartLimitBurst" => self.number("restart_limit", value, place),
            "StartLimitIntervalSec" => {
                if value != "0" && quantity::duration(value).as_deref() != Some("1h") {
                    let why = "a limit of restarts is one within an hour";
                    self.builder.left_out(place, why);
                }
            }
            _ => self.builder.left_out(place, "containers have no such key"),
        }
    }

    /// Starts it after another unit: when that one is healthy, where it says `Notify=healthy`.
    fn after(&mut self, other: &str, place: &Place) {
        if REACHED.contains(&other) {
            return;
        }
        if other.ends_with("-network.service") || other.ends_with("-volume.service") {
            return;
        }
        let Some(name) = self.builder.names.containers.given(other) else {
            let why = match other.ends_with(".service") || other.ends_with(".container") {
                true => format!("{other} is not there: give its .container unit along"),
                false => format!("containers do not wait for {other}"),
            };
            return self.builder.left_out(place, why);
        };
        let name = name.to_owned();
        let stem = other.rsplit_once('.').map_or(other, |(stem, _)| stem);
        let unit = self
            .units
            .iter()
            .find(|unit| unit.kind == "container" && unit.stem == stem);
        let says = |section, key, value| {
            let entry = unit.and_then(|unit| unit.last(section, key));
            entry.is_some_and(|entry| entry.value == value)
        };
        let condition = if says("Service", "Type", "oneshot") {
            "completed"
        } else if says("Container", "Notify", "healthy") {
            "healthy"
        } else {
            "started"
        };
        self.out.table("after").set(&name, condition, place);
    }
}
