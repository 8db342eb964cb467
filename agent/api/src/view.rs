//! What callers see.

use crate::Job;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What the node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The agent has started and is finding out what runs.
    Starting,
    /// No usable config; the API is up, `problems` says what is wrong.
    SafeMode,
    /// Nothing under way.
    Idle,
    /// A generation is being fetched.
    Staging,
    /// On the way to another generation.
    Switching,
    /// A new generation runs and the gate has not decided.
    Trial,
    /// On the way back.
    RollingBack,
    /// On a good generation that fails its own gate; `problems` says which check.
    Degraded,
}

impl Phase {
    /// The name that the wire and people use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::SafeMode => "safe-mode",
            Self::Idle => "idle",
            Self::Staging => "staging",
            Self::Switching => "switching",
            Self::Trial => "trial",
            Self::RollingBack => "rolling-back",
            Self::Degraded => "degraded",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// `orlop status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Host name.
    pub host: String,
    /// The machine's id, 32 hex digits, the same for the life of its state partition.
    pub machine_id: String,
    /// What the node is doing.
    pub phase: Phase,
    /// The generation that runs; none before the first.
    pub current: Option<GenerationView>,
    /// The generation that waits for `apply`.
    pub staged: Option<GenerationView>,
    /// The trial under way.
    pub trial: Option<TrialView>,
    /// Images on hold.
    #[serde(default)]
    pub held: Vec<HeldView>,
    /// What the agent does by itself about updates; none before the first config.
    #[serde(default)]
    pub updates: Option<UpdatesView>,
    /// The job under way, or the last one.
    pub job: Option<Job>,
    /// What is wrong now, a sentence each.
    pub problems: Vec<String>,
    /// Version of the agent.
    pub agent: String,
    /// `IMAGE_VERSION` of the os-release that is mounted now; none where there is none.
    #[serde(default)]
    pub os_release: Option<String>,
    /// Whether the running root was mounted with fs-verity required.
    pub verity: bool,
    /// Seconds since the machine started.
    pub uptime_secs: u64,
}

/// An image of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageView {
    /// As the config names it.
    pub reference: String,
    /// Digest of the manifest, `sha256:…`.
    pub manifest: String,
    /// fs-verity digest of the root file system, 64 hex digits.
    pub root: String,
    /// Version, where the image says one.
    pub version: Option<String>,
}

/// How a generation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GenerationStatus {
    /// Fetched, never run.
    Staged,
    /// Being tried.
    Trial,
    /// Passed its gate.
    Good,
    /// Failed its gate or did not boot.
    Failed,
}

impl GenerationStatus {
    /// The name that the wire and people use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Trial => "trial",
            Self::Good => "good",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for GenerationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationView {
    /// Its number.
    pub id: u64,
    /// How it stands.
    pub status: GenerationStatus,
    /// Whether it runs now.
    pub current: bool,
    /// Whether it stays on record until it is unpinned.
    #[serde(default)]
    pub pinned: bool,
    /// The OS.
    pub os: ImageView,
    /// Digest of the TOML.
    pub config: String,
    /// Containers' images by name.
    pub containers: BTreeMap<String, ImageView>,
    /// Seconds since 1970-01-01 UTC.
    pub created: u64,
    /// How it came to be: `first boot`, `update`, `config`, `roll back of 7 to 6`.
    pub origin: String,
}

/// A trial under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialView {
    /// The generation on trial.
    pub generation: u64,
    /// Where a failure leads back to.
    pub fallback: Option<u64>,
    /// The gate, once the generation runs.
    pub gate: Option<GateView>,
    /// The confirmation that it needs, where it needs one.
    #[serde(default)]
    pub confirm: Option<ConfirmView>,
}

/// The confirmation that a trial needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmView {
    /// How many seconds are left.
    pub left_secs: u64,
    /// When that is, by the node's clock: seconds since 1970-01-01 UTC.
    pub until: u64,
    /// Who has confirmed; nobody yet where none.
    pub by: Option<String>,
}

/// What the agent does by itself about updates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatesView {
    /// `auto`, `download` or `manual`.
    pub policy: String,
    /// When it looks next, seconds since 1970-01-01 UTC; none where it never does.
    pub next_look: Option<u64>,
    /// When the window opens in which it may switch, seconds since 1970-01-01 UTC; none where it may
    /// at any time, or may now, or never does.
    pub window_opens: Option<u64>,
    /// The same in the node's time zone: `2026-11-23 02:00 Europe/Berlin`.
    pub window_opens_local: Option<String>,
}

/// The gate of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateView {
    /// For how many seconds all checks have passed.
    pub held_secs: u64,
    /// For how many they must.
    pub hold_secs: u64,
    /// Seconds until the deadline.
    pub left_secs: u64,
    /// The checks.
    pub checks: Vec<CheckView>,
}

