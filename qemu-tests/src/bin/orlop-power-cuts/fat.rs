//! The FAT32 of the ESP, read as firmware reads it ("Microsoft FAT Specification").

use crate::disk::Disk;
use crate::fields::{le16, le32};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// Bytes of an entry of a folder.
const ENTRY: usize = 32;
/// A cluster number from here on ends a chain.
const END: u32 = 0x0fff_fff8;
/// The bits of an entry of the table that count.
const MASK: u32 = 0x0fff_ffff;
/// Folders within folders that are followed.
const MAX_DEPTH: usize = 8;
/// Files that are read at all.
const MAX_FILES: usize = 4096;

/// The ESP cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("FAT: {0}")]
pub(crate) struct FatError(pub(crate) String);

/// A file: its size, and the clusters that its chain has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FatFile {
    pub(crate) size: u64,
    pub(crate) clusters: Vec<u32>,
    /// Why its data cannot be read to its end, if so.
    pub(crate) broken: Option<String>,
}

/// The file system.
#[derive(Debug)]
pub(crate) struct Fat {
    table: Vec<u8>,
    data_at: u64,
    cluster_bytes: usize,
    count: u32,
    /// By path from the root, without a first `/`, the long names as they are.
    pub(crate) files: BTreeMap<String, FatFile>,
}

struct Named {
    name: String,
    folder: bool,
    cluster: u32,
    size: u64,
}

impl Fat {
    /// Reads the table and all folders of a partition.
    pub(crate) fn read(disk: &Disk, partition: &Range<u64>) -> Result<Self, FatError> {
        let mut boot = [0; 512];
        read(disk, partition.start, &mut boot)?;
        let sector = u64::from(le16(&boot, 11));
        let (per_cluster, tables) = (u64::from(boot[13]), u64::from(boot[16]));
        let (reserved, table) = (u64::from(le16(&boot, 14)), u64::from(le32(&boot, 36)));
        let sectors = u64::from(le32(&boot, 32));
        let data = reserved + tables * table;
        let plausible = boot[510..] == [0x55, 0xaa]
            && sector == 512
            && per_cluster.is_power_of_two()
            && (1..=2).contains(&tables)
            && data < sectors
            && sectors * sector <= partition.end - partition.start;
        if !plausible {
            return Err(FatError("there is no FAT32 boot sector".to_owned()));
        }
        let number = |count: u64| usize::try_from(count).map_err(|e| FatError(e.to_string()));
        let mut fat = Self {
            table: vec![0; number(table * sector)?],
            data_at: partition.start + data * sector,
            cluster_bytes: number(per_cluster * sector)?,
            count: u32::try_from((sectors - data) / per_cluster)
                .unwrap_or(MASK)
                .min(END),
            files: BTreeMap::new(),
        };
        read(disk, partition.start + reserved * sector, &mut fat.table)?;
        fat.walk(disk, le32(&boot, 44), "", 0)?;
        Ok(fat)
    }

    fn walk(&mut self, disk: &Disk, first: u32, path: &str, depth: usize) -> Result<(), FatError> {
        if depth > MAX_DEPTH || self.files.len() > MAX_FILES {
            return Err(FatError(format!("/{path} has too much in it")));
        }
        let clusters = self
            .chain(first)
            .map_err(|why| FatError(format!("the folder /{path} {why}")))?;
        let mut data = Vec::new();
        for cluster in clusters {
            data.extend(self.cluster(disk, cluster)?);
        }
        for named in entries(&data) {
            let inner = format!(
                "{path}{}{}",
                if path.is_empty() { "" } else { "/" },
                named.name
            );
            if named.folder {
                self.walk(disk, named.cluster, &inner, depth + 1)?;
                continue;
            }
            let needed = named.size.div_ceil(self.cluster_bytes as u64);
            let (clusters, broken) = match self.chain_of_file(&named) {
                Ok(clusters) if (clusters.len() as u64) < needed => {
                    let why = format!("has {} of {needed} clusters", clusters.len());
                    (clusters, Some(why))
                }
                Ok(clusters) => (clusters, None),
                Err(why) => (Vec::new(), Some(why)),
            };
            let size = named.size;
            self.files.insert(
                inner,
                FatFile {
                    size,
                    clusters,
                    broken,
                },
            );
        }
        Ok(())
    }

    fn chain_of_file(&self, named: &Named) -> Result<Vec<u32>, String> {
        match (named.size, named.cluster) {
            (0, 0) => Ok(Vec::new()),
            _ => self.chain(named.cluster),
        }
    }

