//! Orlop next to podman and containerd, by turns, in one node: same kernel, systemd, cgroup2, crun, file system and registry.
//!
//! The peers are Debian's packages of the suite that the OS image is made of, in a folder of the node's state partition. A
//! systemd service with that folder as its root runs this program, which runs them: see [`inside`].

mod containerd;
mod engine;
mod inside;
mod orlop;
mod podman;
mod processes;
mod records;

pub(crate) use inside::run;
pub(crate) use records::Records;

use crate::Outcome;
use crate::node::Node;
use crate::rig::Rig;
use orlop_machines::layout::{ImageCommand, ImageFile, LayoutWriter};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The node's number among those of the bench, which are counted from 0.
const NUMBER: u32 = 100;
/// Where the peers are, in the node.
const ROOT: &str = "/state/peers";
/// This program, in [`ROOT`].
const PROGRAM: &str = "/usr/bin/orlop-bench";
/// So many large images are pulled. None is pulled twice: for minutes after many files were removed, ext4 takes long to find
/// a number for each new one (`recently_deleted` in its ialloc.c), and that is no part of a pull.
const PULLS: u64 = 3;
/// Layers of each.
const LAYERS: u64 = 4;
/// Files of each of its layers, with so many bytes each: 500 MB that gzip makes 250 MB of.
const FILES: u64 = 1000;
const FILE_BYTES: usize = 125_000;
/// Half of each block is noise, the other half zeros.
const BLOCK: usize = 4096;
/// xorshift64* (Vigna 2016) begins here and multiplies by this.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u64 = 0x2545_f491_4f6c_dd1d;

/// Options of the part that runs in a node.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The small image.
    #[arg(long)]
    app: String,
    /// The images to pull.
    #[arg(long)]
    large: Vec<String>,
    /// The node's TOML without containers.
    #[arg(long)]
    config: PathBuf,
    /// The node's address.
    #[arg(long)]
    address: std::net::Ipv4Addr,
}

/// Measures all of them; `root` is the folder with the peers' packages.
pub(crate) fn measure(rig: &Rig, root: &Path) -> Outcome<Records> {
    let layout = rig.scratch.path().join("large");
    let mut noise = SEED;
    let mut large = Vec::new();
    for number in 1..=PULLS {
        let repository = format!("bench/large-{number}");
        write_large(&layout, &mut noise)?;
        rig.registry.push(&layout, "1", &repository)?;
        fs::remove_dir_all(&layout)?;
        large.push(rig.image(&format!("{repository}:1")));
    }
    let (node, _) = Node::boot_with(rig, NUMBER, &rig.config_alone())?;
    node.wait_ready()?;
    node.wait_settled(None)?;
    let place = node.state().join("peers");
    copy(root, &place)?;
    fs::copy(
        std::env::current_exe()?,
        place.join(PROGRAM.trim_start_matches('/')),
    )?;
    fs::write(place.join("config.toml"), rig.config_alone())?;
    let properties = [
        &format!("RootDirectory={ROOT}"),
        "MountAPIVFS=yes",
        "Delegate=yes",
        "BindPaths=/sys/fs/cgroup /run/dbus /run/systemd /run/orlop",
        "BindReadOnlyPaths=/usr/bin/orlop",
        "Environment=HOME=/root PATH=/usr/sbin:/usr/bin",
    ];
    let mut command = vec!["systemd-run", "--quiet", "--wait", "--pipe"];
    for property in &properties {
        command.extend(["--property", property]);
    }
    let app = rig.image("bench/app:1");
    let address = node.address().to_string();
    command.extend([PROGRAM, "peers", "--config", "/config.toml"]);
    command.extend(["--app", &app, "--address", &address]);
    command.extend(large.iter().flat_map(|image| ["--large", image]));
    Records::read(&node.run(&command)?)
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    let mut command = Command::new("cp");
    command
        .arg("--archive")
        .arg(from)
        .arg(to)
        .stdin(Stdio::null());
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("{command:?} failed: {status}").into()),
    }
}

/// An image whose layers have 250 MB together, as they are sent.
fn write_large(dir: &Path, noise: &mut u64) -> Outcome<()> {
    let mut layers = Vec::new();
    for layer in 0..LAYERS {
        let file = |number| ImageFile {
            path: format!("layer-{layer}/file-{number}"),
            mode: 0o644,
            content: content(noise),
        };
        layers.push((0..FILES).map(file).collect::<Vec<_>>());
    }
    let mut layout = LayoutWriter::create(dir)?;
    layout.add_gzip("1", &layers, &ImageCommand::default())?;
    Ok(())
}

fn content(noise: &mut u64) -> Vec<u8> {
    let mut content = vec![0; FILE_BYTES];
    for block in content.chunks_mut(BLOCK) {
        for word in block.chunks_mut(16) {
            *noise ^= *noise >> 12;
            *noise ^= *noise << 25;
            *noise ^= *noise >> 27;
            let bytes = noise.wrapping_mul(FACTOR).to_le_bytes();
            let length = word.len().min(bytes.len());
            word[..length].copy_from_slice(&bytes[..length]);
        }
    }
    content
}
