//! What is recorded: a first boot, an update that is staged, applied and kept, and a roll back.

use crate::recording::{About, Phase, Recording};
use crate::{Options, Outcome};
use orlop_api::{GenerationStatus, Phase as NodePhase, Status};
use orlop_config::{Digest, RootDigest};
use orlop_image::{LayoutImage, images_of_layout, uki};
use orlop_machines::qemu::WRITES_FILE;
use orlop_machines::{ApiAccess, ImageServer, RemoteNode, RemoteNodeSpec, Scratch, make_disk};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tag of the OS image that the node boots first.
const FIRST: &str = "1";
/// Tag of the one that it is updated to.
const SECOND: &str = "2";
/// Port of the container on the node.
pub(crate) const APP_PORT: u16 = 8080;
/// For a boot, emulated, on a host with all its processors busy.
pub(crate) const BOOT: Duration = Duration::from_secs(900);
/// The longest a command may wait for its switch, in seconds.
const SWITCH_TIMEOUT: &str = "1800";
/// The keys of the node's API, in the recording's folder: cut disks are booted with them.
const PKI: &str = "pki";
/// The largest UKI that is read.
const MAX_UKI_BYTES: u64 = 512 << 20;

/// The folder with the programs that were built with this one.
pub(crate) fn tools() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own
        .parent()
        .ok_or("this program is in no folder")?
        .to_owned())
}

/// The keys of a recording's node.
pub(crate) fn access(dir: &Path) -> ApiAccess {
    ApiAccess::in_dir(&dir.join(PKI))
}

/// Records it into the folder, in place of what is there. Takes three boots and some.
pub(crate) fn record(options: &Options) -> Outcome<()> {
    let dir = &options.dir;
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)?;
    let os = options.os.canonicalize()?;
    let images = [
        ("orlop/os", os.as_path()),
        ("cuts/app", options.app.as_path()),
    ];
    let server = ImageServer::start(&tools()?, &images)?;
    let access = ApiAccess::make(&tools()?.join("orlop"), &dir.join(PKI))?;
    let toml = node_toml(&server, &access)?;
    let (config, disk) = (dir.join("node.toml"), Recording::disk_in(dir));
    fs::write(&config, &toml)?;
    make_disk(&tools()?, (&os, FIRST), &config, &disk)?;

    let scratch = Scratch::new()?;
    let machine_dir = scratch.path().join("machine");
    let spec = RemoteNodeSpec {
        name: "power-cuts",
        dir: &machine_dir,
        disk: &disk.canonicalize()?,
        access,
        app_port: APP_PORT,
        credentials: BTreeMap::new(),
        record_writes: true,
        arguments: Vec::new(),
    };
    let node = RemoteNode::start(&tools()?, spec)?;
    let log = machine_dir.join(WRITES_FILE);
    let mut notes = Notes {
        log: &log,
        phases: Vec::new(),
    };
    let told = tell(&node, &mut notes, &server.reference("orlop/os", SECOND));
    // Also where the node did not get to the end: `--keep` checks as far as it got. Copied, since the machine's folder may be on another file system.
    fs::copy(&log, Recording::log_in(dir))?;
    let about = About {
        images: format!("{} {FIRST} and {SECOND}", options.os.display()),
        phases: notes.phases,
        ukis: ukis(&os)?,
        toml: Digest::of(toml.as_bytes()),
    };
    Recording::write(dir, &about)?;
    told
}

fn node_toml(server: &ImageServer, access: &ApiAccess) -> Outcome<String> {
    let (app, registry, api) = (
        server.reference("cuts/app", "1"),
        server.toml(),
        access.toml()?,
    );
    Ok(format!(
        r#"schema = 1

[gate]
hold = "1s"
deadline = "900s"

[[gate.check]]
container = "web"

[container.web]
image = "{app}"
ports = ["{APP_PORT}:8080"]
health = {{ http = ":8080/healthz", every = "1s", timeout = "5s", retries = 3, start = "600s" }}

{registry}
{api}"#
    ))
}

/// Notes phases as they begin.
struct Notes<'a> {
    log: &'a Path,
    phases: Vec<Phase>,
}

