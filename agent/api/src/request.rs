//! What callers ask for.

use serde::{Deserialize, Serialize};

/// Fetch and record a generation, without switching to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageRequest {
    /// OS image reference; none takes the one of the config.
    pub os: Option<String>,
    /// The node's TOML; none takes the current one.
    pub config: Option<String>,
}

/// Switch to the staged generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApplyRequest {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Stage a config and switch to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApplyConfigRequest {
    /// The node's TOML.
    pub config: String,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Switch to an earlier generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollBackRequest {
    /// Which; none takes the newest good one before the current.
    pub to: Option<u64>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Which log lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogQuery {
    /// At most so many of the newest lines (default 100).
    pub lines: Option<u32>,
    /// Go on with new lines as they come.
    pub follow: bool,
}
