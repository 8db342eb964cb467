//! Checking every digest in a layout directory.

use crate::blob_reader::{read_blob, unpacked_limit};
use crate::cancel_flag::CancelFlag;
use crate::layer_error::LayerError;
use crate::layout::Layout;
use crate::layout_images::{LayoutImage, images_of_layout};
use crate::pull_error::PullError;
use std::fs::File;
use std::io;
use std::path::Path;

/// What a check of a layout went through.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LayoutReport {
    /// Images found right.
    pub images: u64,
    /// Layer blobs read.
    pub layers: u64,
    /// Bytes of layer blobs read.
    pub bytes: u64,
}

/// Reads every manifest, config and layer of the layout in `dir`, and checks digest, diff_id and
/// size of each. Stops at the first that is wrong. Blocking.
pub fn verify_layout(dir: &Path) -> Result<LayoutReport, PullError> {
    let mut report = LayoutReport::default();
    for image in images_of_layout(dir)? {
        let name = match &image.tag {
            Some(tag) => format!("oci:{}:{tag}", dir.display()),
            None => format!("oci:{}", dir.display()),
        };
        let layout = Layout::new(dir, &name);
        for number in 0..image.layers.len() {
            verify_layer(&layout, &name, &image, number, &mut report)?;
        }
        report.images += 1;
    }
    Ok(report)
}

fn verify_layer(
    layout: &Layout,
    name: &str,
    image: &LayoutImage,
    number: usize,
    report: &mut LayoutReport,
) -> Result<(), PullError> {
    let layer = &image.layers[number];
    let what = format!("layer {} of {}", number + 1, image.layers.len());
    let path = layout.blob(&what, &layer.digest)?;
    let io = |source| PullError::Io {
        verb: "read",
        path: path.clone(),
        source,
    };
    let file = File::open(&path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let (limit, never) = (unpacked_limit(size), CancelFlag::default());
    let (read, digests) = read_blob(file, limit, &never, &|_| {}, |tar| {
        io::copy(tar, &mut io::sink()).map_err(LayerError::Read)
    });
    let digests = digests.map_err(io)?;
    let wrong = |which: &str, expected: String, got: String| PullError::DigestMismatch {
        what: format!("{what} ({which})"),
        image: name.to_owned(),
        expected,
        got,
    };
    if digests.blob != layer.digest {
        return Err(wrong(
            "blob",
            layer.digest.to_string(),
            digests.blob.to_string(),
        ));
    }
    if size != layer.size_bytes {
        return Err(wrong(
            "size",
            format!("{} bytes", layer.size_bytes),
            format!("{size} bytes"),
        ));
    }
    read.map_err(|source| PullError::Layer {
        what: what.clone(),
        image: name.to_owned(),
        source,
    })?;
    match digests.diff_id {
        Some(got) if got == layer.diff_id => {}
        got => {
            let got = got.map_or_else(|| "nothing".to_owned(), String::from);
            return Err(wrong("diff_id", layer.diff_id.to_string(), got));
        }
    }
    report.layers += 1;
    report.bytes += size;
    Ok(())
}
