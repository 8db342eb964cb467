//! Sizes as the TOML writes them: `"256 MiB"`.

use crate::model::ByteSize;
use std::fmt;
use std::str::FromStr;

/// The units, largest first within each family.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as a size: {why}")]
pub struct SizeError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let fail = |why: &str| SizeError {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        if number.is_empty() {
            return Err(fail("a whole number and its unit are expected"));
        }
        if unit.starts_with(['.', ',']) {
            return Err(fail("the number is not whole"));
        }
        if unit.is_empty() {
            return Err(fail("the number has no unit"));
        }
        let factor = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor);
        let factor = factor.ok_or_else(|| fail(&format!("`{unit}` is not a unit")))?;
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| fail("it is too large"))
    }
}

impl fmt::Display for ByteSize {
    /// The largest binary unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS[..4]
            .iter()
            .find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        match binary {
            Some((unit, factor)) => write!(f, "{} {unit}", self.0 / factor),
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in [
            ("0 B", 0),
            ("1 KiB", 1024),
            ("256 MiB", 256 << 20),
            ("2GiB", 2 << 30),
            ("3 MB", 3_000_000),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_why() {
        for (text, why) in [
            ("", "a whole number and its unit are expected"),
            ("MiB", "a whole number and its unit are expected"),
            ("256", "the number has no unit"),
            ("256M", "`M` is not a unit"),
            ("1.5 GiB", "the number is not whole"),
            ("99999999 TiB", "it is too large"),
        ] {
            assert_eq!(
                text.parse::<ByteSize>().map_err(|error| error.why),
                Err(why.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn sizes_are_written_with_the_largest_whole_unit() {
        for text in ["0 B", "1 B", "1000 B", "1 KiB", "1536 MiB", "2 GiB"] {
            assert_eq!(
                text.parse::<ByteSize>()
                    .map(|size| size.to_string())
                    .as_deref(),
                Ok(text)
            );
        }
    }
}
