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
    /// Not now: another job runs, or policy forbids it. Exit 6, HTTP 409, `io.orlop.Error.Refused`.
    Refused,
    /// There is no such thing. Exit 7, HTTP 404, `io.orlop.Error.NotFound`.
    NotFound,
    /// The caller may not. Exit 8, HTTP 403, `io.orlop.Error.Denied`.
    Denied,
    /// A bug or a broken machine. Exit 1, HTTP 500, `io.orlop.Error.Internal`.
    Internal,
}

impl FaultKind {
    /// Every kind, in the order of their exit codes.
    pub const ALL: [Self; 8] = [
        Self::Internal,
        Self::Usage,
        Self::Config,
        Self::Transient,
        Self::Integrity,
        Self::Refused,
        Self::NotFound,
        Self::Denied,
    ];

    /// The exit code of a command that fails with this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Transient => 4,
            Self::Integrity => 5,
            Self::Refused => 6,
            Self::NotFound => 7,
            Self::Denied => 8,
        }
    }

    /// The HTTP status of an answer that carries this kind.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Internal => 500,
            Self::Usage => 400,
            Self::Config => 422,
            Self::Transient => 503,
            Self::Integrity => 502,
            Self::Refused => 409,
            Self::NotFound => 404,
            Self::Denied => 403,
        }
    }

    /// The name of the D-Bus error that carries this kind.
    pub fn dbus_name(self) -> &'static str {
        match self {
            Self::Internal => "io.orlop.Error.Internal",
            Self::Usage => "io.orlop.Error.Usage",
            Self::Config => "io.orlop.Error.Config",
            Self::Transient => "io.orlop.Error.Transient",
            Self::Integrity => "io.orlop.Error.Integrity",
            Self::Refused => "io.orlop.Error.Refused",
            Self::NotFound => "io.orlop.Error.NotFound",
            Self::Denied => "io.orlop.Error.Denied",
        }
    }
}

impl Fault {
    /// A fault without hints.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
        }
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
