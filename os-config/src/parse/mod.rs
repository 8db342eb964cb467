//! From TOML text to a [`NodeConfig`], or to every problem at once.

mod container;
mod context;
mod gate;
mod machine;
mod network;
mod node;
mod section;
mod update;
mod value;

use crate::diagnostic::{Diagnostics, Finding};
use crate::limits::MAX_TEXT_BYTES;
use crate::machine::{Generations, Kernel, Network, Time};
use crate::model::{Api, Firewall, Gate, Host, NodeConfig, Update};
use context::Context;
use ipnet::{IpNet, Ipv4Net};
use section::Section;
use std::net::Ipv4Addr;
use toml::de::DeTable;

/// The only version of the TOML's shape so far.
pub const SCHEMA: u32 = 1;

/// The network of a container that names none, and its addresses.
pub const DEFAULT_NET: &str = context::DEFAULT_NET;

/// Of a container: that of the host.
const HOSTS_TIMEZONE: &str = "host";
/// That of a host that names none.
const UTC: &str = "UTC";

/// The addresses of the network `default`: 10.89.0.0/24.
pub fn default_subnet() -> IpNet {
    let net = Ipv4Net::new_assert(Ipv4Addr::new(10, 89, 0, 0), 24);
    IpNet::V4(net)
}

impl Default for NodeConfig {
    /// What a TOML that holds only `schema = 1` gives.
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            host: Host::default(),
            os: None,
            update: Update::default(),
            gate: Gate::default(),
            generations: Generations::default(),
            kernel: Kernel::default(),
            network: Network::default(),
            time: Time::default(),
            api: Api::default(),
            firewall: Firewall::default(),
            registry: Default::default(),
            secret: Default::default(),
            proxy: Default::default(),
            net: Default::default(),
            volume: Default::default(),
            container: Default::default(),
            disabled: Default::default(),
        }
    }
}

/// Reads a node's TOML. `file_name` is only for the messages.
///
/// # Errors
/// Every problem at once: syntax errors alone where there are any (the rest cannot be trusted then),
/// else unknown keys, wrong types, bad values, dangling references and contradictions.
pub fn parse(file_name: &str, text: &str) -> Result<NodeConfig, Diagnostics> {
    let refuse = |findings| Diagnostics::new(file_name, text, findings);
    if text.len() > MAX_TEXT_BYTES {
        return Err(refuse(vec![too_large(text.len())]));
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(refuse(
            errors
                .iter()
                .map(|error| syntax(error, text.len()))
                .collect(),
        ));
    }
    let root = root.get_ref();
    if let Some(finding) = other_schema(root) {
        return Err(refuse(vec![finding]));
    }
    let mut cx = Context::new(root);
    let config = node(&mut cx, root);
    if cx.findings.is_empty() {
        Ok(config)
    } else {
        Err(refuse(cx.findings))
    }
}

fn node<'a>(cx: &mut Context, root: &'a DeTable<'a>) -> NodeConfig {
    let root = Section::root(cx, root);
    let host = node::host(cx, &root);
    let (mut container, disabled) = container::containers(cx, &root);
    for container in container.values_mut() {
        follow_host(&mut container.process.timezone, &host);
    }
    let config = NodeConfig {
        schema: SCHEMA,
        host,
        os: node::os(cx, &root),
        update: update::update(cx, &root),
        gate: gate::gate(cx, &root),
        generations: machine::generations(cx, &root),
        kernel: machine::kernel(cx, &root),
        network: machine::network(cx, &root),
        time: machine::time(cx, &root),
        api: node::api(cx, &root),
        firewall: network::firewall(cx, &root),
        registry: node::registries(cx, &root),
        proxy: node::proxy(cx, &root),
        secret: node::secrets(cx, &root),
        net: network::nets(cx, &root),
        volume: node::volumes(cx, &root),
        container,
        disabled,
    };
    cx.report_port_clashes();
    cx.report_subnet_clashes(default_subnet());
    network::report_attachments(cx, &config.net);
    network::report_locked_out(cx, &root, &config.firewall, config.api.listen);
    config
}

/// A container with the host's time zone has the one that is written there.
fn follow_host(timezone: &mut Option<String>, host: &Host) {
    if timezone.as_deref() == Some(HOSTS_TIMEZONE) {
        *timezone = Some(host.timezone.clone().unwrap_or_else(|| UTC.to_owned()));
    }
}

fn too_large(bytes: usize) -> Finding {
    Finding {
        span: 0..0,
        message: format!("the file is {bytes} bytes long; at most {MAX_TEXT_BYTES} are read"),
        help: Some("move what is large, such as data for a container, into an image".to_owned()),
    }
}

fn syntax(error: &toml::de::Error, text_len: usize) -> Finding {
    Finding {
        span: error.span().unwrap_or(text_len..text_len),
        message: format!("this is not TOML: {}", error.message()),
        help: None,
    }
}

/// A schema that this version does not know makes every other finding meaningless.
fn other_schema(root: &DeTable<'_>) -> Option<Finding> {
    let value = root.get("schema")?;
    let number = value.get_ref().as_integer()?;
    if value::integer(value.get_ref()) == Some(i64::from(SCHEMA)) {
        return None;
    }
    Some(Finding {
        span: value.span(),
        message: format!("schema {number} is not known to this version of Orlop"),
        help: Some(format!("this version reads `schema = {SCHEMA}`")),
    })
}
