//! How to reach a registry, and how patient to be.

use orlop_config::Platform;
use std::time::Duration;

/// How often a request that failed is made again before the pull gives up.
const DEFAULT_RETRIES: u32 = 5;
/// The wait before the first retry; it doubles with each one.
const DEFAULT_BACKOFF: Duration = Duration::from_millis(500);
/// A download that brings no byte for this long is broken off and goes on by a retry.
const DEFAULT_STALL: Duration = Duration::from_secs(30);
/// Time to open a connection.
const DEFAULT_CONNECT: Duration = Duration::from_secs(10);

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Plain HTTP instead of TLS. Loopback addresses need no leave for it.
    pub plain_http: bool,
    /// PEM of CA certificates to trust besides the system's.
    pub ca: Option<String>,
    /// Who logs in; nobody without it.
    pub login: Option<Login>,
    /// Who is asked before the registry itself, in order.
    pub mirrors: Vec<Mirror>,
    /// What stands between this machine and registries.
    pub proxy: Proxy,
    /// What the image has to be for; none is linux/amd64.
    pub platform: Option<Platform>,
    /// What the image has to be; none takes either.
    pub expect: Option<Expect>,
    /// Retries in a row without a byte of progress before giving up.
    pub retries: u32,
    /// The wait before the first retry; doubles with each, up to 16 times this.
    pub backoff: Duration,
    /// A download that brings no byte for this long counts as failed. There is no total timeout.
    pub stall_timeout: Duration,
    /// Time to open a connection.
    pub connect_timeout: Duration,
}

/// A user of a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password, or a token that stands for one.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({:?})", self.user)
    }
}

/// A registry that has the images of another one. What it says is checked like anybody's; which image a
/// tag stands for is taken on its word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    /// `host` or `host:port`.
    pub host: String,
    /// What comes before the repository's own name; often nothing.
    pub prefix: String,
    /// Plain HTTP instead of TLS. Loopback addresses need no leave for it.
    pub plain_http: bool,
    /// PEM of CA certificates to trust besides the system's.
    pub ca: Option<String>,
    /// Who logs in there.
    pub login: Option<Login>,
}

/// Proxies by which registries are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// The URL of the one for HTTPS.
    pub https: Option<String>,
    /// The URL of the one for plain HTTP.
    pub http: Option<String>,
    /// Hosts, domains and subnets that are reached without. This machine itself always is.
    pub except: Vec<String>,
}

/// What an image has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// An OS image, with its UKI.
    Os,
    /// A container image.
    Container,
}

impl Default for PullOptions {
    fn default() -> Self {
        Self {
            plain_http: false,
            ca: None,
            login: None,
            mirrors: Vec::new(),
            proxy: Proxy::default(),
            platform: None,
            expect: None,
            retries: DEFAULT_RETRIES,
            backoff: DEFAULT_BACKOFF,
            stall_timeout: DEFAULT_STALL,
            connect_timeout: DEFAULT_CONNECT,
        }
    }
}

impl PullOptions {
    /// Options for a registry as the node's TOML describes it.
    pub fn for_registry(plain_http: bool, ca: Option<String>) -> Self {
        Self {
            plain_http,
            ca,
            ..Self::default()
        }
    }

    /// What the image has to be for.
    pub(crate) fn platform(&self) -> &str {
        self.platform
            .as_ref()
            .map_or(Platform::NATIVE, Platform::as_str)
    }

    /// The same, for an image that has to be of this kind.
    #[must_use]
    pub fn expecting(self, expect: Expect) -> Self {
        Self {
            expect: Some(expect),
            ..self
        }
    }
}
