//! `orlop-image build`: an OS image out of a recipe.

mod base;
mod initrd;
mod layer;
mod libraries;
mod oci;
mod os_release;
mod overlay;
mod packages;
mod recipe;
mod select;
mod tree;

use crate::failure::Failure;
use clap::Args;
use initrd::Kernel;
use layer::{Layer, LayerOptions};
use oci::Image;
use orlop_config::{Digest, RootDigest};
use orlop_image::uki::{self, UkiParts};
use recipe::Recipe;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tree::{Content, Node, Tree};

/// Programs of ours that go into the image, and where to.
const PROGRAMS: [(&str, &str); 3] = [
    ("orlopd", "usr/bin/orlopd"),
    ("orlop", "usr/bin/orlop"),
    ("orlop-terminal", "usr/lib/orlop/orlop-terminal"),
];

/// The initrd's PID 1.
const INITRD_PROGRAM: &str = "orlop-initrd";

/// The stub that makes a kernel an EFI program, in the packages.
const STUB: &str = "usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// The only file of an image's second layer.
const UKI_FILE: &str = "orlop.efi";

/// Builds an OS image: packages, stripped, with the agent; kernel and initrd as a UKI.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The recipe; its overlay is the directory `rootfs` beside it
    #[arg(long, value_name = "FILE", default_value = "buildroot/os.toml")]
    os: PathBuf,
    /// Version of the image: letters, digits, `.`, `_` and `-`
    #[arg(long, value_parser = version)]
    version: String,
    /// Directory with the built programs orlopd, orlop, orlop-terminal and orlop-initrd; may be given several times
    #[arg(long, value_name = "DIR", default_values = ["target/release", "target/static/x86_64-unknown-linux-gnu/release"])]
    bin: Vec<PathBuf>,
    /// A word for the kernel's command line, after those of the recipe; may be given several times
    #[arg(long = "kernel-arg", value_name = "ARG", allow_hyphen_values = true)]
    kernel_args: Vec<String>,
    /// Where the unpacked packages are kept between builds
    #[arg(long, value_name = "DIR", default_value = "build/cache")]
    base_cache: PathBuf,
    /// OCI image layout directory to add the image to
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Name of the image in the layout [default: the version]
    #[arg(long)]
    tag: Option<String>,
    /// Install the packages again, though they are in the cache
    #[arg(long)]
    fresh: bool,
}

/// What a build cannot do.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error("cannot find the program {name} in {dirs}")]
    NoProgram { name: &'static str, dirs: String },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read SOURCE_DATE_EPOCH: {value:?} is no number of seconds since 1970")]
    Epoch { value: String },
}

fn version(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 64 letters, digits, `.`, `_` or `-`".to_owned())
    }
}

/// Builds the image, and says on stdout what it is, as JSON.
pub(crate) fn run(args: &BuildArgs) -> Result<(), Failure> {
    let recipe = Recipe::read(&args.os)?;
    let overlay = args.os.with_file_name("rootfs");
    let init = Content::File(program(&args.bin, INITRD_PROGRAM)?).read()?;
    let base = base::read(&base_tar(args, &recipe, &overlay)?)?;
    let kernel = Kernel::find(&base)?;
    let os_release = os_release::text(&recipe.image, &args.version);
    let tree = root_tree(args, &recipe, &overlay, &base, &kernel, &os_release)?;

    let options = LayerOptions {
        epoch: epoch(&recipe)?,
        level: recipe.image.zstd_level,
    };
    fs::create_dir_all(&args.output).map_err(|source| BuildError::Write {
        path: args.output.clone(),
        source,
    })?;
    let root_layer = layer::write(&tree, &args.output.join("root.layer.new"), options)?;
    let root = orlop_image::root_digest_of_layer(&root_layer.path)?;

    let cmdline = cmdline(&recipe, args, &root);
    let initrd = kernel.initrd(&recipe.initrd, &init)?;
    let efi = uki::assemble(&UkiParts {
        stub: &base.read(STUB)?,
        kernel: &kernel.image,
        initrd: &initrd,
        cmdline: &cmdline,
        os_release: &os_release,
        uname: &kernel.release,
    })?;
    let boot = uki::boot_digest(&kernel.image, &initrd, &cmdline);
    let uki_layer = write_uki_layer(efi, &args.output, options)?;
    let built = Built {
        version: &args.version,
        root,
        boot,
        root_layer,
        uki_layer,
    };
    built.finish(
        args.tag.as_deref().unwrap_or(&args.version),
        &args.output,
        options.epoch,
    )
}

