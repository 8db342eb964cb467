//! Whose user namespace a container is in, and why.

use super::{Bind, Container, Name, NetworkMode, OciRuntime};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Whose user namespace a container is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UserNamespace {
    /// Its own where it can be.
    #[default]
    Auto,
    /// Its own.
    Own,
    /// The host's.
    Host,
}

impl UserNamespace {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over a reference"
    )]
    pub(super) fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// Files of the host that everybody may read: below these a container needs no ids of the host.
const OPEN_TO_ALL: [&str; 2] = ["/etc/ssl", "/usr/share"];
/// Capabilities that mean the same in a user namespace of the container's own: over its own files, processes
/// and network (capabilities(7), user_namespaces(7)).
const OWN_SUFFICES: [&str; 18] = [
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "ipc_owner",
    "kill",
    "net_admin",
    "net_bind_service",
    "net_broadcast",
    "net_raw",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_chroot",
    "sys_ptrace",
    "audit_write",
    "lease",
];
/// What of the OCI runtime spec says which ids a container has, and which files (config-linux.md).
const PATCHED: [&str; 5] = [
    "/linux/namespaces",
    "/linux/uidMappings",
    "/linux/gidMappings",
    "/mounts",
    "/root",
];

/// The container whose user namespace `name` is in, where that is not the host's: of those that it shares
/// network or IPC with, and these with others, the last. None where they share with each other in a circle.
/// `find` knows them all.
pub fn user_namespace_holder<'a>(
    name: &'a Name,
    find: impl Fn(&Name) -> Option<&'a Container>,
) -> Option<&'a Name> {
    let (mut at, mut seen) = (name, BTreeSet::new());
    while let Some(next) = find(at).and_then(Container::shares_user_namespace_of) {
        if !seen.insert(at) {
            return None;
        }
        at = next;
    }
    Some(at)
}

impl Container {
    /// The container that it shares a user namespace with: network and IPC belong to one.
    pub fn shares_user_namespace_of(&self) -> Option<&Name> {
        match &self.network {
            Some(NetworkMode::Container(other)) => Some(other),
            _ => self.security.ipc.as_ref(),
        }
    }

    /// The containers whose network and IPC it shares.
    pub fn lends_from(&self) -> Vec<&Name> {
        let network = match &self.network {
            Some(NetworkMode::Container(other)) => Some(other),
            _ => None,
        };
        network.into_iter().chain(&self.security.ipc).collect()
    }

    /// Which of its own keys asks for something that only the host's user namespace gives, and what it is:
    /// `host`, "`host = [\"pid\"]`".
    pub fn needs_hosts_user_namespace(&self) -> Option<(&'static str, String)> {
        let (security, storage) = (&self.security, &self.storage);
        if security.privileged {
            return Some(("privileged", "`privileged`".to_owned()));
        }
        if let Some(right) = security.host.first() {
            return Some(("host", format!("`host = [\"{}\"]`", right.as_str())));
        }
        let own_suffices = |name: &&String| OWN_SUFFICES.contains(&name.as_str());
        if let Some(name) = security.add.iter().find(|name| !own_suffices(name)) {
            return Some(("capabilities", format!("the capability `{name}`")));
        }
        if let Some(device) = storage.devices.first() {
            return Some(("devices", format!("the device {}", device.host)));
        }
        if let Some(device) = storage.cdi.first() {
            return Some(("devices", format!("the device {device}")));
        }
        let is_open = |host: &str| {
            let mut open = OPEN_TO_ALL.iter();
            open.any(|open| Path::new(host).starts_with(open))
        };
        let needs_host = |bind: &&Bind| !is_open(&bind.host) || bind.propagation.is_shared();
        if let Some(bind) = storage.binds.iter().find(needs_host) {
            return Some(("binds", format!("the host's {}", bind.host)));
        }
        if self.runtime == OciRuntime::Runc {
            return Some(("runtime", "`runtime = \"runc\"`".to_owned()));
        }
        let patch: Value = serde_json::from_str(security.spec_patch.as_ref()?).ok()?;
        let patched = PATCHED.iter().find(|path| patch.pointer(path).is_some())?;
        Some(("spec_patch", format!("a `spec_patch` of {patched}")))
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn needs(keys: &str) -> Option<String> {
        let text = format!(
            "schema = 1\n[container.a]\nimage = \
             \"registry.example/a:1\"\n{keys}\n"
        );
        let config = parse("node.toml", &text).unwrap();
        let container = config.container.values().next().unwrap();
        let needs = container.needs_hosts_user_namespace();
        needs.map(|(_, what)| what)
    }

    #[test]
    fn what_only_the_hosts_namespace_gives_is_named_and_nothing_else() {
        for keys in [
            "",
            "user = \"app\"",
            "capabilities = { add = [\"net_admin\", \"net_raw\"], drop = [\"all\"] }",
            "network = \"none\"",
            "binds = [\"/etc/ssl/certs:/etc/ssl/certs:ro\"]",
            "tmpfs = { \"/tmp\" = \"1MiB\" }",
            "spec_patch = '{\"process\": {\"oomScoreAdj\": 5}}'",
            "sysctl = { \"net.ipv4.ip_forward\" = \"1\" }",
        ] {
            assert_eq!(needs(keys), None, "{keys}");
        }
        for (keys, what) in [
            ("privileged = true", "`privileged`"),
            ("host = [\"pid\"]", "`host = [\"pid\"]`"),
            (
                "capabilities = { add = [\"net_raw\", \"sys_time\"] }",
                "the capability `sys_time`",
            ),
            ("devices = [\"/dev/kvm\"]", "the device /dev/kvm"),
            (
                "devices = [\"vendor.com/gpu=0\"]",
                "the device vendor.com/gpu=0",
            ),
            ("binds = [\"/mnt/data:/data\"]", "the host's /mnt/data"),
            ("runtime = \"runc\"", "`runtime = \"runc\"`"),
            (
                "spec_patch = '{\"linux\": {\"namespaces\": []}}'",
                "a `spec_patch` of /linux/namespaces",
            ),
        ] {
            assert_eq!(needs(keys).as_deref(), Some(what), "{keys}");
        }
    }
    #[test]
    fn a_namespace_of_its_own_that_cannot_be_is_an_error_that_says_why() {
        let said = |keys: &str| {
            let text = format!(
                "schema = 1\n[container.a]\nimage = \"registry.example/a:1\"\n{keys}\n\
                 [container.b]\nimage = \"registry.example/a:1\"\nnetwork = \"container:a\"\n\
                 userns = \"own\"\n"
            );
            let problems = parse("node.toml", &text).err();
            problems
                .map(|problems| format!("{problems:?}"))
                .unwrap_or_default()
        };
        assert_eq!(said("userns = \"own\""), "");
        let both = said("userns = \"own\"\nprivileged = true");
        for words in [
            "`privileged` is not to be had in a user namespace of its own",
            "`a` is in the host's user namespace, and who shares its network too",
        ] {
            assert!(both.contains(words), "{both}");
        }
        assert!(said("userns = \"host\"").contains("`a` is in the host's"));
    }
}
