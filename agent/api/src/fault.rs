//! What went wrong, the same at every front door.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An operation that failed or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Picks exit code, HTTP status, D-Bus error name and whether a retry makes sense.
    pub kind: FaultKind,
    /// What and where, `cannot <verb> <object>: <cause>`.
    pub message: String,
    /// What to do next, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The request makes no sense. Exit 2, HTTP 400, `io.orlop.Error.Usage`.
    Usage,
    /// The TOML is wrong. Exit 3, HTTP 422, `io.orlop.Error.Config`.
    Config,
    /// Network, registry, a full disk: may work later. Exit 4, HTTP 503, `io.orlop.Error.Transient`.
    Transient,
    /// Content is not what its digest says. Exit 5, HTTP 502, `io.orlop.Error.Integrity`.
    Integrity,
    /// Not allowed, or not now (another job runs). Exit 6, HTTP 409, `io.orlop.Error.Refused`.
    Refused,
    /// There is no such thing. Exit 7, HTTP 404, `io.orlop.Error.NotFound`.
    NotFound,
    /// A bug or a broken machine. Exit 1, HTTP 500, `io.orlop.Error.Internal`.
    Internal,
}

impl Fault {
    /// A fault without hints.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// The same with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
