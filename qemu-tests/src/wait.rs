//! Waiting for a condition, with a deadline.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at a condition.
pub const POLL: Duration = Duration::from_millis(20);

/// A condition did not come true in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot see {what} within {} s{}", .deadline.as_secs_f32(), LastSeen(.last))]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// For how long.
    pub deadline: Duration,
    /// What was seen last instead, where the condition says so.
    pub last: Option<String>,
}

struct LastSeen<'a>(&'a Option<String>);

impl fmt::Display for LastSeen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(last) => write!(f, "; last seen: {last}"),
            None => Ok(()),
        }
    }
}

/// Looks at `condition` until it gives a value, at most for `deadline`. It is looked at once more
/// after the deadline, so that a slow machine does not fail on a condition that is true.
///
/// # Errors
/// [`TimedOut`] with the last text that the condition gave instead of a value.
pub fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> Result<T, String>,
) -> Result<T, TimedOut> {
    let end = Instant::now() + deadline;
    loop {
        let late = Instant::now() >= end;
        match condition() {
            Ok(value) => return Ok(value),
            Err(last) if late => {
                let last = (!last.is_empty()).then_some(last);
                return Err(TimedOut {
                    what: what.to_owned(),
                    deadline,
                    last,
                });
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

/// Like [`wait_for`], for a condition without a value.
///
/// # Errors
/// [`TimedOut`].
pub fn wait_until(
    what: &str,
    deadline: Duration,
    mut condition: impl FnMut() -> bool,
) -> Result<(), TimedOut> {
    wait_for(what, deadline, || {
        if condition() {
            Ok(())
        } else {
            Err(String::new())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_never_comes_true_names_what_was_seen_last() {
        let error = wait_for("the moon", Duration::ZERO, || {
            Err::<(), _>("clouds".to_owned())
        });
        let text = error.unwrap_err().to_string();
        assert_eq!(text, "cannot see the moon within 0 s; last seen: clouds");
    }
}
