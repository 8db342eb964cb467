//! Audit records of what containers are given.

use super::desired::DesiredContainer;

/// The target of the log's audit records.
const AUDIT: &str = "audit";

/// Records that a container is set up which can do more to the host than others.
pub(super) fn audit(container: &DesiredContainer) {
    let (name, security) = (&container.name, &container.config.security);
    let mut rights: Vec<String> = Vec::new();
    if security.privileged {
        rights.push("privileged".to_owned());
    }
    rights.extend(
        security
            .host
            .iter()
            .map(|right| format!("host {}", right.as_str())),
    );
    rights.extend(security.unmask.iter().map(|path| format!("unmask {path}")));
    let devices = &container.config.storage.cdi;
    rights.extend(devices.iter().map(|device| format!("cdi {device}")));
    if security.spec_patch.is_some() {
        rights.push("spec_patch".to_owned());
    }
    if !rights.is_empty() {
        let rights = rights.join(", ");
        log::warn!(
            target: AUDIT, container = name.as_str(), rights = rights.as_str();
            "container {name} is set up with rights over the host: {rights}"
        );
    }
}
