//! Durations and sizes within their limits, and times of the week.

use super::Problem;
use crate::duration::{format_duration, parse_duration};
use crate::limits::{MIN_MEMORY_BYTES, MIN_VOLUME_BYTES};
use crate::model::ByteSize;
use crate::window::{self, TimeOfDay, Weekday};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A duration within `range`.
pub(crate) fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Problem> {
    let duration = parse_duration(text).map_err(|error| {
        Problem::new(error.to_string()).help(
            "write whole numbers with `d`, `h`, `m`, `s` or `ms`, such as \"30s\" or \"1h30m\"",
        )
    })?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let (least, most) = (
        format_duration(*range.start()),
        format_duration(*range.end()),
    );
    Err(Problem::new(format!("`{text}` is out of range"))
        .help(format!("anything from {least} to {most} will do")))
}

/// A day of the week, or a range of them.
pub(crate) fn weekdays(text: &str) -> Result<Vec<Weekday>, Problem> {
    window::days(text).ok_or_else(|| {
        Problem::new(format!(
            "`{text}` is no day of the week, and no range of days"
        ))
        .help("write \"mon\", \"tue\", … \"sun\", or a range such as \"mon-fri\"")
    })
}

/// A time of day.
pub(crate) fn time_of_day(text: &str) -> Result<TimeOfDay, Problem> {
    TimeOfDay::read(text).ok_or_else(|| {
        Problem::new(format!("`{text}` is not a time of day"))
            .help("write hours and minutes, from \"00:00\" to \"24:00\"")
    })
}

/// A size in bytes.
pub(crate) fn size(text: &str) -> Result<ByteSize, Problem> {
    text.parse()
        .map_err(|error: crate::SizeError| Problem::new(error.to_string()).help(size_help(text)))
}

/// A memory limit.
pub(crate) fn memory(text: &str) -> Result<ByteSize, Problem> {
    let size = size(text)?;
    if size.0 < MIN_MEMORY_BYTES {
        return Err(
            Problem::new(format!("a container does not start within {size}"))
                .help(format!("write at least \"{}\"", ByteSize(MIN_MEMORY_BYTES))),
        );
    }
    Ok(size)
}

/// How much a volume may hold.
pub(crate) fn volume_size(text: &str) -> Result<ByteSize, Problem> {
    let size = size(text)?;
    if size.0 < MIN_VOLUME_BYTES {
        let least = ByteSize(MIN_VOLUME_BYTES);
        return Err(Problem::new(format!("a volume of {size} holds nothing"))
            .help(format!("write at least \"{least}\"")));
    }
    Ok(size)
}

fn size_help(text: &str) -> String {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let meant = match unit.trim_start().to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => Some("KiB"),
        "m" | "mb" | "mib" => Some("MiB"),
        "g" | "gb" | "gib" => Some("GiB"),
        "t" | "tb" | "tib" => Some("TiB"),
        _ => None,
    };
    match meant {
        Some(unit) if !number.is_empty() => format!("write \"{number} {unit}\""),
        _ => "write a whole number with `B`, `KiB`, `MiB`, `GiB` or `TiB` (or `KB`, `MB`, `GB`, `TB`), \
              such as \"256 MiB\""
            .to_owned(),
    }
}
