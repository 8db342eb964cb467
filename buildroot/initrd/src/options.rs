//! What the kernel command line tells the initrd.

use orlop_config::{DigestError, RootDigest};
use std::time::Duration;

/// How long to wait for the state partition: disks behind slow controllers take seconds.
const STATE_WAIT: Duration = Duration::from_secs(30);

/// How long a failure stays on the console before the reboot.
const PANIC_WAIT: Duration = Duration::from_secs(5);

/// Longest wait that is taken from the command line; a node must not hang for good.
const WAIT_LIMIT_SECS: u64 = 3600;

/// What the kernel command line tells the initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `orlop.root=<64 hex>`: the OS image. The last one counts.
    pub root: RootDigest,
    /// `orlop.state-wait=<seconds>`: how long to look for the state partition.
    pub state_wait: Duration,
}

/// A command line that cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// It names no OS image.
    #[error("cannot tell which OS image to boot: the kernel command line has no `orlop.root=`")]
    NoRoot,
    /// What it names is none.
    #[error("cannot tell which OS image to boot")]
    BadRoot(#[source] DigestError),
    /// A wait is no number of seconds.
    #[error(
        "cannot read `{word}` on the kernel command line: expected 0 to {WAIT_LIMIT_SECS} seconds"
    )]
    BadWait {
        /// The word.
        word: String,
    },
}

impl Options {
    /// Reads them from a command line.
    ///
    /// # Errors
    /// If the OS image is missing, or a value is none. Words of others are passed over.
    pub fn parse(cmdline: &str) -> Result<Self, OptionsError> {
        let root = last(cmdline, "orlop.root=").ok_or(OptionsError::NoRoot)?;
        Ok(Self {
            root: root.parse().map_err(OptionsError::BadRoot)?,
            state_wait: wait(cmdline, "orlop.state-wait=")?.unwrap_or(STATE_WAIT),
        })
    }
}

/// `orlop.panic-wait=<seconds>`: how long a failure stays on the console before the reboot. It has
/// to be known when all else failed, so a bad value means the default.
pub fn panic_wait(cmdline: &str) -> Duration {
    wait(cmdline, "orlop.panic-wait=")
        .ok()
        .flatten()
        .unwrap_or(PANIC_WAIT)
}

fn last<'a>(cmdline: &'a str, key: &str) -> Option<&'a str> {
    cmdline
        .split_ascii_whitespace()
        .rev()
        .find_map(|word| word.strip_prefix(key))
}

fn wait(cmdline: &str, key: &str) -> Result<Option<Duration>, OptionsError> {
    let Some(value) = last(cmdline, key) else {
        return Ok(None);
    };
    match value.parse() {
        Ok(secs) if secs <= WAIT_LIMIT_SECS => Ok(Some(Duration::from_secs(secs))),
        _ => Err(OptionsError::BadWait {
            word: format!("{key}{value}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_root_counts_and_foreign_words_are_passed_over() {
        let (first, last) = ("a".repeat(64), "b".repeat(64));
        let line = format!("quiet orlop.root={first} orlop.state-wait=3 orlop.root={last}\n");
        let options = Options::parse(&line).unwrap();
        assert_eq!(
            (options.root.as_str(), options.state_wait),
            (&*last, Duration::from_secs(3))
        );
    }

    #[test]
    fn what_is_wrong_with_a_command_line_is_said() {
        let root = format!("orlop.root={}", "a".repeat(64));
        assert_eq!(Options::parse("quiet"), Err(OptionsError::NoRoot));
        assert!(matches!(
            Options::parse("orlop.root=aa"),
            Err(OptionsError::BadRoot(_))
        ));
        let error = Options::parse(&format!("{root} orlop.state-wait=soon")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read `orlop.state-wait=soon` on the kernel command line: expected 0 to 3600 seconds"
        );
    }

    #[test]
    fn a_bad_panic_wait_is_the_default() {
        assert_eq!(panic_wait("orlop.panic-wait=0"), Duration::ZERO);
        for line in ["", "orlop.panic-wait=x", "orlop.panic-wait=999999999999"] {
            assert_eq!(panic_wait(line), PANIC_WAIT, "{line}");
        }
    }
}
