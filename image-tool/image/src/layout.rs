//! OCI image layout directories as a source of images (OCI image specification, image-layout.md).

use crate::limits::MAX_JSON_BYTES;
use crate::manifest::{Descriptor, Index, REF_NAME};
use crate::pull_error::PullError;
use orlop_config::Digest;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A layout directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
    image: String,
}

impl Layout {
    /// The layout in `dir`; `image` is what messages call what is asked of it.
    pub(crate) fn new(dir: &Path, image: &str) -> Self {
        Self {
            dir: dir.to_owned(),
            image: image.to_owned(),
        }
    }

    /// What messages call it.
    pub(crate) fn place(&self) -> String {
        format!("directory {}", self.dir.display())
    }

    /// Everything in `index.json`.
    pub(crate) fn index(&self) -> Result<Index, PullError> {
        let path = self.dir.join("index.json");
        let text = read_bounded(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => self.unknown(),
            io::ErrorKind::InvalidData => self.bad("index", source.to_string()),
            _ => PullError::Io {
                verb: "read",
                path: path.clone(),
                source,
            },
        })?;
        serde_json::from_slice(&text).map_err(|e| PullError::BadAnswer {
            what: format!("index {}", path.display()),
            image: self.image.clone(),
            why: e.to_string(),
        })
    }

    /// The image of that tag; without one, the only image there is.
    pub(crate) fn find(&self, tag: Option<&str>) -> Result<Descriptor, PullError> {
        let index = self.index()?;
        match tag {
            Some(tag) => index
                .manifests
                .into_iter()
                .find(|d| d.annotation(REF_NAME) == Some(tag))
                .ok_or_else(|| self.unknown()),
            None => match <[Descriptor; 1]>::try_from(index.manifests) {
                Ok([only]) => Ok(only),
                Err(all) if all.is_empty() => Err(self.unknown()),
                Err(all) => {
                    let tags: Vec<_> = all.iter().filter_map(|d| d.annotation(REF_NAME)).collect();
                    Err(PullError::Options {
                        image: self.image.clone(),
                        why: format!("add one of its tags: {}", tags.join(", ")),
                    })
                }
            },
        }
    }

    /// A manifest, index or config.
    pub(crate) fn document(&self, what: &str, digest: &Digest) -> Result<Vec<u8>, PullError> {
        let path = self.blob_path(digest);
        read_bounded(&path).map_err(|source| self.blob_error(what, digest, source))
    }

    /// A manifest, index or config, its digest checked.
    pub(crate) fn checked(&self, what: &str, digest: &Digest) -> Result<Vec<u8>, PullError> {
        let text = self.document(what, digest)?;
        let got = Digest::of(&text);
        if got == *digest {
            return Ok(text);
        }
        Err(PullError::DigestMismatch {
            what: what.to_owned(),
            image: self.image.clone(),
            expected: digest.to_string(),
            got: got.to_string(),
        })
    }

    pub(crate) fn bad(&self, what: &str, why: String) -> PullError {
        PullError::BadAnswer {
            what: what.to_owned(),
            image: self.image.clone(),
            why,
        }
    }

    /// Where a blob lies.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    /// A blob that is there, by its path.
    pub(crate) fn blob(&self, what: &str, digest: &Digest) -> Result<PathBuf, PullError> {
        let path = self.blob_path(digest);
        match path.metadata() {
            Ok(_) => Ok(path),
            Err(source) => Err(self.blob_error(what, digest, source)),
        }
    }

    fn blob_error(&self, what: &str, digest: &Digest, source: io::Error) -> PullError {
        match source.kind() {
            io::ErrorKind::NotFound => PullError::MissingBlob {
                what: what.to_owned(),
                image: self.image.clone(),
                place: self.place(),
                digest: digest.clone(),
            },
            io::ErrorKind::InvalidData => self.bad(what, source.to_string()),
            _ => PullError::Io {
                verb: "read",
                path: self.blob_path(digest),
                source,
            },
        }
    }

    fn unknown(&self) -> PullError {
        PullError::UnknownImage {
            image: self.image.clone(),
            place: self.place(),
        }
    }
}

/// A whole file that may not be bigger than a JSON document may.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(MAX_JSON_BYTES + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > MAX_JSON_BYTES {
        let why = format!("it is over {MAX_JSON_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(text)
}