fn base_tar(args: &BuildArgs, recipe: &Recipe, overlay: &Path) -> Result<PathBuf, Failure> {
    let sysusers = overlay.join("usr/lib/sysusers.d");
    let wanted = base::Wanted {
        base: &recipe.base,
        sysusers: &sysusers,
    };
    base::obtain(wanted, &args.base_cache, args.fresh).map_err(|error| {
        let hint = error.hint();
        Failure::with_hint(error, hint)
    })
}

fn root_tree(
    args: &BuildArgs,
    recipe: &Recipe,
    overlay: &Path,
    base: &Tree,
    kernel: &Kernel<'_>,
    os_release: &str,
) -> Result<Tree, Failure> {
    let mut tree = Tree::default();
    // What is there first stays: the overlay and the programs go before the packages.
    overlay::lay_over(overlay, &mut tree)?;
    for (name, path) in PROGRAMS {
        tree.insert(
            path,
            Node::file(Content::File(program(&args.bin, name)?), 0o755),
        );
    }
    for (path, source) in &recipe.sources {
        let source = args.os.parent().unwrap_or(Path::new("")).join(source);
        tree.insert(path, Node::file(Content::File(source), 0o644));
    }
    select::select(base, &recipe.files, &mut tree)?;
    kernel.copy_modules(&recipe.kernel, &mut tree)?;
    kernel.index_modules(&mut tree).map_err(|error| {
        let hint = error.hint();
        Failure::with_hint(error, hint)
    })?;
    tree.insert(
        "usr/lib/os-release",
        Node::file(Content::Bytes(os_release.into()), 0o644),
    );
    let packages = orlop_image::encode_packages(&packages::list(base, &tree)?);
    tree.insert(
        orlop_image::PACKAGES_FILE,
        Node::file(Content::Bytes(packages.into()), 0o644),
    );
    for (path, target) in &recipe.links {
        tree.insert(path, Node::link(target));
    }
    // A running node has a fresh /etc at each boot, filled from here.
    tree.rename("etc", "usr/share/factory/etc");
    for (path, mode) in recipe.directories()? {
        tree.insert(path, Node::dir(mode));
    }
    Ok(tree)
}

fn program(dirs: &[PathBuf], name: &'static str) -> Result<PathBuf, Failure> {
    let found = dirs
        .iter()
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| {
        let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
        let error = BuildError::NoProgram {
            name,
            dirs: dirs.join(", "),
        };
        Failure::with_hint(
            error,
            Some("build the programs first: make build".to_owned()),
        )
    })
}

fn epoch(recipe: &Recipe) -> Result<u64, BuildError> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(value) => value.parse().map_err(|_parse| BuildError::Epoch { value }),
        Err(_unset) => Ok(recipe.image.epoch),
    }
}

fn cmdline(recipe: &Recipe, args: &BuildArgs, root: &RootDigest) -> String {
    let words = recipe
        .kernel
        .args
        .iter()
        .chain(&args.kernel_args)
        .map(String::as_str);
    let words: Vec<&str> = words.collect();
    format!("{} orlop.root={root}", words.join(" "))
}

fn write_uki_layer(efi: Vec<u8>, dir: &Path, options: LayerOptions) -> Result<Layer, Failure> {
    let mut tree = Tree::default();
    tree.insert(UKI_FILE, Node::file(Content::Bytes(efi), 0o644));
    Ok(layer::write(&tree, &dir.join("uki.layer.new"), options)?)
}

/// An image whose parts are ready.
struct Built<'a> {
    version: &'a str,
    root: RootDigest,
    boot: Digest,
    root_layer: Layer,
    uki_layer: Layer,
}

impl Built<'_> {
    fn finish(self, tag: &str, output: &Path, epoch: u64) -> Result<(), Failure> {
        let bytes = |size: fn(&Layer) -> u64| size(&self.root_layer) + size(&self.uki_layer);
        let (compressed, uncompressed) = (bytes(|layer| layer.size), bytes(|layer| layer.tar_size));
        let created = jiff::Timestamp::from_second(i64::try_from(epoch)?)?;
        let labels = HashMap::from([
            ("io.orlop.os.version".to_owned(), self.version.to_owned()),
            ("io.orlop.os.root".to_owned(), self.root.to_string()),
            ("io.orlop.os.boot".to_owned(), self.boot.to_string()),
        ]);
        let uki = HashMap::from([("io.orlop.layer".to_owned(), "uki".to_owned())]);
        let image = Image {
            tag,
            layers: vec![(self.root_layer, HashMap::new()), (self.uki_layer, uki)],
            labels,
            created: created.to_string(),
        };
        let manifest = oci::write(image, output)?;
        let summary = serde_json::json!({
            "layout": output,
            "tag": tag,
            "manifest": manifest,
            "version": self.version,
            "root": self.root,
            "boot": self.boot,
            "compressed_bytes": compressed,
            "uncompressed_bytes": uncompressed,
        });
        println!("{summary:#}");
        Ok(())
    }
}
