//! Content digests: the names of OCI blobs and of file system images.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// An OCI content digest, `sha256:` and 64 lower-case hex digits
/// (OCI image specification 1.1, descriptor.md). Other algorithms are refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// The fs-verity SHA-256 digest (4 KiB blocks) of an EROFS metadata image, 64 lower-case hex
/// digits: the identity of a root file system, of the OS or of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootDigest(String);

/// Text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as a digest: expected {expected}")]
pub struct DigestError {
    /// What was given.
    pub text: String,
    /// What would have been right.
    pub expected: &'static str,
}

const HEX_LEN: usize = 64;

fn is_hex(text: &str) -> bool {
    text.len() == HEX_LEN && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// The 64 hex digits without the algorithm.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// The whole text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hex digits, for people.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

impl RootDigest {
    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hex digits, for people and file names.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text.strip_prefix("sha256:") {
            Some(rest) if is_hex(rest) => Ok(Self(text.to_owned())),
            _ => Err(DigestError {
                text: text.to_owned(),
                expected: "`sha256:` and 64 lower-case hex digits",
            }),
        }
    }
}

impl FromStr for RootDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        if is_hex(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DigestError {
                text: text.to_owned(),
                expected: "64 lower-case hex digits",
            })
        }
    }
}

macro_rules! text_conversions {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = DigestError;

            fn try_from(text: String) -> Result<Self, DigestError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(digest: $type) -> String {
                digest.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_conversions!(Digest);
text_conversions!(RootDigest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_back_as_written() {
        let digest = Digest::of(b"orlop");
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
        assert_eq!(
            digest.hex().parse::<RootDigest>().map(String::from),
            Ok(digest.hex().to_owned())
        );
    }

    #[test]
    fn anything_but_sha256_in_lower_case_is_refused() {
        for text in [
            "",
            "sha256:",
            "sha512:00",
            "sha256:ABC",
            &format!("sha256:{}", "A".repeat(64)),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
