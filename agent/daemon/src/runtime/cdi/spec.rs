//! A spec of the Container Device Interface (SPEC.md, "CDI JSON Specification"). Pure.

use super::yaml;
use orlop_config::CdiDevice;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;
use std::path::Path;

/// The versions whose keys are those of below (SPEC.md, "Released versions").
const VERSIONS: [&str; 8] = [
    "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0",
];
/// As the OCI runtime specification names them.
const HOOKS: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];
/// Block and character devices, the latter unbuffered too, and pipes.
const NODE_TYPES: [&str; 5] = ["", "b", "c", "u", "p"];
const NO_PERMISSIONS: &str = "none";

/// What a vendor says of its devices of a kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    cdi_version: String,
    /// `vendor.com/class`.
    pub(super) kind: String,
    #[serde(default, rename = "annotations")]
    _annotations: IgnoredAny,
    pub(super) devices: Vec<Device>,
    /// What a container with any of the devices needs.
    #[serde(default)]
    pub(super) container_edits: Edits,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Device {
    pub(super) name: String,
    #[serde(default, rename = "annotations")]
    _annotations: IgnoredAny,
    #[serde(default)]
    pub(super) container_edits: Edits,
}

/// What changes about a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Edits {
    pub(super) env: Vec<String>,
    pub(super) device_nodes: Vec<Node>,
    pub(super) mounts: Vec<Mount>,
    pub(super) hooks: Vec<Hook>,
    #[serde(alias = "additionalGIDs")]
    pub(super) additional_gids: Vec<u32>,
    pub(super) intel_rdt: Option<IgnoredAny>,
    pub(super) net_devices: Vec<IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) host_path: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) file_mode: Option<u32>,
    pub(super) permissions: String,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Mount {
    pub(super) host_path: String,
    pub(super) container_path: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) options: Vec<String>,
}

/// A program of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Hook {
    pub(super) hook_name: String,
    pub(super) path: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) timeout: Option<i64>,
}

impl Node {
    /// Of `r`, `w`, `m`.
    pub(super) fn access(&self) -> &str {
        match self.permissions.as_str() {
            "" => "rwm",
            NO_PERMISSIONS => "",
            access => access,
        }
    }
}

impl Spec {
    /// The spec in a file's `text`: JSON or, by the name of the file, YAML.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(path: &Path, text: &str) -> Result<Self, String> {
        let spec: Self = match path.extension().is_some_and(|end| end == "json") {
            true => serde_json::from_str(text).map_err(|error| error.to_string())?,
            false => {
                serde_json::from_value(yaml::read(text)?).map_err(|error| error.to_string())?
            }
        };
        spec.check()?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), String> {
        if !VERSIONS.contains(&self.cdi_version.as_str()) {
            let (first, last) = (VERSIONS[0], VERSIONS[VERSIONS.len() - 1]);
            let found = &self.cdi_version;
            return Err(format!(
                "cdiVersion {found} is not one of {first} to {last}"
            ));
        }
        if !CdiDevice::is_kind(&self.kind) {
            return Err(format!("its kind `{}` is not `vendor/class`", self.kind));
        }
        if self.devices.is_empty() {
            return Err("it describes no device".to_owned());
        }
        self.container_edits.check()?;
        let mut seen = BTreeSet::new();
        for device in &self.devices {
            if !CdiDevice::is_name(&device.name) {
                return Err(format!("`{}` is not a name of a device", device.name));
            }
            if !seen.insert(&device.name) {
                return Err(format!("it describes device `{}` twice", device.name));
            }
            let edits = device.container_edits.check();
            edits.map_err(|why| format!("device `{}`: {why}", device.name))?;
        }
        Ok(())
    }
}

impl Edits {
    fn check(&self) -> Result<(), String> {
        env(&self.env)?;
        for node in &self.device_nodes {
            let path = &node.path;
            absolute(path)?;
            if !node.host_path.is_empty() {
                absolute(&node.host_path)?;
            }
            if !NODE_TYPES.contains(&node.kind.as_str()) {
                return Err(format!("`{}` is not a type of device {path}", node.kind));
            }
            if !node.access().chars().all(|c| "rwm".contains(c)) {
                let found = &node.permissions;
                return Err(format!("`{found}` are not permissions of device {path}"));
            }
        }
        for mount in &self.mounts {
            absolute(&mount.container_path)?;
            if mount.host_path.is_empty() {
                return Err(format!("{} has no hostPath", mount.container_path));
            }
        }
        for hook in &self.hooks {
            absolute(&hook.path)?;
            env(&hook.env)?;
            if !HOOKS.contains(&hook.hook_name.as_str()) {
                return Err(format!("there is no hook `{}`", hook.hook_name));
            }
            if hook.timeout.is_some_and(|seconds| seconds <= 0) {
                return Err(format!("the timeout of hook {} is not above 0", hook.path));
            }
        }
        Ok(())
    }
}

fn env(lines: &[String]) -> Result<(), String> {
    let bad = |line: &&String| line.split_once('=').is_none_or(|(name, _)| name.is_empty());
    match lines.iter().find(bad) {
        Some(line) => Err(format!("`{line}` is not NAME=VALUE")),
        None => Ok(()),
    }
}

/// An absolute path below `/` that does not lead up again.
fn absolute(path: &str) -> Result<(), String> {
    let leads_up = path.split('/').any(|part| part == "..");
    match path.starts_with('/') && !path.trim_matches('/').is_empty() && !leads_up {
        true => Ok(()),
        false => Err(format!("`{path}` is not an absolute path")),
    }
}
