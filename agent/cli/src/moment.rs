//! Times, sizes and durations for people.

use jiff::Timestamp;

/// Microseconds in a second.
const MICROS: u64 = 1_000_000;

/// `2026-11-22 02:25:07Z`.
pub(crate) fn time(secs: u64) -> String {
    i64::try_from(secs)
        .ok()
        .and_then(|secs| Timestamp::from_second(secs).ok())
        .map_or_else(
            || format!("second {secs}"),
            |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        )
}

/// `2026-11-22T02:25:07.123456Z`.
pub(crate) fn precise_time(micros: u64) -> String {
    let secs = time(micros / MICROS).replace(' ', "T");
    let (whole, zone) = secs.split_at(secs.len().saturating_sub(1));
    format!("{whole}.{:06}{zone}", micros % MICROS)
}

/// `3 h 2 min`, its two largest units.
pub(crate) fn duration(secs: u64) -> String {
    let parts = [
        (secs / 86_400, "d"),
        (secs / 3_600 % 24, "h"),
        (secs / 60 % 60, "min"),
        (secs % 60, "s"),
    ];
    let first = parts
        .iter()
        .position(|(count, _)| *count > 0)
        .unwrap_or(parts.len() - 1);
    let words: Vec<String> = parts[first..]
        .iter()
        .take(2)
        .filter(|(count, _)| *count > 0 || secs == 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    words.join(" ")
}

/// `12.3 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(time(1_795_314_307), "2026-11-22 02:25:07Z");
        assert_eq!(
            precise_time(1_795_314_307_000_042),
            "2026-11-22T02:25:07.000042Z"
        );
    }

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        for (secs, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_725, "1 h 2 min"),
            (86_400 + 59, "1 d"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(duration(secs), text);
        }
    }

    #[test]
    fn a_size_shows_one_decimal() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (50 << 20, "50.0 MiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
