//! The clocks. The pure crates get the time from here, as an argument.

use jiff::tz::TimeZone;
use nix::time::{ClockId, clock_gettime};
use orlop_core::{Timestamp, Uptime};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The node's wall clock. A clock before 1970 counts as 1970.
pub fn now() -> Timestamp {
    Timestamp(since_1970().as_secs())
}

/// The same as finely as it is known.
pub(crate) fn since_1970() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// Time since the machine started, which no change of the wall clock moves.
pub fn uptime() -> Uptime {
    // The clock is there since Linux 2.6.39; a kernel without it would count from the epoch on.
    let since = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Uptime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Where the time zones' rules are (tzfile(5)).
const ZONES: &str = "/usr/share/zoneinfo";

/// The rules of a time zone of the OS image (tzfile(5)).
///
/// # Errors
/// Where it has none of that name, or it cannot be read.
pub fn rules(name: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(Path::new(ZONES).join(name))
}

/// The rules of a time zone. One that is not named, or that the image lacks, is UTC, as it is for
/// the rest of the node.
pub fn zone(name: Option<&str>) -> TimeZone {
    let Some(name) = name.filter(|name| *name != "UTC") else {
        return TimeZone::UTC;
    };
    let zone = rules(name)
        .map_err(|error| error.to_string())
        .and_then(|rules| TimeZone::tzif(name, &rules).map_err(|error| error.to_string()));
    zone.unwrap_or_else(|error| {
        log::warn!(zone = name, error; "cannot read the time zone {name}, taking UTC");
        TimeZone::UTC
    })
}
