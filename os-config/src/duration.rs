//! Durations as the TOML writes them: `"30s"`, `"1h30m"`.

use std::time::Duration;

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as a duration: {why}")]
pub struct DurationError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// Reads a duration: whole numbers, each with its unit `d`, `h`, `m`, `s` or `ms`, the larger unit
/// first, no unit twice.
///
/// # Errors
/// Says what is wrong: no number, no unit or an unknown one, units out of order, too large.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let fail = |why: &str| DurationError {
        text: text.to_owned(),
        why: why.to_owned(),
    };
    if text.is_empty() {
        return Err(fail("it is empty"));
    }
    let mut rest = text;
    let mut total_ms: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() {
            return Err(fail("a whole number and its unit are expected"));
        }
        if unit.is_empty() {
            return Err(fail(match tail.bytes().next() {
                Some(b'.' | b',') => "the number is not whole",
                Some(b' ') => "a blank stands behind the number",
                _ => "the number has no unit",
            }));
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(fail(&format!("`{unit}` is not a unit")));
        }
        let (_, factor) = units
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| fail("the larger unit comes first, and each unit once"))?;
        total_ms = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*factor))
            .and_then(|part| total_ms.checked_add(part))
            .ok_or_else(|| fail("it is too large"))?;
        rest = tail;
    }
    Ok(Duration::from_millis(total_ms))
}

/// The shortest text that [`parse_duration`] reads back as `duration`, cut to whole milliseconds.
pub fn format_duration(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, factor) in UNITS {
        if left >= factor {
            out.push_str(&format!("{}{unit}", left / factor));
            left %= factor;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, secs) in [
            ("30s", 30),
            ("2m", 120),
            ("1h30m", 5400),
            ("1d", 86_400),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(secs)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("1s500ms"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (text, why) in [
            ("", "it is empty"),
            ("30", "the number has no unit"),
            ("s", "a whole number and its unit are expected"),
            ("-1s", "a whole number and its unit are expected"),
            ("1.5s", "the number is not whole"),
            ("5 min", "a blank stands behind the number"),
            ("5min", "`min` is not a unit"),
            ("30m1h", "the larger unit comes first, and each unit once"),
            ("1s1s", "the larger unit comes first, and each unit once"),
            ("99999999999999999999d", "it is too large"),
            ("999999999999999999d", "it is too large"),
        ] {
            assert_eq!(
                parse_duration(text).map_err(|error| error.why),
                Err(why.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn durations_are_written_in_their_shortest_form() {
        for text in ["0s", "1ms", "1s500ms", "10s", "5m", "1h30m", "2d"] {
            assert_eq!(
                parse_duration(text).map(format_duration).as_deref(),
                Ok(text)
            );
        }
    }
}
