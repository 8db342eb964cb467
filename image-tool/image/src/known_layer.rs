//! Layers that a store knows. What a layer puts where is kept in a list beside the objects, so that another image
//! with the same layer is made without fetching it (ADR 0022).
//!
//! Lists are a cache, written without a sync. One that is damaged counts as none, as does one whose
//! objects are not all there any more: garbage collection keeps what images are made of, which does not
//! include files that a layer above has replaced.
//!
//! ```text
//! orlop layer 1\n
//! sha256 over the diff_id's text and all that follows, 32 bytes
//! the entries, in their order (postcard's wire format, version 1)
//! ```

use crate::atomic_write::remove_if_there;
use crate::content_store::ContentStore;
use crate::layer::{Content, LayerEntry, What};
use crate::store::{Store, io_error, list};
use crate::store_error::StoreError;
use orlop_config::Digest;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// To be changed with the shape of an entry, and with what of a tar becomes part of one.
const HEADER: &[u8] = b"orlop layer 1\n";
const CHECKSUM_BYTES: usize = 32;

impl Store {
    fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.side("layers").join(diff_id.hex())
    }

    /// Keeps what the layer `diff_id` holds. The caller holds the store's lock.
    pub(crate) fn keep_layer(&self, diff_id: &Digest, entries: &[LayerEntry]) -> io::Result<()> {
        let entries = postcard::to_stdvec(entries).map_err(io::Error::other)?;
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(self.side("layers"))?;
        file.write_all(HEADER)?;
        file.write_all(&checksum(diff_id, &entries))?;
        file.write_all(&entries)?;
        file.persist(self.layer_path(diff_id))
            .map_err(|error| error.error)?;
        Ok(())
    }

    /// What the layer `diff_id` holds, if that is known and every file of it is in the store. Blocking.
    ///
    /// # Errors
    /// The store cannot be opened or looked at. A list that cannot be read is no error.
    pub(crate) fn known_layer(
        &self,
        diff_id: &Digest,
    ) -> Result<Option<Vec<LayerEntry>>, StoreError> {
        let Some(entries) = self.layer_list(diff_id) else {
            return Ok(None);
        };
        let opened = self.open()?;
        for entry in &entries {
            if let What::Leaf(Content::Object { digest, .. }) = &entry.what
                && !opened.has_object(digest)?
            {
                return Ok(None);
            }
        }
        Ok(Some(entries))
    }

    fn layer_list(&self, diff_id: &Digest) -> Option<Vec<LayerEntry>> {
        let path = self.layer_path(diff_id);
        let parsed = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
            Ok(bytes) => parse(diff_id, &bytes),
        };
        parsed
            .inspect_err(|why| {
                log::warn!(path:% = path.display(), why = why.as_str();
                    "cannot use what is known of a layer; fetching it again");
            })
            .ok()
    }

    /// Removes the lists of layers that no image here has. The caller holds the store's lock.
    pub(crate) fn forget_layers(&self) -> Result<(), StoreError> {
        let records = self.records()?;
        let layers = records.iter().flat_map(|record| &record.layers);
        let kept: BTreeSet<&str> = layers.map(|layer| layer.diff_id.hex()).collect();
        for path in list(&self.side("layers"))? {
            let name = path.file_name().and_then(|name| name.to_str());
            if !name.is_some_and(|name| kept.contains(name)) {
                remove_if_there(&path).map_err(|source| io_error("remove", &path, source))?;
            }
        }
        Ok(())
    }
}

fn parse(diff_id: &Digest, bytes: &[u8]) -> Result<Vec<LayerEntry>, String> {
    let rest = bytes.strip_prefix(HEADER).ok_or("it has another format")?;
    let (sum, entries) = rest
        .split_at_checked(CHECKSUM_BYTES)
        .ok_or("it is cut off")?;
    if sum != checksum(diff_id, entries) {
        return Err("it is damaged".to_owned());
    }
    postcard::from_bytes(entries).map_err(|error| error.to_string())
}

fn checksum(diff_id: &Digest, entries: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let sum = Sha256::new().chain_update(diff_id.as_str());
    sum.chain_update(entries).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content_store::ObjectDigest;
    use crate::layer::Metadata;
    use crate::store::Verity;
    use std::collections::BTreeMap;

    fn entry(path: &[u8], what: What) -> LayerEntry {
        let xattrs = BTreeMap::from([(b"user.a".as_slice().into(), [0_u8, 255].as_slice().into())]);
        let metadata = Metadata {
            mode: 0o4755,
            uid: 1000,
            gid: u32::MAX,
            mtime_sec: -1,
            mtime_nsec: 999_999_999,
            xattrs,
        };
        LayerEntry {
            path: path.into(),
            metadata,
            what,
        }
    }

    fn entries() -> Vec<LayerEntry> {
        let leaf = [
            Content::Inline(b"short".as_slice().into()),
            Content::Symlink(b"../a".as_slice().into()),
            Content::Character(0x0103),
            Content::Block(u64::MAX),
            Content::Fifo,
        ];
        let mut all: Vec<_> = leaf
            .into_iter()
            .map(|content| entry(b"not utf-8 \xff", What::Leaf(content)))
            .collect();
        all.push(entry(b"", What::Directory));
        all.push(entry(b"hard", What::HardLink(b"a/b".as_slice().into())));
        all
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_or_init(&dir.path().join("store"), Verity::Off).unwrap();
        (dir, store)
    }

    #[test]
    fn what_was_kept_comes_back_and_under_no_other_name() {
        let (_dir, store) = store();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        store.keep_layer(&a, &entries()).unwrap();
        assert_eq!(store.known_layer(&a).unwrap(), Some(entries()));
        assert_eq!(store.known_layer(&b).unwrap(), None);
        fs::rename(store.layer_path(&a), store.layer_path(&b)).unwrap();
        assert_eq!(store.known_layer(&b).unwrap(), None);
    }

    #[test]
    fn a_list_that_is_cut_or_changed_anywhere_counts_as_none() {
        let (_dir, store) = store();
        let diff_id = Digest::of(b"a");
        store.keep_layer(&diff_id, &entries()).unwrap();
        let path = store.layer_path(&diff_id);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(store.known_layer(&diff_id).unwrap(), None, "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert_eq!(
                store.known_layer(&diff_id).unwrap(),
                None,
                "changed at {at}"
            );
        }
    }

    #[test]
    fn a_layer_with_a_file_that_is_not_there_any_more_is_not_known() {
        let (_dir, store) = store();
        let content = [7; 100];
        let digest = store.open().unwrap().put_object(&mut &content[..], 100);
        let there = digest.unwrap();
        let object = |digest| {
            let what = What::Leaf(Content::Object { digest, size: 100 });
            vec![entry(b"file", what)]
        };
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        store.keep_layer(&a, &object(there)).unwrap();
        store
            .keep_layer(&b, &object(ObjectDigest([1; 32])))
            .unwrap();
        assert_eq!(store.known_layer(&a).unwrap(), Some(object(there)));
        assert_eq!(store.known_layer(&b).unwrap(), None);
    }

    #[test]
    fn layers_of_no_image_are_forgotten() {
        let (_dir, store) = store();
        let diff_id = Digest::of(b"a");
        store.keep_layer(&diff_id, &entries()).unwrap();
        fs::write(store.side("layers").join(".new-cut"), "").unwrap();
        store.forget_layers().unwrap();
        assert!(list(&store.side("layers")).unwrap().is_empty());
    }
}
