//! Names of hosts, time zones, labels and environment variables.

use super::Problem;
use crate::limits::MAX_HOST_NAME;

const MAX_DNS_LABEL: usize = 63;
const MAX_TIMEZONE: usize = 64;
const MAX_LABEL: usize = 63;
const MAX_LABEL_VALUE: usize = 256;

/// A host name (RFC 1123, section 2.1).
pub(crate) fn host_name(text: &str) -> Result<String, Problem> {
    let help = "letters, digits and `-`, in parts of at most 63 parted by `.`, such as \"edge-17\"";
    if text.len() > MAX_HOST_NAME {
        return Err(Problem::new(format!(
            "the host name is {} bytes long; Linux takes at most {MAX_HOST_NAME}",
            text.len()
        )));
    }
    if text.split('.').all(is_dns_label) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not a host name")).help(help))
}

pub(crate) fn is_dns_label(label: &str) -> bool {
    (1..=MAX_DNS_LABEL).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The name of a time zone as in the IANA database. Whether the image has it cannot be known here.
pub(crate) fn timezone(text: &str) -> Result<String, Problem> {
    let part_ok = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    if text.len() <= MAX_TIMEZONE && text.split('/').all(part_ok) {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(format!("`{text}` is not the name of a time zone"))
            .help("write its name in the IANA database, such as \"Europe/Berlin\" or \"UTC\""),
    )
}

/// The kinds of units that a check can ask for.
const UNIT_KINDS: [&str; 6] = ["service", "socket", "target", "mount", "timer", "path"];
/// The longest name of a unit in bytes (systemd.unit(5)).
const MAX_UNIT: usize = 255;

/// The name of a unit of systemd (systemd.unit(5)). Whether the image has it cannot be known here.
pub(crate) fn unit(text: &str) -> Result<String, Problem> {
    let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
    match text.rsplit_once('.') {
        Some((name, kind))
            if !name.is_empty()
                && text.len() <= MAX_UNIT
                && name.bytes().all(is_of_name)
                && UNIT_KINDS.contains(&kind) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(
            Problem::new(format!("`{text}` is not the name of a unit of systemd"))
                .help("write it with its kind, such as \"systemd-networkd.service\""),
        ),
    }
}

/// The name of a label.
pub(crate) fn label_name(text: &str) -> Result<String, Problem> {
    let ok = (1..=MAX_LABEL).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-'));
    if ok {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not a name for a label"))
        .help("1 to 63 letters, digits, `.`, `_`, `/` and `-`"))
}

/// The value of a label.
pub(crate) fn label_value(text: &str) -> Result<String, Problem> {
    if text.len() > MAX_LABEL_VALUE || text.chars().any(char::is_control) {
        return Err(
            Problem::new("the label's value is too long or has control characters")
                .help("at most 256 bytes on one line"),
        );
    }
    Ok(text.to_owned())
}

/// The name of an environment variable.
pub(crate) fn env_name(text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.contains(['=', '\0']) {
        return Err(Problem::new(
            "an environment variable's name is not empty and has no `=`",
        ));
    }
    Ok(text.to_owned())
}

/// The value of an environment variable, an argument of a command.
pub(crate) fn env_value(text: &str) -> Result<String, Problem> {
    if text.contains('\0') {
        return Err(Problem::new(
            "a NUL character cannot be passed to a program",
        ));
    }
    Ok(text.to_owned())
}
