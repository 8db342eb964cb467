//! The text forms of values: each read from a string into its type, or refused with a reason.

mod cdi;
mod firewall;
mod host;
mod host_path;
mod io;
mod lookup;
mod machine;
mod network;
mod pem;
mod program;
mod published;
mod quantity;
mod rights;

pub(crate) use cdi::{DeviceWish, device_wish};
pub(crate) use firewall::allow;
pub(crate) use host::{env_name, env_value, host_name, label_name, label_value, timezone, unit};
pub(crate) use host_path::{Leave, bind, directory, leave, mode, path, umask};
pub(crate) use io::{disk, rate};
pub(crate) use lookup::{dns_option, host_address, platform};
pub(crate) use machine::{
    address, interface, interface_address, mac, module, sysctl_name, sysctl_value, time_server,
    unicast_mac,
};
pub(crate) use network::{
    address6, alias, host_port, http_url, listen, login_name, mirror, not_proxied, own_port_path,
    proxy_url, registry_host, subnet, subnet6,
};
pub(crate) use pem::certificates;
pub(crate) use program::{
    group, is_of_ipc, own_sysctl_name, own_sysctl_value, signal, ulimit, ulimit_name, user,
};
pub(crate) use published::{port, volume_mount};
pub(crate) use quantity::{duration, memory, size, time_of_day, volume_size, weekdays};
pub(crate) use rights::{
    capability, condition, cpuset, host_right, ipc_of, merge_patch, network_mode,
};

/// Why a value is refused, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
