//! The content store on a composefs repository, and one that only computes names.

use crate::content_store::{ContentStore, ObjectDigest};
use crate::erofs::{hash_value, object_digest, root_digest};
use crate::limits::{CHECKED_FILE_BYTES, STREAM_BUFFER_BYTES};
use crate::store::Verity;
use crate::store_error::StoreError;
use composefs::fsverity::{
    CompareVerityError, FsVerityHashValue, FsVerityHasher, MeasureVerityError, Sha256HashValue,
    compute_verity, enable_verity_raw, ensure_verity_equal,
};
use composefs::repository::{Repository, RepositoryConfig};
use orlop_config::RootDigest;
use rustix::fs::CWD;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// One operation's hold of the repository. While it lives, garbage collection waits.
pub(crate) struct ComposefsStore {
    dir: PathBuf,
    verity: Verity,
    repository: Repository<Sha256HashValue>,
}

impl ComposefsStore {
    /// Opens the repository in `dir`, and makes it where there is none.
    pub(crate) fn open_or_init(dir: &Path, verity: Verity) -> Result<Self, StoreError> {
        let config = match verity {
            Verity::Required => RepositoryConfig::default(),
            Verity::Off => RepositoryConfig::default().set_insecure(),
        };
        let fail = |why| match verity {
            Verity::Required => StoreError::NoVerity {
                dir: dir.to_owned(),
                why,
            },
            Verity::Off => StoreError::Open {
                dir: dir.to_owned(),
                why,
            },
        };
        if !dir.join("meta.json").exists() {
            Repository::<Sha256HashValue>::init_path(CWD, dir, config)
                .map_err(|e| fail(format!("{e:#}")))?;
        }
        Self::open(dir, verity)
    }

    /// Opens the repository in `dir`.
    pub(crate) fn open(dir: &Path, verity: Verity) -> Result<Self, StoreError> {
        let mut repository = open_repository(dir)?;
        if verity == Verity::Required && repository.is_insecure() {
            // Made without fs-verity, as a disk image is, and sealed since: seal the mark of it.
            let seal = || -> Result<(), String> {
                let meta = File::open(dir.join("meta.json")).map_err(|e| e.to_string())?;
                enable_verity_raw::<Sha256HashValue>(&meta).map_err(|e| e.to_string())
            };
            seal().map_err(|why| StoreError::NoVerity {
                dir: dir.to_owned(),
                why,
            })?;
            repository = open_repository(dir)?;
        }
        if verity == Verity::Off {
            repository.set_insecure();
        }
        Ok(Self {
            dir: dir.to_owned(),
            verity,
            repository,
        })
    }

    pub(crate) fn repository(&self) -> &Repository<Sha256HashValue> {
        &self.repository
    }

    /// The open metadata image, checked against its digest: by the kernel where fs-verity is
    /// required, by reading it where it is off.
    pub(crate) fn open_image(&self, root: &RootDigest) -> Result<File, StoreError> {
        let path = self.dir.join("images").join(root.as_str());
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NoImage {
                    root: root.clone(),
                    dir: self.dir.clone(),
                });
            }
            Err(source) => {
                return Err(StoreError::Io {
                    verb: "open",
                    path,
                    source,
                });
            }
        };
        let damaged = |got| StoreError::DamagedImage {
            root: root.clone(),
            got,
        };
        match self.verity {
            Verity::Required => match ensure_verity_equal(&file, &hash_value(root)) {
                Ok(()) => {}
                Err(CompareVerityError::DigestMismatch { found, .. }) => {
                    return Err(damaged(found));
                }
                Err(CompareVerityError::Measure(MeasureVerityError::VerityMissing)) => {
                    return Err(damaged("none: fs-verity is not enabled on it".to_owned()));
                }
                Err(error) => return Err(self.fail("measure an image", error.to_string())),
            },
            Verity::Off => {
                let read =
                    digest_of(&file).and_then(|(digest, _)| (&file).rewind().map(|()| digest));
                let digest = read.map_err(|source| StoreError::Io {
                    verb: "read",
                    path,
                    source,
                })?;
                if digest != hash_value(root) {
                    return Err(damaged(digest.to_hex()));
                }
            }
        }
        Ok(file)
    }

    /// Refuses a file that does not fit, before it fills the disk.
    fn check_room(&self, size: u64) -> Result<(), StoreError> {
        let stat = rustix::fs::statvfs(&self.dir).map_err(|error| StoreError::Io {
            verb: "look at",
            path: self.dir.clone(),
            source: error.into(),
        })?;
        if stat.f_bavail.saturating_mul(stat.f_frsize) >= size {
            return Ok(());
        }
        Err(StoreError::NoSpace {
            path: self.dir.clone(),
        })
    }

    /// A composefs error as ours; a full disk is told apart.
    fn fail(&self, verb: &'static str, why: String) -> StoreError {
        StoreError::Object {
            verb,
            dir: self.dir.clone(),
            why,
        }
    }
}

