//! Names of devices of the Container Device Interface (tags.cncf.io/container-device-interface, SPEC.md).

use serde::Serialize;
use std::fmt;

/// A device by the name that its vendor gives it, `vendor.com/class=name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct CdiDevice(String);

impl CdiDevice {
    /// `text`, if it is `vendor/class=name`, each part of which is one.
    pub fn new(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('=')?;
        (Self::is_kind(kind) && Self::is_name(name)).then(|| Self(text.to_owned()))
    }

    /// Whether `text` is `vendor/class`.
    pub fn is_kind(text: &str) -> bool {
        let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic());
        text.split_once('/').is_some_and(|(vendor, class)| {
            begins(vendor)
                && begins(class)
                && is_word(vendor, MAX_VENDOR, "_-.")
                && is_word(class, MAX_CLASS, "_-.")
        })
    }

    /// Whether `text` is the name of a device of a kind.
    pub fn is_name(text: &str) -> bool {
        is_word(text, MAX_NAME, "_-.:")
    }

    /// `vendor.com/class=name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `vendor.com/class`, and the name of the device.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once('=').unwrap_or((&self.0, ""))
    }
}

impl fmt::Display for CdiDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest vendor, that of a DNS subdomain, and the longest class (SPEC.md, "Kind").
const MAX_VENDOR: usize = 253;
const MAX_CLASS: usize = 63;
/// The longest name of a device; the specification knows no limit.
const MAX_NAME: usize = 253;

/// Letters, digits and some of `inside`, the latter not at the ends.
fn is_word(text: &str, longest: usize, inside: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= longest
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || inside.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specification_and_no_others() {
        for good in [
            "nvidia.com/gpu=all",
            "nvidia.com/gpu=GPU-8ad6-0",
            "a/b=0:1",
            "foo.bar.baz/foo-bar123.B_az=0",
        ] {
            let device = CdiDevice::new(good).unwrap();
            let (kind, name) = device.parts();
            assert_eq!(format!("{kind}={name}"), good);
        }
        for bad in [
            "",
            "nvidia.com/gpu",
            "nvidia.com/gpu=",
            "gpu=0",
            "/gpu=0",
            "a/=0",
            "a/b/c=0",
            "1a/b=0",
            "a/1b=0",
            "a./b=0",
            "a/b-=0",
            "a/b=0:",
            "a/b=-0",
            "a/b=x y",
            "a/b=x=y",
            "ä/b=0",
        ] {
            assert_eq!(CdiDevice::new(bad), None, "{bad}");
        }
    }
}
