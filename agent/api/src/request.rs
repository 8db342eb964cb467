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

/// How a switch to another OS image is carried out, where the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Without a restart of the machine; refused where kernel, initrd or kernel arguments differ.
    Live,
    /// By a restart of the machine.
    Reboot,
}

/// Switch to the staged generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApplyRequest {
    /// How; none leaves it to `[update] disruption` of the new generation's config.
    pub mode: Option<Mode>,
    /// Seconds within which somebody has to confirm the switch, from the order on; without, it goes
    /// back by itself. 1 to 86,400; none needs no confirmation.
    pub confirm_secs: Option<u64>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Stage a config and switch to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApplyConfigRequest {
    /// The node's TOML.
    pub config: String,
    /// How, where the TOML brings another OS image; none leaves it to its `[update] disruption`.
    pub mode: Option<Mode>,
    /// Seconds within which somebody has to confirm the switch, from the order on; without, it goes
    /// back by itself. 1 to 86,400; none needs no confirmation.
    pub confirm_secs: Option<u64>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Switch to an earlier generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollBackRequest {
    /// Which; none takes the newest good one before the current.
    pub to: Option<u64>,
    /// How, where another OS image comes back; none leaves it to `[update] disruption` of the
    /// earlier generation's config.
    pub mode: Option<Mode>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Let the agent try an image again that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseRequest {
    /// Digest of its manifest or the beginning of it, with `sha256:` or without.
    pub digest: String,
}

/// Which config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigQuery {
    /// That of this generation; none is the one that runs.
    pub generation: Option<u64>,
}

/// Send a signal to a container's first process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KillRequest {
    /// `SIGHUP`, `HUP` or a number; none is SIGKILL.
    pub signal: Option<String>,
}

/// Which containers' use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatsQuery {
    /// Their names, with commas between them; all where there are none.
    pub names: String,
}

/// Which log lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogQuery {
    /// At most so many of the newest lines (default 100, or 10000 with `since_secs`).
    pub lines: Option<u32>,
    /// None that is older than so many seconds, by the node's clock.
    pub since_secs: Option<u64>,
    /// Go on with new lines as they come.
    pub follow: bool,
}
