//! References to images: `registry/repository:tag@digest`.

use crate::digest::Digest;
use crate::forms;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A reference to an image, as people write it, with everything that they may leave out filled in:
/// `nginx` is `docker.io/library/nginx:latest`. The grammar is that of the OCI distribution
/// specification 1.1 (name, tag) and of the reference that its clients have in common.
///
/// Besides registries, `oci:/absolute/dir[:tag]` names an OCI image layout directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageRef {
    /// An image in a registry.
    Registry {
        /// Host, with port where it is not the default: `registry.example.com:5000`.
        registry: String,
        /// The repository's path: `orlop/os`.
        repository: String,
        /// The tag; `latest` where neither tag nor digest was given.
        tag: Option<String>,
        /// The manifest's digest, where the reference is pinned.
        digest: Option<Digest>,
    },
    /// An image in an OCI image layout directory on this machine (`oci:/media/usb/os:stable`).
    Layout {
        /// Absolute path of the directory that holds `index.json`.
        dir: String,
        /// The value of `org.opencontainers.image.ref.name`; none takes the only image there is.
        tag: Option<String>,
    },
}

/// Text that is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as an image reference: {why}")]
pub struct ImageRefError {
    /// What was given.
    pub text: String,
    /// What is wrong with it, with an example.
    pub why: &'static str,
}

const DEFAULT_REGISTRY: &str = "docker.io";
const LAYOUT_PREFIX: &str = "oci:";

impl ImageRef {
    /// The same name, whatever image it stands for.
    #[must_use]
    pub fn without_digest(&self) -> Self {
        let mut name = self.clone();
        if let Self::Registry { digest, .. } = &mut name {
            *digest = None;
        }
        name
    }
}

fn is_repository(text: &str) -> bool {
    let part_ok = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
            && part.as_bytes()[0].is_ascii_alphanumeric()
            && part.as_bytes()[part.len() - 1].is_ascii_alphanumeric()
    };
    text.len() <= 255 && text.split('/').all(part_ok)
}

fn is_tag(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_registry(part: &str) -> bool {
    part.contains('.') || part.contains(':') || part == "localhost"
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        let fail = |why| ImageRefError {
            text: text.to_owned(),
            why,
        };
        if let Some(rest) = text.strip_prefix(LAYOUT_PREFIX) {
            return parse_layout(rest).ok_or_else(|| {
                fail("expected `oci:` and an absolute directory, such as \"oci:/media/usb/os:stable\"")
            });
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|_| fail("after `@` comes `sha256:` and 64 lower-case hex digits"))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (registry, path) = match rest.split_once('/') {
            Some((first, path)) if is_registry(first) => (first.to_owned(), path.to_owned()),
            Some(_) => (DEFAULT_REGISTRY.to_owned(), rest.to_owned()),
            None => (DEFAULT_REGISTRY.to_owned(), format!("library/{rest}")),
        };
        if forms::registry_host(&registry).is_err() {
            return Err(fail(
                "in front of the first `/` stands the registry, `host` or `host:port`",
            ));
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository.to_owned(), Some(tag.to_owned())),
            None => (path, None),
        };
        if !is_repository(&repository) {
            return Err(fail(
                "expected `registry/repository:tag`, such as \"registry.example.com/web:1.4\", \
                 the repository in lower case",
            ));
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(fail(
                "a tag is at most 128 letters, digits, `_`, `.` and `-`",
            ));
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self::Registry {
            registry,
            repository,
            tag,
            digest,
        })
    }
}

fn parse_layout(rest: &str) -> Option<ImageRef> {
    let (dir, tag) = match rest.rsplit_once(':') {
        Some((dir, tag)) if is_tag(tag) => (dir, Some(tag.to_owned())),
        Some(_) => return None,
        None => (rest, None),
    };
    dir.starts_with('/').then(|| ImageRef::Layout {
        dir: dir.to_owned(),
        tag,
    })
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry {
                registry,
                repository,
                tag,
                digest,
            } => {
                write!(f, "{registry}/{repository}")?;
                if let Some(tag) = tag {
                    write!(f, ":{tag}")?;
                }
                if let Some(digest) = digest {
                    write!(f, "@{digest}")?;
                }
                Ok(())
            }
            Self::Layout { dir, tag } => {
                write!(f, "{LAYOUT_PREFIX}{dir}")?;
                match tag {
                    Some(tag) => write!(f, ":{tag}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl TryFrom<String> for ImageRef {
    type Error = ImageRefError;

    fn try_from(text: String) -> Result<Self, ImageRefError> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(reference: ImageRef) -> String {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_filled_in() {
        for (text, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("me/app:2", "docker.io/me/app:2"),
            ("[::1]:5000/os", "[::1]:5000/os:latest"),
            ("localhost:5000/os", "localhost:5000/os:latest"),
            ("oci:/media/usb/os:stable", "oci:/media/usb/os:stable"),
        ] {
            assert_eq!(
                text.parse::<ImageRef>().map(|r| r.to_string()).as_deref(),
                Ok(full)
            );
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "UPPER",
            "a:b:c",
            "x@sha256:12",
            "oci:relative",
            "a//b",
            "host:0/a",
            "host:x/a",
            "a_b.c/d",
            "-a",
        ] {
            assert!(text.parse::<ImageRef>().is_err(), "{text}");
        }
    }
}
