//! The content store of a cut disk: which images are whole.

use crate::ext4::{Ext4, Ext4Error, Inode, Kind};
use crate::verity::Tree;
use orlop_config::{Digest, RootDigest};
use orlop_image::{ImageRecord, RECORD_FORMAT, objects_in};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The store, from the root of the state partition.
const STORE: &str = "store";
/// The largest object, and the largest UKI, that is read.
const MAX_OBJECT: u64 = 512 << 20;
/// The largest record.
const MAX_RECORD: u64 = 4 << 20;

/// What was found of files before, by their identity: the digest of their data, or what is wrong.
#[derive(Debug, Default)]
pub(crate) struct StoreCache {
    /// fs-verity digests, with whether the kernel's own hashes were asked for.
    objects: HashMap<(u64, bool), Result<String, String>>,
    /// Plain digests.
    files: HashMap<u64, Digest>,
    /// The objects of images, by the digest of their metadata.
    images: HashMap<String, Arc<BTreeSet<String>>>,
}

/// The store of a file system.
pub(crate) struct StoreView<'a> {
    volume: &'a Ext4<'a>,
    cache: &'a mut StoreCache,
    objects: BTreeMap<String, BTreeMap<String, u32>>,
    /// Whether the next boot seals every object; none has to be sealed until then.
    unsealed: bool,
}

impl<'a> StoreView<'a> {
    /// Opens it.
    pub(crate) fn open(volume: &'a Ext4<'a>, cache: &'a mut StoreCache) -> Result<Self, Ext4Error> {
        let mut objects = BTreeMap::new();
        for (name, number) in volume.folder(&format!("{STORE}/objects"))? {
            let folder = volume.inode(number)?;
            if folder.kind == Kind::Folder {
                objects.insert(name, volume.names(&folder)?);
            }
        }
        Ok(Self {
            unsealed: volume.find(&format!("{STORE}/unsealed"))?.is_some(),
            volume,
            cache,
            objects,
        })
    }

    /// Whether an image can be mounted and every file of it read; what is missing else.
    pub(crate) fn image(&mut self, root: &RootDigest) -> Result<(), String> {
        self.object(root.as_str())?;
        for object in self.objects_of(root)?.iter() {
            self.object(object)
                .map_err(|why| format!("image {}: {why}", root.short()))?;
        }
        Ok(())
    }

    /// Whether the record of an image says that this is its root, and the image is whole; for an OS
    /// image also its UKI.
    pub(crate) fn recorded(
        &mut self,
        manifest: &Digest,
        root: &RootDigest,
        uki: Option<&Digest>,
    ) -> Result<(), String> {
        let path = format!("{STORE}/orlop/records/{}.json", manifest.hex());
        let text = self
            .volume
            .file(&path, MAX_RECORD)
            .map_err(|error| error.to_string())?;
        let text = text.ok_or_else(|| format!("there is no record {path}"))?;
        let record: ImageRecord =
            serde_json::from_slice(&text).map_err(|error| format!("{path}: {error}"))?;
        if record.format != RECORD_FORMAT || record.root != *root {
            return Err(format!("{path} is of another image"));
        }
        if let Some(known) = uki {
            let path = format!("{STORE}/orlop/uki/{root}.efi");
            if self.digest(&path)? != *known {
                return Err(format!("{path} is not whole"));
            }
        }
        let link = format!("{STORE}/images/{root}");
        match self.volume.find(&link).map_err(|error| error.to_string())? {
            Some(inode) if inode.kind == Kind::Link => {}
            _ => return Err(format!("there is no link {link}")),
        }
        self.image(root)
    }

    /// The digest of a file's data.
    pub(crate) fn digest(&mut self, path: &str) -> Result<Digest, String> {
        let told = |error: Ext4Error| format!("{path}: {error}");
        let inode = self.volume.find(path).map_err(told)?;
        let inode = inode.filter(|inode| inode.kind == Kind::File);
        let inode = inode.ok_or_else(|| format!("there is no file {path}"))?;
        let key = self.volume.identity(&inode).map_err(told)?;
        if let Some(known) = self.cache.files.get(&key) {
            return Ok(known.clone());
        }
        let digest = Digest::of(&self.volume.content(&inode, MAX_OBJECT).map_err(told)?);
        self.cache.files.insert(key, digest.clone());
        Ok(digest)
    }

    fn objects_of(&mut self, root: &RootDigest) -> Result<Arc<BTreeSet<String>>, String> {
        if let Some(known) = self.cache.images.get(root.as_str()) {
            return Ok(Arc::clone(known));
        }
        let inode = self.inode(root.as_str())?;
        let told = |error: Ext4Error| error.to_string();
        let metadata = self.volume.content(&inode, MAX_OBJECT).map_err(told)?;
        let objects = objects_in(&metadata)?
            .into_iter()
            .map(|(_, object)| object.to_string());
        let objects = Arc::new(objects.collect::<BTreeSet<_>>());
        self.cache
            .images
            .insert(root.to_string(), Arc::clone(&objects));
        Ok(objects)
    }

    fn inode(&self, name: &str) -> Result<Inode, String> {
        let (folder, rest) = name.split_at(2);
        let number = self.objects.get(folder).and_then(|names| names.get(rest));
        let number = number.ok_or_else(|| format!("object {name} is not there"))?;
        self.volume
            .inode(*number)
            .map_err(|error| format!("object {name}: {error}"))
    }

    /// Whether an object is what its name says, and the kernel sees it so too.
    fn object(&mut self, name: &str) -> Result<(), String> {
        let inode = self.inode(name)?;
        let sealed = inode.has_verity();
        if !sealed && !self.unsealed {
            return Err(format!("object {name} is not sealed"));
        }
        let told = |error: Ext4Error| format!("object {name}: {error}");
        let key = (self.volume.identity(&inode).map_err(told)?, sealed);
        let found = match self.cache.objects.get(&key) {
            Some(known) => known.clone(),
            None => {
                let found = self.measure(&inode).map_err(|error| error.to_string());
                self.cache.objects.insert(key, found.clone());
                found
            }
        };
        match found {
            Ok(digest) if digest == name => Ok(()),
            Ok(_) => Err(format!("object {name} is not whole")),
            Err(why) => Err(format!("object {name}: {why}")),
        }
    }

    fn measure(&self, inode: &Inode) -> Result<String, Ext4Error> {
        let tree = Tree::of(&self.volume.content(inode, MAX_OBJECT)?);
        if inode.has_verity() {
            tree.is_stored(self.volume, inode)?;
        }
        Ok(tree.digest)
    }
}
