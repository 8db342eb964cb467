//! Whether somebody has reached the remote API, for the check `api = "reached"`.

use crate::gate::probe::Seen;
use orlop_core::Uptime;
use std::sync::{Mutex, PoisonError};

/// The last one who reached the API, and since when that one was connected.
#[derive(Debug, Default)]
pub struct Reached {
    last: Mutex<Option<(Uptime, String)>>,
}

impl Reached {
    /// Notes that `caller`, who connected at `connected`, was let in and has asked for something.
    pub fn note(&self, caller: &str, connected: Uptime) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(known, _)| *known <= connected) {
            *last = Some((connected, caller.to_owned()));
        }
    }

    /// Forgets everyone: the door has moved, and whoever came by the old one proves nothing.
    pub fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether somebody connected since `since`. A connection from before the switch may live on
    /// where no new one could be made, so it does not count.
    pub(crate) fn since(&self, since: Uptime) -> Seen {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((connected, caller)) if *connected >= since => {
                Seen::pass(format!("reached by {caller}"))
            }
            _ => Seen::fail("nobody has reached the API since the switch"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_made_since_the_switch_counts() {
        let reached = Reached::default();
        assert!(!reached.since(Uptime(0)).pass);
        reached.note("certificate CN=anna", Uptime(100));
        assert!(!reached.since(Uptime(101)).pass);
        // One that has been connected for longer does not make the newer one forgotten.
        reached.note("certificate CN=old", Uptime(50));
        let seen = reached.since(Uptime(100));
        assert_eq!(
            (seen.pass, seen.detail.as_str()),
            (true, "reached by certificate CN=anna")
        );
        reached.forget();
        assert!(!reached.since(Uptime(0)).pass);
    }
}
