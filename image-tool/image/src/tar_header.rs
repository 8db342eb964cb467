//! One header of a tar, its PAX records applied.

use crate::layer_error::LayerError;
use crate::limits::{MAX_SPARSE_PIECES, MAX_XATTR_BYTES};
use std::collections::BTreeMap;

/// What a tar entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// Character device, as `makedev` packs it.
    Character(u64),
    /// Block device, as `makedev` packs it.
    Block(u64),
    Fifo,
}

/// An entry of a tar without its data.
#[derive(Clone, Debug)]
pub(crate) struct TarEntry {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: EntryKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime_sec: i64,
    pub(crate) mtime_nsec: u32,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Bytes of the file, holes included.
    pub(crate) size: u64,
}

/// What PAX headers and GNU long names say about the next entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<(i64, u32)>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) sparse: SparsePax,
}

/// PAX records of sparse files (GNU tar manual, "Storing Sparse Files"). Format 1.0 has its map before
/// the data, 0.1 in one record, 0.0 in a pair of records for each piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct SparsePax {
    pub(crate) major: Option<u64>,
    pub(crate) real_size: Option<u64>,
    /// The map of format 0.x.
    pub(crate) map: Option<SparseMap>,
    /// The offset of a piece whose length is yet to come.
    offset: Option<u64>,
}

/// Symbolic links can have no other mode.
const SYMLINK_MODE: u32 = 0o777;
const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

impl Overrides {
    /// Adds the records of a PAX header: `<length> <key>=<value>\n`, where the length counts the
    /// whole record and a value may hold any byte.
    pub(crate) fn add_pax(&mut self, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            let space = data
                .iter()
                .position(|b| *b == b' ')
                .ok_or("a PAX record has no length")?;
            let length = decimal(&data[..space])
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| *n > space + 1 && *n <= data.len() && data[*n - 1] == b'\n')
                .ok_or("a PAX record has a wrong length")?;
            let record = &data[space + 1..length - 1];
            let equals = record
                .iter()
                .position(|b| *b == b'=')
                .ok_or("a PAX record has no value")?;
            self.set(&record[..equals], &record[equals + 1..])?;
            data = &data[length..];
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let number = || {
            decimal(value).ok_or_else(|| {
                format!(
                    "the PAX record {} is no number",
                    String::from_utf8_lossy(key)
                )
            })
        };
        let id = || {
            number()?
                .try_into()
                .map_err(|_| "a user or group id is over 32 bits".to_owned())
        };
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number()?),
            b"uid" => self.uid = Some(id()?),
            b"gid" => self.gid = Some(id()?),
            b"mtime" => self.mtime = Some(time(value).ok_or("the PAX record mtime is no time")?),
            b"GNU.sparse.major" => self.sparse.major = Some(number()?),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.real_size = Some(number()?),
            b"GNU.sparse.name" => self.path = Some(value.to_vec()),
            b"GNU.sparse.map" => self.sparse.map = Some(sparse_map(value)?),
            b"GNU.sparse.offset" => self.sparse.offset = Some(number()?),
            b"GNU.sparse.numbytes" => self.sparse.add_piece(number()?)?,
            _ => {
                if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
                    self.add_xattr(name, value)?;
                }
            }
        }
        Ok(())
    }

    fn add_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        if name.is_empty() || name.len() > 255 || name.contains(&0) {
            return Err("an extended attribute has a wrong name".to_owned());
        }
        self.xattrs.insert(name.to_vec(), value.to_vec());
        let sum: usize = self.xattrs.iter().map(|(k, v)| k.len() + v.len()).sum();
        if sum > MAX_XATTR_BYTES {
            return Err(format!(
                "extended attributes are over {MAX_XATTR_BYTES} bytes"
            ));
        }
        Ok(())
    }

    /// The entry that `header` and these records make.
    pub(crate) fn entry(self, header: &tar::Header) -> Result<TarEntry, String> {
        let path = self
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = kind(header, &path)?;
        let id = |value: std::io::Result<u64>| {
            value
                .map_err(|e| e.to_string())?
                .try_into()
                .map_err(|_| "a user or group id is over 32 bits".to_owned())
        };
        let (mtime_sec, mtime_nsec) = match self.mtime {
            Some(mtime) => mtime,
            // GNU's binary numbers have a sign; what is before 1970 counts as 1970, as in PAX.
            None => {
                let sec = header.mtime().map_err(|e| e.to_string())?;
                (i64::try_from(sec).unwrap_or(0), 0)
            }
        };
        Ok(TarEntry {
            link: self
                .link
                .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
                .unwrap_or_default(),
            mode: match kind {
                // As Linux has it, whatever the tar says.
                EntryKind::Symlink => SYMLINK_MODE,
                _ => header.mode().map_err(|e| e.to_string())? & 0o7777,
            },
            kind,
            uid: self.uid.map_or_else(|| id(header.uid()), Ok)?,
            gid: self.gid.map_or_else(|| id(header.gid()), Ok)?,
            mtime_sec,
            mtime_nsec,
            xattrs: self.xattrs,
            size: 0,
            path,
        })
    }
}

