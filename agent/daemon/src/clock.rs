//! The clocks. The pure crates get the time from here, as an argument.

use nix::time::{ClockId, clock_gettime};
use orlop_core::{Timestamp, Uptime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The node's wall clock. A clock before 1970 counts as 1970.
pub fn now() -> Timestamp {
    Timestamp(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs(),
    )
}

/// Time since the machine started, which no change of the wall clock moves.
pub fn uptime() -> Uptime {
    // The clock is there since Linux 2.6.39; a kernel without it would count from the epoch on.
    let since = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Uptime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