impl Notes<'_> {
    /// A phase begins now.
    fn begin(&mut self, name: &str, current: &[Option<u64>], staged: Option<u64>) -> Outcome<()> {
        let from = if self.phases.is_empty() {
            0
        } else {
            self.log.metadata()?.len()
        };
        println!("recording: {name}, after {from} bytes");
        self.phases.push(Phase {
            name: name.to_owned(),
            from,
            current: current.to_vec(),
            staged,
        });
        Ok(())
    }
}

/// A switch: its name, the command, the generation and the OS version before it, and after it.
type Switch<'a> = (&'a str, &'a [&'a str], (u64, &'a str), (u64, &'a str));

fn tell(node: &RemoteNode, notes: &mut Notes<'_>, second: &str) -> Outcome<()> {
    let (one, two) = ((1, FIRST), (2, SECOND));
    let switches: [Switch<'_>; 4] = [
        (
            "apply, with a restart",
            &["update", "apply", "--mode", "reboot"],
            one,
            two,
        ),
        (
            "roll back, with a restart",
            &["rollback", "--mode", "reboot"],
            two,
            one,
        ),
        (
            "forth again, live",
            &["rollback", "--to", "2", "--mode", "live"],
            one,
            two,
        ),
        ("roll back, live", &["rollback", "--mode", "live"], two, one),
    ];
    notes.begin("first boot", &[None, Some(1)], None)?;
    node.wait_ready(0, BOOT)?;
    node.wait_status("generation 1 good", BOOT, settled(FIRST))?;
    notes.begin("stage", &[Some(1)], None)?;
    say(node, &["update", "stage", second])?;
    notes.begin("staged", &[Some(1)], Some(2))?;
    for (name, command, (from, _), (to, version)) in switches {
        notes.begin(name, &[Some(from), Some(to)], None)?;
        say(
            node,
            &[command, &["--wait", "--timeout", SWITCH_TIMEOUT]].concat(),
        )?;
        node.wait_status("the switch decided", BOOT, settled(version))?;
        // What was told holds from here on, whether anything more is written or not.
        notes.begin(&format!("told of: {name}"), &[Some(to)], None)?;
    }
    notes.begin("power off", &[Some(1)], None)?;
    node.machine().power_off(BOOT)?;
    Ok(())
}

fn say(node: &RemoteNode, arguments: &[&str]) -> Outcome<()> {
    let said = node.orlop(arguments)?;
    if said.code == Some(0) {
        return Ok(());
    }
    let tail = node.machine().tail();
    Err(format!(
        "orlop {arguments:?} ended with {:?}: {}\n{tail}",
        said.code, said.talk
    )
    .into())
}

/// Whether a node has nothing more to do, and a good generation of this OS version runs.
fn settled(version: &str) -> impl Fn(&Status) -> bool {
    move |status| {
        status.phase == NodePhase::Idle
            && status.trial.is_none()
            && status.current.as_ref().is_some_and(|current| {
                current.status == GenerationStatus::Good
                    && current.os.version.as_deref() == Some(version)
            })
    }
}

/// The digests of the UKIs, by the root that each of them boots.
fn ukis(layout: &Path) -> Outcome<BTreeMap<RootDigest, Digest>> {
    let wanted = |image: &LayoutImage| {
        image
            .tag
            .as_deref()
            .is_some_and(|tag| [FIRST, SECOND].contains(&tag))
    };
    let mut ukis = BTreeMap::new();
    for image in images_of_layout(layout)?.into_iter().filter(wanted) {
        let layer = image
            .layers
            .iter()
            .find(|layer| layer.uki)
            .ok_or("an image without a UKI")?;
        let blob = layout.join("blobs/sha256").join(layer.digest.hex());
        let mut tar = tar::Archive::new(zstd::Decoder::new(File::open(blob)?)?);
        let entry = tar.entries()?.next().ok_or("an empty UKI layer")??;
        let mut bytes = Vec::new();
        entry.take(MAX_UKI_BYTES).read_to_end(&mut bytes)?;
        ukis.insert(uki::root_digest(&bytes)?, Digest::of(&bytes));
    }
    Ok(ukis)
}
