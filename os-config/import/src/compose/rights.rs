//! What a service may do.

use super::service::Service;
use super::shape;
use crate::note::Place;
use crate::yaml::Node;
use toml::Value;

impl Service<'_, '_> {
    pub(super) fn rights(&mut self, key: &str, value: &Node, place: &Place) -> bool {
        match key {
            "privileged" => self.flag("privileged", value, place),
            "read_only" => self.flag("read_only", value, place),
            "cap_add" => self.capabilities("add", value, place),
            "cap_drop" => self.capabilities("drop", value, place),
            "security_opt" => {
                for (text, line) in shape::texts(value).unwrap_or_default() {
                    self.security_opt(&text, &place.at(line));
                }
            }
            "pid" => self.pid(value, place),
            "ipc" => self.ipc(value, place),
            "userns_mode" if value.text() == Some("host") => {
                self.read_text("userns", value, place, "host", |text| Some(text.into()))
            }
            "userns_mode" | "uts" => {
                let why = "a container has a namespace of its own for it";
                self.builder.left_out(place, why);
            }
            "runtime" => self.read_text("runtime", value, place, "crun or runc", |text| {
                matches!(text, "crun" | "runc").then(|| text.into())
            }),
            _ => return false,
        }
        true
    }

    fn capabilities(&mut self, key: &str, value: &Node, place: &Place) {
        for (text, line) in shape::texts(value).unwrap_or_default() {
            let table = self.out.table("capabilities");
            table.push(key, capability(&text), &place.at(line));
        }
    }

    fn security_opt(&mut self, text: &str, place: &Place) {
        match text.replacen('=', ":", 1).split_once(':') {
            None if text == "no-new-privileges" => {}
            Some(("no-new-privileges", "true")) => {}
            Some(("no-new-privileges", "false")) => {
                self.out.set("no_new_privileges", false, place);
            }
            Some(("seccomp", "unconfined")) => self.out.set("seccomp", "off", place),
            Some(("apparmor", "unconfined")) | Some(("label", "disable")) => {}
            Some(("seccomp", _)) => {
                let why = "the filter is Orlop's own: write a `spec_patch` with linux.seccomp";
                self.builder.left_out(place, why);
            }
            _ => {
                let why = format!("there is no `{text}`");
                self.builder.left_out(place, why);
            }
        }
    }

    fn pid(&mut self, value: &Node, place: &Place) {
        match value.text() {
            Some("host") => self.out.push("host", Value::from("pid"), place),
            Some("private") => {}
            _ => {
                let why = "process ids are shared with the host or with nobody";
                self.builder.left_out(place, why);
            }
        }
    }

    /// Whoever is named by another one shares.
    fn ipc(&mut self, value: &Node, place: &Place) {
        let mode = value.text().unwrap_or_default();
        match mode.split_once(':') {
            Some(("service" | "container", other)) => self.share("ipc", other, place),
            None if mode == "host" => self.out.push("host", Value::from("ipc"), place),
            None if matches!(mode, "private" | "shareable") => {}
            _ => {
                let why = format!("there is no IPC mode `{mode}`");
                self.builder.left_out(place, why);
            }
        }
    }
}

/// A capability as the TOML names it.
pub(crate) fn capability(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    lower.strip_prefix("cap_").unwrap_or(&lower).to_owned()
}