/// Turns an `anyhow::Error` of composefs into ours; a macro, because that crate is not ours to name.
macro_rules! store_error {
    ($store:expr, $verb:literal) => {
        |error| {
            let full = error.chain().any(|cause| {
                cause.downcast_ref::<io::Error>().is_some_and(is_no_space)
                    || cause
                        .downcast_ref::<rustix::io::Errno>()
                        .is_some_and(|e| is_no_space(&io::Error::from(*e)))
            });
            if full {
                StoreError::NoSpace {
                    path: $store.dir.clone(),
                }
            } else {
                $store.fail($verb, format!("{error:#}"))
            }
        }
    };
}

/// Whether an error says that the disk, or the quota, is full.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl ContentStore for ComposefsStore {
    fn put_object(&self, content: &mut dyn Read, size: u64) -> Result<ObjectDigest, StoreError> {
        if size >= CHECKED_FILE_BYTES {
            self.check_room(size)?;
        }
        let content = BufReader::with_capacity(STREAM_BUFFER_BYTES, content.take(size));
        let digest = self
            .repository
            .ensure_object_from_reader(content, size)
            .map_err(store_error!(self, "store an object"))?;
        Ok(object_digest(&digest))
    }

    fn has_object(&self, digest: &ObjectDigest) -> Result<bool, StoreError> {
        let name = digest.to_string();
        let path = self.dir.join("objects").join(&name[..2]).join(&name[2..]);
        path.try_exists().map_err(|source| StoreError::Io {
            verb: "look at",
            path,
            source,
        })
    }

    fn put_image(&self, metadata: &[u8]) -> Result<RootDigest, StoreError> {
        let images = self.dir.join("images");
        let verb = "write";
        let repository = &self.repository;
        repository
            .ensure_object(metadata)
            .map_err(store_error!(self, "store an image"))?;
        repository
            .sync()
            .map_err(store_error!(self, "sync objects"))?;
        let digest = repository
            .write_image(None, metadata)
            .map_err(store_error!(self, "name an image"))?;
        crate::atomic_write::sync_dir(&images).map_err(|source| StoreError::Io {
            verb,
            path: images,
            source,
        })?;
        Ok(root_digest(&digest))
    }

    fn read_image(&self, root: &RootDigest) -> Result<Vec<u8>, StoreError> {
        let mut image = Vec::new();
        let path = || self.dir.join("images").join(root.as_str());
        self.open_image(root)?
            .read_to_end(&mut image)
            .map_err(|source| StoreError::Io {
                verb: "read",
                path: path(),
                source,
            })?;
        let digest = compute_verity::<Sha256HashValue>(&image);
        if digest != hash_value(root) {
            return Err(StoreError::DamagedImage {
                root: root.clone(),
                got: digest.to_hex(),
            });
        }
        Ok(image)
    }
}

fn open_repository(dir: &Path) -> Result<Repository<Sha256HashValue>, StoreError> {
    Repository::open_path(CWD, dir).map_err(|e| StoreError::Open {
        dir: dir.to_owned(),
        why: e.to_string(),
    })
}

/// The fs-verity digest of a file, computed by reading it from its start, and its size.
pub(crate) fn digest_of(mut file: impl Read) -> io::Result<(Sha256HashValue, u64)> {
    let mut hasher = FsVerityHasher::<Sha256HashValue>::new();
    let mut buffer = vec![0; STREAM_BUFFER_BYTES];
    let mut size = 0;
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher.digest(), size)),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.write_all(&buffer[..n])?;
        size += n as u64;
    }
}

/// Computes what the names of objects and images would be, and keeps nothing.
pub(crate) struct DigestOnly;

impl ContentStore for DigestOnly {
    fn put_object(&self, content: &mut dyn Read, size: u64) -> Result<ObjectDigest, StoreError> {
        let fail = |why: String| StoreError::Object {
            verb: "compute a digest",
            dir: PathBuf::new(),
            why,
        };
        let (digest, read) = digest_of(content.take(size)).map_err(|e| fail(e.to_string()))?;
        if read == size {
            Ok(object_digest(&digest))
        } else {
            Err(fail(format!("{read} of {size} bytes")))
        }
    }

    fn has_object(&self, _digest: &ObjectDigest) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn put_image(&self, metadata: &[u8]) -> Result<RootDigest, StoreError> {
        Ok(root_digest(&compute_verity(metadata)))
    }

    fn read_image(&self, root: &RootDigest) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::NoImage {
            root: root.clone(),
            dir: PathBuf::new(),
        })
    }
}
