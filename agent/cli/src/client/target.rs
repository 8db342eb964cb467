//! Which node, and what it takes to reach and to trust it.

use super::tls;
use crate::args::Connection;
use orlop_api::{Fault, FaultKind};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The remote API's port where none is given.
const DEFAULT_PORT: u16 = 6443;

/// A node that can be asked.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// This machine's.
    Local {
        /// The agent's socket.
        socket: PathBuf,
    },
    /// Another's.
    Remote {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// The name that its certificate must carry, where a CA vouches for it.
        name: ServerName<'static>,
        /// Whom to trust and what to show.
        tls: Arc<ClientConfig>,
    },
}

impl Target {
    /// What the command line and the environment name.
    pub(crate) fn of(connection: &Connection) -> Result<Self, Fault> {
        let Some(host) = &connection.host else {
            return Ok(Self::Local {
                socket: connection.socket.clone(),
            });
        };
        let (host, port) = split_host(host)?;
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            usage(format!(
                "cannot use {host:?} as a host: not a name or address"
            ))
        })?;
        let cert = needed(connection.cert.as_deref(), "--cert", "ORLOP_CERT")?;
        let key = needed(connection.key.as_deref(), "--key", "ORLOP_KEY")?;
        let trust = match (&connection.fingerprint, &connection.server_ca) {
            (Some(fingerprint), _) => {
                tls::Trust::Fingerprint(fingerprint.parse().map_err(|error| {
                    usage(format!("{error}")).hint("the node prints it on its console")
                })?)
            }
            (None, Some(ca)) => tls::Trust::Ca(ca.clone()),
            (None, None) => {
                return Err(
                    usage("cannot tell whether to trust the node".to_owned()).hint(
                        "give --fingerprint (the node prints it on its console) or --server-ca",
                    ),
                );
            }
        };
        let tls = tls::client_config(trust, cert, key)?;
        Ok(Self::Remote {
            host,
            port,
            name,
            tls,
        })
    }
}

fn needed<'a>(path: Option<&'a Path>, option: &str, variable: &str) -> Result<&'a Path, Fault> {
    path.ok_or_else(|| {
        usage(format!("cannot ask another node without {option}")).hint(format!(
            "give {option} FILE or set {variable}; `orlop pki` makes keys and certificates"
        ))
    })
}

/// `host`, `host:port`, `[::1]`, `[::1]:port` or a bare IPv6 address.
fn split_host(text: &str) -> Result<(String, u16), Fault> {
    let bad = || {
        usage(format!("cannot read {text:?} as a host"))
            .hint("write HOST or HOST:PORT, and an IPv6 address in brackets: [::1]:6443")
    };
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, ""))) => (host, None),
        Some(Some((host, rest))) => (host, Some(rest.strip_prefix(':').ok_or_else(bad)?)),
        Some(None) => return Err(bad()),
        None => match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(bad());
    }
    let port = match port {
        Some(port) => port.parse().map_err(|_| bad())?,
        None => DEFAULT_PORT,
    };
    Ok((host.to_owned(), port))
}

fn usage(message: String) -> Fault {
    Fault::new(FaultKind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_have_a_port_and_ipv6_brackets() {
        for (text, host, port) in [
            ("edge-17", "edge-17", 6443),
            ("edge-17:7000", "edge-17", 7000),
            ("::1", "::1", 6443),
            ("[::1]", "::1", 6443),
            ("[::1]:7000", "::1", 7000),
        ] {
            assert_eq!(split_host(text), Ok((host.to_owned(), port)), "{text}");
        }
        for text in ["", ":1", "a:b", "a:70000", "[::1", "[::1]7"] {
            assert!(split_host(text).is_err(), "{text}");
        }
    }
}
