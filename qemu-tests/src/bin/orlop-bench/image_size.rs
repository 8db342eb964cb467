//! How large the OS image is, and what of it is what.

use crate::Outcome;
use crate::groups::group_of;
use crate::table::Table;
use orlop_image::uki::read_section;
use orlop_image::{LayoutLayer, images_of_layout};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of a megabyte, as downloads are counted.
const MB: f64 = 1e6;
/// The level that the image's layers are compressed with (buildroot/os.toml), so that the parts
/// compare with the whole.
const ZSTD_LEVEL: i32 = 15;
/// The UKI's sections that weigh something, and what they are.
const SECTIONS: [(&str, &str); 2] = [
    (".linux", "kernel (in the UKI)"),
    (".initrd", "initrd (in the UKI)"),
];

/// The OS image, measured.
#[derive(Debug)]
pub(crate) struct ImageSize {
    /// Bytes of a whole download.
    pub(crate) compressed_bytes: u64,
    root_bytes: u64,
    uki_bytes: u64,
    /// By group.
    parts: BTreeMap<&'static str, Part>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    bytes: u64,
    compressed_bytes: u64,
}

/// Measures the image `tag` of a layout.
pub(crate) fn measure(layout: &Path, tag: &str) -> Outcome<ImageSize> {
    let images = images_of_layout(layout)?;
    let image = images
        .into_iter()
        .find(|image| image.tag.as_deref() == Some(tag))
        .ok_or_else(|| {
            format!(
                "{} has no image {tag}; `make images` builds it",
                layout.display()
            )
        })?;
    let of_kind = |uki: bool| -> u64 {
        let of_kind = image.layers.iter().filter(|layer| layer.uki == uki);
        of_kind.map(|layer| layer.size_bytes).sum()
    };
    let mut contents: BTreeMap<&'static str, Vec<u8>> = BTreeMap::new();
    for layer in &image.layers {
        read_layer(layout, layer, &mut contents)?;
    }
    let mut parts = BTreeMap::new();
    for (name, content) in contents {
        let compressed = zstd::bulk::compress(&content, ZSTD_LEVEL)?;
        let part = Part {
            bytes: content.len() as u64,
            compressed_bytes: compressed.len() as u64,
        };
        parts.insert(name, part);
    }
    Ok(ImageSize {
        compressed_bytes: image.size_bytes,
        root_bytes: of_kind(false),
        uki_bytes: of_kind(true),
        parts,
    })
}

fn read_layer(
    layout: &Path,
    layer: &LayoutLayer,
    contents: &mut BTreeMap<&'static str, Vec<u8>>,
) -> Outcome<()> {
    let blob = layout.join("blobs/sha256").join(layer.digest.hex());
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(blob)?)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if layer.uki {
            for (section, name) in SECTIONS {
                contents.insert(name, read_section(&content, section)?.to_vec());
            }
        } else {
            contents.entry(group_of(&path)).or_default().extend(content);
        }
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MB)
}

impl ImageSize {
    /// What a node downloads, and what the image's files hold.
    pub(crate) fn total(&self) -> Table {
        let files: u64 = self.parts.values().map(|part| part.bytes).sum();
        let mut table = Table::new(&["OS image, x86-64", "MB"]);
        let rows = [
            (
                "**whole image, compressed, kernel included**",
                self.compressed_bytes,
            ),
            ("layer 1: root file system, compressed", self.root_bytes),
            ("layer 2: UKI (kernel, initrd), compressed", self.uki_bytes),
            ("content of all files, uncompressed", files),
        ];
        for (what, bytes) in rows {
            table.measured(what, &[megabytes(bytes)]);
        }
        table
    }

    /// What takes the space, largest first.
    pub(crate) fn by_part(&self) -> Table {
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort_by_key(|(_, part)| std::cmp::Reverse(part.compressed_bytes));
        let mut table = Table::new(&["part", "MB of content", "MB compressed by itself"]);
        for (name, part) in parts {
            let cells = [megabytes(part.bytes), megabytes(part.compressed_bytes)];
            table.measured(name, &cells);
        }
        table
    }
}