/// One gate check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// `container web`, `http http://127.0.0.1:8080/`, `tcp 10.0.0.1:443`.
    pub name: String,
    /// Whether it passes; none before its first result.
    pub pass: Option<bool>,
    /// What it saw: `unhealthy: exit status 1`, `status 503, expected 200`.
    pub detail: String,
}

/// What ended a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Trigger {
    /// The gate held.
    Gate,
    /// A check did not pass before the deadline.
    Check {
        /// Its name.
        check: String,
        /// Its last result.
        detail: String,
    },
    /// Every boot try was used up without the agent deciding.
    BootCounter {
        /// How many tries there were.
        tries: u32,
    },
    /// The operator rolled back.
    Operator {
        /// Who.
        caller: String,
    },
    /// Nobody confirmed the switch in time.
    Unconfirmed {
        /// How long there was to do it, in seconds.
        within_secs: u64,
    },
    /// A step of the switch could not be carried out.
    Switch {
        /// Which, and why.
        detail: String,
    },
    /// The kernel panicked.
    Panic {
        /// Its reason.
        text: String,
    },
    /// The machine hung, and its hardware watchdog reset it.
    Watchdog,
    /// The agent could not stay up.
    AgentCrash {
        /// How it ended the last time.
        detail: String,
    },
    /// The initrd gave up.
    Initrd {
        /// Why.
        detail: String,
    },
    /// Something that only another version knows.
    #[serde(other)]
    Other,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate => f.write_str("the gate held"),
            Self::Check { check, detail } if detail.is_empty() => {
                write!(f, "check `{check}` did not pass in time")
            }
            Self::Check { check, detail } => {
                write!(f, "check `{check}` did not pass in time: {detail}")
            }
            Self::BootCounter { tries } => {
                write!(
                    f,
                    "boot counter: {tries} tries were used up without a working system"
                )
            }
            Self::Unconfirmed { within_secs } => {
                write!(f, "nobody confirmed it within {within_secs} s")
            }
            Self::Operator { caller } => write!(f, "rolled back by {caller}"),
            Self::Switch { detail } => write!(f, "the switch failed: {detail}"),
            Self::Panic { text } => write!(f, "kernel panic: {text}"),
            Self::Watchdog => f.write_str("the machine hung; the hardware watchdog reset it"),
            Self::AgentCrash { detail } => write!(f, "the agent could not stay up: {detail}"),
            Self::Initrd { detail } => write!(f, "the initrd gave up: {detail}"),
            Self::Other => f.write_str("something that this version does not know"),
        }
    }
}

/// The end of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictView {
    /// The generation that was tried.
    pub generation: u64,
    /// Whether it stayed.
    pub good: bool,
    /// The generation that runs because of it.
    pub running: u64,
    /// What decided.
    pub trigger: Trigger,
    /// Seconds since 1970-01-01 UTC.
    pub at: u64,
    /// The last log lines of what failed.
    pub log: Vec<String>,
    /// What the gate last saw.
    #[serde(default)]
    pub checks: Vec<CheckView>,
}

/// `orlop why`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// Why this generation runs, a sentence.
    pub running: String,
    /// Why not a newer one, a sentence; none where this is the newest.
    pub not_newer: Option<String>,
    /// What is being waited for.
    pub waiting_for: Option<String>,
    /// Images on hold.
    #[serde(default)]
    pub held: Vec<HeldView>,
    /// The newest verdict.
    pub verdict: Option<VerdictView>,
}

/// An image that failed a trial. The agent does not stage it again by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldView {
    /// Digest of the manifest, `sha256:…`.
    pub manifest: String,
    /// As the config named it, where the generation is still on record.
    pub reference: Option<String>,
    /// The generation that failed with it.
    pub generation: u64,
}

/// A problem in a TOML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticView {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// `orlop config check`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigReport {
    /// Whether it may be applied.
    pub ok: bool,
    /// Every problem, in the order of the text.
    pub diagnostics: Vec<DiagnosticView>,
    /// The same for people, with the text underlined; empty where all is well.
    pub rendered: String,
}

/// `orlop config show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigView {
    /// Digest of the TOML.
    pub digest: String,
    /// The TOML.
    pub text: String,
}

/// `orlop config history`: a config, by the generation that brought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEntry {
    /// The generation.
    pub generation: u64,
    /// Whether it runs now.
    pub current: bool,
    /// How the generation stands.
    pub status: GenerationStatus,
    /// Digest of the TOML.
    pub digest: String,
    /// When the generation was made, seconds since 1970-01-01 UTC.
    pub created: u64,
    /// How it came to be: `first boot`, `config`.
    pub origin: String,
}
