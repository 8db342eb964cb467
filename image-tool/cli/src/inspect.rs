//! `orlop-image inspect`: what is in a layout directory.

use crate::failure::Failure;
use clap::Args;
use orlop_image::{LayoutImage, images_of_layout};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Shows the images of an OCI image layout directory: manifest, layers, labels, sizes.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The layout directory
    #[arg(value_name = "DIR")]
    layout: PathBuf,
    /// Only the image of this tag
    #[arg(long)]
    tag: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What an inspection cannot do.
#[derive(Debug, thiserror::Error)]
enum InspectError {
    #[error("cannot find the tag {tag:?} in {}; it has {tags}", .dir.display())]
    NoTag {
        tag: String,
        dir: PathBuf,
        tags: String,
    },
    #[error("cannot write the answer as JSON")]
    Json(#[from] serde_json::Error),
}

/// Reads manifests and configs, checks their digests, and prints what they say.
pub(crate) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let all = images_of_layout(&args.layout)?;
    let images: Vec<_> = all
        .iter()
        .filter(|image| args.tag.is_none() || image.tag == args.tag)
        .collect();
    if let (Some(tag), []) = (&args.tag, images.as_slice()) {
        let tags: Vec<_> = all
            .iter()
            .filter_map(|image| image.tag.as_deref())
            .collect();
        let error = InspectError::NoTag {
            tag: tag.clone(),
            dir: args.layout.clone(),
            tags: if tags.is_empty() {
                "none".to_owned()
            } else {
                tags.join(", ")
            },
        };
        return Err(error.into());
    }
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&images).map_err(InspectError::Json)?
        );
    } else {
        for image in images {
            print!("{}", text(image));
        }
    }
    Ok(())
}

fn text(image: &LayoutImage) -> String {
    let mut text = String::new();
    let tag = image.tag.as_deref().unwrap_or("(no tag)");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{tag}");
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "  {key:<10}{value}");
    };
    line("manifest", image.manifest.as_str());
    line("config", image.config.as_str());
    if let Some(platform) = &image.platform {
        line("platform", platform);
    }
    if let Some(created) = &image.created {
        line("created", created);
    }
    line("size", &mib(image.size_bytes));
    for layer in &image.layers {
        let what = if layer.uki { "  (UKI)" } else { "" };
        line(
            "layer",
            &format!("{}  {}{what}", layer.digest, mib(layer.size_bytes)),
        );
    }
    for (key, value) in &image.labels {
        line("label", &format!("{key}={value}"));
    }
    text
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
