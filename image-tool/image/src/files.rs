//! The files of an image in the store, from its metadata alone, and the content of single ones.

use crate::content_store::ContentStore as _;
use crate::erofs::{FileContent, FileState, files_in};
use crate::store::{Store, io_error};
use crate::store_error::StoreError;
use orlop_config::RootDigest;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

impl Store {
    /// Every entry of an image by its absolute path: what it is, to be compared with another
    /// image's. Reads the image's metadata and no file.
    pub fn files(&self, root: &RootDigest) -> Result<BTreeMap<PathBuf, FileState>, StoreError> {
        let image = self.open()?.read_image(root)?;
        files_in(&image).map_err(|why| StoreError::Object {
            verb: "list the files of an image",
            dir: self.dir().to_owned(),
            why,
        })
    }

    /// The content of the regular file at an absolute path of an image; none where there is none.
    /// One of more than `limit` bytes is an error.
    pub fn read_file(
        &self,
        root: &RootDigest,
        path: &Path,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let object = match self.files(root)?.remove(path).map(|state| state.content) {
            Some(FileContent::Inline(bytes)) => return Ok(Some(bytes)),
            Some(FileContent::Object(object)) => self.object_path(&object.to_string()),
            _ => return Ok(None),
        };
        let fail = |source| io_error("read", &object, source);
        let mut bytes = Vec::new();
        let file = File::open(&object).map_err(fail)?;
        file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > limit {
            return Err(StoreError::Record {
                path: path.to_owned(),
                why: format!("it is larger than {limit} bytes"),
            });
        }
        Ok(Some(bytes))
    }
}
