//! Durations and sizes as Docker and systemd write them, as the TOML writes them.

use orlop_config::{ByteSize, format_duration};
use std::time::Duration;

/// Docker's units (Go's `time.ParseDuration`) and systemd's (systemd.time(7)), in nanoseconds.
const TIMES: [(&str, f64); 24] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("usec", 1e3),
    ("ms", 1e6),
    ("msec", 1e6),
    ("", 1e9),
    ("s", 1e9),
    ("sec", 1e9),
    ("second", 1e9),
    ("seconds", 1e9),
    ("m", 60e9),
    ("min", 60e9),
    ("minute", 60e9),
    ("minutes", 60e9),
    ("h", 3600e9),
    ("hr", 3600e9),
    ("hour", 3600e9),
    ("hours", 3600e9),
    ("d", 86_400e9),
    ("day", 86_400e9),
    ("days", 86_400e9),
    ("w", 604_800e9),
    ("week", 604_800e9),
];

/// The longest time that means anything here: a year.
const MAX_NANOS: f64 = 366.0 * 86_400e9;

/// A duration, to the millisecond. A number alone is seconds.
pub(crate) fn duration(text: &str) -> Option<String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, tail) = rest.split_at(digits.unwrap_or(rest.len()));
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| !c.is_alphabetic());
        let (unit, tail) = tail.split_at(letters.unwrap_or(tail.len()));
        let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit)?;
        nanos += number.parse::<f64>().ok()? * factor;
        rest = tail.trim_start();
    }
    (nanos <= MAX_NANOS).then(|| {
        // In range by the comparison above.
        format_duration(Duration::from_millis((nanos / 1e6).ceil() as u64))
    })
}

/// A size in bytes: `512m`, `1.5gb`, `64M`. All units are powers of 1024.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor: u64 = match unit.trim() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let bytes = number.parse::<f64>().ok()? * factor as f64;
    // 2^63: what is above has been written by mistake.
    (bytes < 9.2e18).then_some(bytes as u64)
}

/// A number with systemd's `K`, `M`, `G` or `T` of powers of 1000 (systemd.resource-control(5), `IOReadBandwidthMax=`).
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor: u64 = match unit {
        "" => 1,
        "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The same as the TOML writes it.
pub(crate) fn size(text: &str) -> Option<String> {
    bytes(text).map(|bytes| ByteSize(bytes).to_string())
}

/// A number of cgroup v1 in `from`, as that of cgroup v2 that crun makes of it.
pub(crate) fn weight(value: u64, from: std::ops::RangeInclusive<u64>) -> u64 {
    const LAST: u64 = 10_000;
    let (low, high) = (*from.start(), *from.end());
    let value = value.clamp(low, high);
    1 + (value - low) * (LAST - 1) / (high - low)
}

/// `true`, `yes`, `on`, `1` and their opposites.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" => Some(true),
        "false" | "no" | "off" | "0" | "n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_docker_and_systemd_are_read() {
        for (text, expected) in [
            ("1m30s", "1m30s"),
            ("1.5s", "1s500ms"),
            ("90", "1m30s"),
            ("5min 20s", "5m20s"),
            ("500ms", "500ms"),
            ("1us", "1ms"),
            ("0s", "0s"),
        ] {
            assert_eq!(duration(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "s",
            "5 parsecs",
            "1..5s",
            "infinity",
            "99999d",
            "-1s",
            ".",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_of_docker_are_powers_of_1024() {
        for (text, expected) in [
            ("512m", "512 MiB"),
            ("1.5gb", "1536 MiB"),
            ("64M", "64 MiB"),
            ("1073741824", "1 GiB"),
            ("10k", "10 KiB"),
        ] {
            assert_eq!(size(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "m", "1x", "99999999999t", "1e400", "-1"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn weights_keep_to_their_ends() {
        assert_eq!(weight(2, 2..=262_144), 1);
        assert_eq!(weight(1024, 2..=262_144), 39);
        assert_eq!(weight(u64::MAX, 10..=1000), 10_000);
    }
}
