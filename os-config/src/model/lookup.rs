//! How a container finds others by name, and how its image is had.

use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Where names come from, beside the containers of its networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Lookup {
    /// Name servers for all that its networks do not know; none are the host's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// Domains that a name without a dot is looked for in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// Options of its resolver (resolv.conf(5)), `ndots:2`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_options: Vec<String>,
    /// Further lines of `/etc/hosts`, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<String, HostAddress>,
}

/// What a name of `hosts` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostAddress {
    /// This address.
    Address(IpAddr),
    /// The node, as the container's first network reaches it.
    HostGateway,
}

/// When a container's tag is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PullPolicy {
    /// Whenever a generation is staged that does not lock it.
    #[default]
    Always,
    /// Only where no image of that name is on the node.
    Missing,
    /// Never: the image must be on the node.
    Never,
}

impl PullPolicy {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What an image is for, `os/architecture[/variant]` (OCI image specification 1.1, image-index.md).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Platform(String);

impl Platform {
    /// The only platform that there are OS images for.
    pub const NATIVE: &'static str = "linux/amd64";

    /// `text`, if it has the form of a platform of Linux: two or three words of lower-case letters, digits, `_`,
    /// `.` and `-`, the first of which is `linux`.
    pub fn new(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split('/').collect();
        let is_word = |word: &&str| {
            (1..=MAX_WORD).contains(&word.len())
                && word.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-')
                })
        };
        let fits = matches!(words.len(), 2 | 3) && words[0] == "linux" && words.iter().all(is_word);
        fits.then(|| Self(text.to_owned()))
    }

    /// `linux/amd64`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Longest part of a platform.
const MAX_WORD: usize = 32;