    /// The clusters from this one on.
    fn chain(&self, first: u32) -> Result<Vec<u32>, String> {
        let mut clusters = Vec::new();
        let mut next = first;
        while next < END {
            if !(2..self.count + 2).contains(&next) {
                return Err(format!(
                    "has the chain {first}, which leads to cluster {next}"
                ));
            }
            if clusters.len() > self.count as usize {
                return Err(format!("has the chain {first}, which has no end"));
            }
            clusters.push(next);
            next = le32(&self.table, next as usize * 4) & MASK;
        }
        Ok(clusters)
    }

    fn cluster(&self, disk: &Disk, cluster: u32) -> Result<Vec<u8>, FatError> {
        let mut data = vec![0; self.cluster_bytes];
        let at = self.data_at + u64::from(cluster - 2) * self.cluster_bytes as u64;
        read(disk, at, &mut data)?;
        Ok(data)
    }

    /// A file's data.
    pub(crate) fn content(&self, disk: &Disk, file: &FatFile) -> Result<Vec<u8>, FatError> {
        if let Some(why) = &file.broken {
            return Err(FatError(format!("a file {why}")));
        }
        let mut data = Vec::new();
        for cluster in &file.clusters {
            data.extend(self.cluster(disk, *cluster)?);
        }
        data.truncate(usize::try_from(file.size).map_err(|error| FatError(error.to_string()))?);
        Ok(data)
    }

    /// Another file that has a cluster of this one: removing that would free it.
    pub(crate) fn shared_with(&self, path: &str) -> Option<&str> {
        let own: HashSet<u32> = self.files.get(path)?.clusters.iter().copied().collect();
        let others = self.files.iter().filter(|(other, _)| *other != path);
        others
            .filter(|(_, file)| file.clusters.iter().any(|cluster| own.contains(cluster)))
            .map(|(other, _)| other.as_str())
            .next()
    }
}

fn read(disk: &Disk, at: u64, buffer: &mut [u8]) -> Result<(), FatError> {
    disk.read(at, buffer)
        .map_err(|error| FatError(format!("cannot read: {error}")))
}

/// The entries of a folder's data, without `.`, `..` and the volume's name.
fn entries(data: &[u8]) -> Vec<Named> {
    let mut found = Vec::new();
    // Pieces of a long name come before their entry, the last piece first.
    let mut long: Vec<(u8, Vec<u16>)> = Vec::new();
    for entry in data.chunks_exact(ENTRY) {
        match (entry[0], entry[11]) {
            (0, _) => break,
            (0xe5, _) => long.clear(),
            (order, attributes) if attributes & 0x3f == 0x0f => {
                if order & 0x40 != 0 {
                    long.clear();
                }
                let units = [1..11, 14..26, 28..32]
                    .map(|range| entry[range].to_vec())
                    .concat();
                long.push((
                    entry[13],
                    units.chunks(2).map(|pair| le16(pair, 0)).collect(),
                ));
            }
            (b'.', _) => long.clear(),
            (_, attributes) if attributes & 0x08 != 0 => long.clear(),
            (_, attributes) => {
                found.push(Named {
                    name: long_name(&long, entry).unwrap_or_else(|| short_name(entry)),
                    folder: attributes & 0x10 != 0,
                    cluster: u32::from(le16(entry, 20)) << 16 | u32::from(le16(entry, 26)),
                    size: u64::from(le32(entry, 28)),
                });
                long.clear();
            }
        }
    }
    found
}

/// The long name before an entry, if it is that entry's.
fn long_name(pieces: &[(u8, Vec<u16>)], entry: &[u8]) -> Option<String> {
    let sum = entry[..11]
        .iter()
        .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    if pieces.is_empty() || pieces.iter().any(|(of, _)| *of != sum) {
        return None;
    }
    let units = pieces
        .iter()
        .rev()
        .flat_map(|(_, units)| units.iter().copied());
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16(&units).ok()
}

fn short_name(entry: &[u8]) -> String {
    let part = |range: Range<usize>, lower: bool| {
        let text = String::from_utf8_lossy(&entry[range]).trim_end().to_owned();
        if lower {
            text.to_ascii_lowercase()
        } else {
            text
        }
    };
    // Bits that Windows NT and Linux use for names in lower case.
    let (stem, extension) = (
        part(0..8, entry[12] & 0x08 != 0),
        part(8..11, entry[12] & 0x10 != 0),
    );
    if extension.is_empty() {
        stem
    } else {
        format!("{stem}.{extension}")
    }
}
