//! How trials ended.

use crate::{GenerationId, Timestamp};
use orlop_config::format_duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The format of the verdict file that this crate writes.
pub const VERDICT_FORMAT: u32 = 1;
/// At most so many log lines are kept in a verdict, the newest.
pub const VERDICT_LOG_LINES: usize = 20;

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
    /// Every try was used up without the agent deciding.
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
    /// Something that this version does not know: the verdict is of another one. It is kept as it is.
    #[serde(untagged)]
    Other(BTreeMap<String, serde_json::Value>),
}

/// A gate check as it stood when the trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSeen {
    /// Its name.
    pub name: String,
    /// Whether it passed; none where it had no result yet.
    pub pass: Option<bool>,
    /// What it saw.
    pub detail: String,
}

/// The end of a trial, as `/state/orlop/verdicts/<generation>-<number>.json` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// [`VERDICT_FORMAT`].
    pub format: u32,
    /// Counts up on this node; a higher one is newer.
    pub number: u32,
    /// The generation that was tried.
    pub generation: GenerationId,
    /// Whether it passed.
    pub good: bool,
    /// The generation that runs because of it.
    pub running: GenerationId,
    /// What decided.
    pub trigger: Trigger,
    /// When.
    pub at: Timestamp,
    /// The last log lines of what failed, oldest first; at most [`VERDICT_LOG_LINES`].
    #[serde(default)]
    pub log: Vec<String>,
    /// What the gate last saw; empty where none was at work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckSeen>,
}

/// A verdict file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    /// Not JSON, or a field is missing or of a wrong type.
    #[error("cannot read the verdict")]
    Syntax(#[from] serde_json::Error),
    /// Of another format.
    #[error("cannot use the verdict: it has format {found}, this agent knows {VERDICT_FORMAT}")]
    Format {
        /// What the file says.
        found: u32,
    },
}

impl Verdict {
    /// Reads a verdict file.
    ///
    /// # Errors
    /// Where it is no verdict or one of another format.
    pub fn decode(bytes: &[u8]) -> Result<Self, VerdictError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let header: Header = serde_json::from_slice(bytes)?;
        if header.format != VERDICT_FORMAT {
            return Err(VerdictError::Format {
                found: header.format,
            });
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The verdict as its file has it: indented JSON and a newline.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("only strings are keys");
        bytes.push(b'\n');
        bytes
    }
}

impl Trigger {
    /// The word of a trigger that this version does not know.
    fn kind(&self) -> &str {
        match self {
            Self::Other(fields) => fields.get("by").and_then(|by| by.as_str()),
            _ => None,
        }
        .unwrap_or("something")
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate => f.write_str("every gate check held"),
            Self::Check { check, detail } if detail.is_empty() => {
                write!(f, "gate check `{check}` did not pass")
            }
            Self::Check { check, detail } => {
                write!(f, "gate check `{check}` did not pass ({detail})")
            }
            Self::BootCounter { tries: 1 } => f.write_str("its one boot try was used up"),
            Self::BootCounter { tries } => write!(f, "all of its {tries} boot tries were used up"),
            Self::Unconfirmed { within_secs } => {
                let within = format_duration(Duration::from_secs(*within_secs));
                write!(f, "nobody confirmed it within {within}")
            }
            Self::Operator { caller } => write!(f, "{caller} rolled it back"),
            Self::Switch { detail } => write!(f, "the switch could not be carried out: {detail}"),
            Self::Panic { text } => write!(f, "its kernel panicked ({text})"),
            Self::Watchdog => f.write_str("it hung, and the hardware watchdog reset the machine"),
            Self::AgentCrash { detail } => write!(f, "its agent could not stay up ({detail})"),
            Self::Initrd { detail } => write!(f, "its initrd gave up ({detail})"),
            Self::Other(_) => write!(f, "`{}`, which this version does not know", self.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_format_1_is_still_read() {
        let text = include_bytes!("../fixtures/verdict-1.json");
        let verdict = Verdict::decode(text).unwrap();
        let trigger = Trigger::Check {
            check: "container web".to_owned(),
            detail: "unhealthy".to_owned(),
        };
        assert_eq!((verdict.number, verdict.trigger.clone()), (3, trigger));
        assert_eq!(verdict.encode(), text);
    }

    #[test]
    fn what_the_gate_saw_is_kept() {
        let text = include_bytes!("../fixtures/verdict-1-checks.json");
        let verdict = Verdict::decode(text).unwrap();
        let seen = CheckSeen {
            name: "tcp 10.0.0.1:443".to_owned(),
            pass: Some(true),
            detail: "connected".to_owned(),
        };
        assert_eq!((verdict.checks.len(), &verdict.checks[0]), (2, &seen));
        assert_eq!(verdict.checks[1].pass, None);
        assert_eq!(verdict.trigger, Trigger::Unconfirmed { within_secs: 300 });
        let words = "nobody confirmed it within 5m";
        assert_eq!(verdict.trigger.to_string(), words);
        assert_eq!(verdict.encode(), text);
    }

    #[test]
    fn a_trigger_of_a_later_version_is_shown_by_its_name_and_kept_as_it_is() {
        let text =
            String::from_utf8(include_bytes!("../fixtures/verdict-1.json").to_vec()).unwrap();
        let later = text.replace("\"by\": \"check\"", "\"by\": \"meteorite\"");
        assert_ne!(later, text);
        let verdict = Verdict::decode(later.as_bytes()).unwrap();
        assert_eq!(
            verdict.trigger.to_string(),
            "`meteorite`, which this version does not know"
        );
        let again = Verdict::decode(&verdict.encode()).unwrap();
        assert_eq!(again, verdict);
    }

    #[test]
    fn another_format_is_refused() {
        let refused = Verdict::decode(b"{\"format\": 2}").unwrap_err();
        let text = "cannot use the verdict: it has format 2, this agent knows 1";
        assert_eq!(refused.to_string(), text);
    }
}