impl SparsePax {
    /// The length of the piece whose offset came last.
    fn add_piece(&mut self, length: u64) -> Result<(), String> {
        let offset = self.offset.take();
        let offset = offset.ok_or("a piece of a sparse file has no offset")?;
        let map = self.map.get_or_insert_default();
        if map.len() == MAX_SPARSE_PIECES {
            return Err("a sparse file has too many pieces".to_owned());
        }
        map.push((offset, length));
        Ok(())
    }
}

/// The map of PAX 0.1: `offset,length,offset,length`.
fn sparse_map(text: &[u8]) -> Result<SparseMap, String> {
    let mut numbers = text.split(|byte| *byte == b',').map(decimal);
    let mut map = SparseMap::new();
    while let Some(offset) = numbers.next() {
        let (Some(offset), Some(Some(length))) = (offset, numbers.next()) else {
            return Err("a sparse map is no list of pairs of numbers".to_owned());
        };
        if map.len() == MAX_SPARSE_PIECES {
            return Err("a sparse file has too many pieces".to_owned());
        }
        map.push((offset, length));
    }
    Ok(map)
}

/// The kind of an entry. A file whose name ends in `/` is a directory, as before ustar.
fn kind(header: &tar::Header, path: &[u8]) -> Result<EntryKind, String> {
    use tar::EntryType;
    Ok(match header.entry_type() {
        EntryType::Regular | EntryType::Continuous if path.ends_with(b"/") => EntryKind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => EntryKind::File,
        EntryType::Directory => EntryKind::Directory,
        EntryType::Symlink => EntryKind::Symlink,
        EntryType::Link => EntryKind::HardLink,
        EntryType::Fifo => EntryKind::Fifo,
        EntryType::Char => EntryKind::Character(device(header)?),
        EntryType::Block => EntryKind::Block(device(header)?),
        other => {
            return Err(format!(
                "entry type {:?} is unknown",
                other.as_byte() as char
            ));
        }
    })
}

/// Major numbers have 12 bits and minor numbers 20 on Linux and in EROFS.
fn device(header: &tar::Header) -> Result<u64, String> {
    let major = header
        .device_major()
        .map_err(|e| e.to_string())?
        .unwrap_or(0);
    let minor = header
        .device_minor()
        .map_err(|e| e.to_string())?
        .unwrap_or(0);
    if major >= 1 << 12 || minor >= 1 << 20 {
        return Err(format!("device {major}:{minor} is out of range"));
    }
    Ok(rustix::fs::makedev(major, minor))
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `1700000000.25` as seconds and nanoseconds. What is before 1970 counts as 1970, for EROFS.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (sec, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if let Some(sec) = sec.strip_prefix('-') {
        return sec.bytes().all(|b| b.is_ascii_digit()).then_some((0, 0));
    }
    let sec: i64 = sec.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    Some((sec, digits.parse().ok()?))
}

/// Where the data of a sparse file lies: (offset, length), in order, without overlap.
pub(crate) type SparseMap = Vec<(u64, u64)>;

/// Checks a sparse map against the file's size and the bytes that are stored for it.
pub(crate) fn check_sparse(map: &SparseMap, size: u64, stored: u64) -> Result<(), String> {
    let mut end = 0;
    let mut sum = 0u64;
    for (offset, length) in map {
        let next = offset.checked_add(*length).filter(|_| *offset >= end);
        end = next
            .filter(|n| *n <= size)
            .ok_or("a sparse map is out of order")?;
        sum += length;
    }
    if sum != stored || map.len() > MAX_SPARSE_PIECES {
        return Err("a sparse map does not fit its data".to_owned());
    }
    Ok(())
}

/// Adds the pieces of a GNU sparse header to `map`.
pub(crate) fn add_gnu_pieces(
    map: &mut SparseMap,
    pieces: &[tar::GnuSparseHeader],
) -> Result<(), LayerError> {
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let offset = piece.offset().map_err(LayerError::Read)?;
        let length = piece.length().map_err(LayerError::Read)?;
        map.push((offset, length));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_value_may_hold_newlines_and_zeros() {
        let mut overrides = Overrides::default();
        let value = b"a\nb\0c";
        let body = [b"SCHILY.xattr.user.x=".as_slice(), value, b"\n"].concat();
        let record = [format!("{} ", body.len() + 3).into_bytes(), body].concat();
        overrides.add_pax(&record).unwrap();
        assert_eq!(overrides.xattrs.get(b"user.x".as_slice()).unwrap(), value);
    }

    #[test]
    fn a_pax_record_that_lies_about_its_length_is_refused() {
        for record in [
            "8 path=a\n",
            "x path=a\n",
            "0 a=b\n",
            "3 a",
            "99999 path=a\n",
            "7 patha\n",
        ] {
            assert!(
                Overrides::default().add_pax(record.as_bytes()).is_err(),
                "{record}"
            );
        }
        assert!(Overrides::default().add_pax(b"10 path=a\n").is_ok());
    }

    #[test]
    fn times_have_fractions_and_never_lie_before_1970() {
        assert_eq!(time(b"12.5"), Some((12, 500_000_000)));
        assert_eq!(time(b"12"), Some((12, 0)));
        assert_eq!(time(b"-0.5"), Some((0, 0)));
        assert_eq!(time(b"-99999999999999999999"), Some((0, 0)));
        for text in ["1.x", "x", "-x", "99999999999999999999"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_sparse_map_that_overlaps_or_leaves_the_file_is_refused() {
        assert!(check_sparse(&vec![(0, 4), (8, 4)], 12, 8).is_ok());
        for (map, size, stored) in [
            (vec![(0, 4), (2, 4)], 12, 8),
            (vec![(8, 8)], 12, 8),
            (vec![(0, 4)], 12, 8),
            (vec![(u64::MAX, 2)], 12, 2),
        ] {
            assert!(check_sparse(&map, size, stored).is_err());
        }
    }

    #[test]
    fn a_sparse_map_of_pax_0_that_is_no_pairs_or_has_too_many_is_refused() {
        assert_eq!(sparse_map(b"1,2,30,4").unwrap(), [(1, 2), (30, 4)]);
        for text in ["", "1", "1,2,3", "1,x", "1,-2", "99999999999999999999,1"] {
            assert!(sparse_map(text.as_bytes()).is_err(), "{text}");
        }
        let many = "0,0,".repeat(MAX_SPARSE_PIECES) + "0,0";
        assert!(sparse_map(many.as_bytes()).is_err());
        let mut sparse = SparsePax::default();
        assert!(sparse.add_piece(1).is_err(), "without offset");
        for _ in 0..MAX_SPARSE_PIECES {
            sparse.offset = Some(0);
            sparse.add_piece(0).unwrap();
        }
        sparse.offset = Some(0);
        assert!(sparse.add_piece(0).is_err());
    }
}
