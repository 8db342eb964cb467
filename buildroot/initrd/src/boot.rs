//! The way from the kernel to systemd, step by step.

use crate::console::{Level, say};
use orlop_initrd::disk::{self, StateDevice};
use orlop_initrd::fs_context::{FsContext, FsContextError};
use orlop_initrd::modules::{Loader, MODULES_DIR, ModuleError};
use orlop_initrd::options::{Options, OptionsError};
use orlop_initrd::seal::{SealError, Sealed, seal};
use orlop_initrd::{RootError, RootSpec, Verity, ext4, prepare, state, torn_superblock};
use rustix::mount::{MountAttrFlags, UnmountFlags};
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where the state partition is mounted while the initrd runs.
const STATE: &str = "/state";

/// Where the root is put together.
const ROOT: &str = "/sysroot";

/// PID 1 of the host.
const INIT: &str = "/usr/lib/systemd/systemd";

/// How often to look for the state partition. Devices come within milliseconds or seconds.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Share of the memory that `/run` may take, as systemd has it.
const RUN_SIZE: &str = "20%";

/// Why the machine does not boot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    #[error("cannot create {path}")]
    CreateDir { path: PathBuf, source: io::Error },
    #[error("cannot mount {target}")]
    Mount {
        target: &'static str,
        source: FsContextError,
    },
    #[error("cannot read the kernel command line")]
    ReadCmdline(#[source] io::Error),
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(transparent)]
    Modules(#[from] ModuleError),
    #[error("cannot list the block devices")]
    Devices(#[source] io::Error),
    #[error(
        "cannot find the state partition: no ext4 with the label `{label}` came up within {secs} s \
         (there are: {devices})"
    )]
    NoState {
        label: &'static str,
        secs: u64,
        devices: String,
    },
    #[error("cannot mount the state partition {node}")]
    MountState {
        node: PathBuf,
        source: FsContextError,
    },
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("cannot move {path} into the new root")]
    Move {
        path: &'static str,
        source: io::Error,
    },
    #[error("cannot enter the new root")]
    Enter(#[source] io::Error),
    #[error("cannot start {INIT}")]
    Exec(#[source] io::Error),
}

/// Returns only if it fails.
pub(crate) fn boot() -> Result<Infallible, BootError> {
    let start = Instant::now();
    mount_kernel_file_systems()?;
    let cmdline = fs::read_to_string("/proc/cmdline").map_err(BootError::ReadCmdline)?;
    let options = Options::parse(&cmdline)?;
    let mut modules = Loader::open(Path::new(MODULES_DIR))?;
    modules.load_always()?;
    let device = find_state(&mut modules, options.state_wait)?;
    let found = start.elapsed();
    mount_state(&device)?;
    grow(&device);
    if let Sealed::Now { objects } = seal(Path::new(STATE))? {
        say(
            Level::Info,
            &format!(
                "sealed {objects} objects at {} ms",
                start.elapsed().as_millis()
            ),
        );
    }
    create_dir(Path::new(ROOT))?;
    prepare(&RootSpec {
        state: STATE.into(),
        root: options.root.clone(),
        verity: Verity::Required,
        target: ROOT.into(),
        before: None,
    })?;
    say(
        Level::Info,
        &format!(
            "state partition {} found at {} ms, root {} mounted at {} ms",
            device.node.display(),
            found.as_millis(),
            options.root.short(),
            start.elapsed().as_millis()
        ),
    );
    hand_over()
}

fn create_dir(path: &Path) -> Result<(), BootError> {
    fs::create_dir_all(path).map_err(|source| BootError::CreateDir {
        path: path.to_owned(),
        source,
    })
}

/// `/dev` first: it holds the console and the kernel's log, which tell what fails later.
fn mount_kernel_file_systems() -> Result<(), BootError> {
    let (nosuid, nodev, noexec) = (
        MountAttrFlags::MOUNT_ATTR_NOSUID,
        MountAttrFlags::MOUNT_ATTR_NODEV,
        MountAttrFlags::MOUNT_ATTR_NOEXEC,
    );
    type Setting = (&'static str, &'static str);
    let mounts: [(&'static str, &'static str, MountAttrFlags, &[Setting]); 4] = [
        ("/dev", "devtmpfs", nosuid, &[("mode", "0755")]),
        ("/proc", "proc", nosuid | nodev | noexec, &[]),
        ("/sys", "sysfs", nosuid | nodev | noexec, &[]),
        (
            "/run",
            "tmpfs",
            nosuid | nodev,
            &[("mode", "0755"), ("size", RUN_SIZE)],
        ),
    ];
    for (target, kind, attributes, settings) in mounts {
        create_dir(Path::new(target))?;
        FsContext::open(kind)
            .and_then(|context| {
                settings
                    .iter()
                    .try_fold(context, |c, (key, value)| c.set(key, value))
            })
            .and_then(|context| context.mount(attributes))
            .and_then(|mount| mount.attach(Path::new(target)))
            .map_err(|source| BootError::Mount { target, source })?;
    }
    Ok(())
}

fn find_state(modules: &mut Loader, wait: Duration) -> Result<StateDevice, BootError> {
    let deadline = Instant::now() + wait;
    loop {
        modules.load_for_devices()?;
        let mut devices = disk::state_devices()
            .map_err(BootError::Devices)?
            .into_iter();
        if let Some(device) = devices.next() {
            for other in devices {
                let text = format!(
                    "{} has the label of a state partition too; using {}",
                    other.node.display(),
                    device.node.display()
                );
                say(Level::Warning, &text);
            }
            return Ok(device);
        }
        if Instant::now() >= deadline {
            return Err(no_state(wait));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn no_state(wait: Duration) -> BootError {
    let entries = fs::read_dir("/sys/class/block")
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let devices = if names.is_empty() {
        "no block devices".to_owned()
    } else {
        names.join(", ")
    };
    BootError::NoState {
        label: state::LABEL,
        secs: wait.as_secs(),
        devices,
    }
}

/// A superblock that a power cut has torn is made whole first.
fn mount_state(device: &StateDevice) -> Result<(), BootError> {
    create_dir(Path::new(STATE))?;
    let Err(refused) = try_to_mount_state(device) else {
        return Ok(());
    };
    let node = device.node.display();
    match torn_superblock::mend(&device.node) {
        Ok(true) => {
            let text = format!(
                "power failed while the superblock of {node} was written; wrote it again whole"
            );
            say(Level::Warning, &text);
            try_to_mount_state(device)
        }
        Ok(false) => Err(refused),
        Err(error) => {
            let text = format!("cannot look whether the superblock of {node} is torn: {error}");
            say(Level::Warning, &text);
            Err(refused)
        }
    }
}

fn try_to_mount_state(device: &StateDevice) -> Result<(), BootError> {
    FsContext::open("ext4")
        .and_then(|context| context.set("source", &device.node))
        // A damaged file system must not be written to any further.
        .and_then(|context| context.set("errors", "remount-ro"))
        .and_then(|context| match device.superblock.project_quota {
            // What projects hold is counted in any case; this has their limits hold.
            true => context.flag("prjquota"),
            false => Ok(context),
        })
        .and_then(|context| context.mount(MountAttrFlags::MOUNT_ATTR_NOATIME))
        .and_then(|mount| mount.attach(Path::new(STATE)))
        .map_err(|source| BootError::MountState {
            node: device.node.clone(),
            source,
        })
}

/// A file system smaller than its partition works; that it cannot grow is no reason not to boot.
fn grow(device: &StateDevice) {
    let blocks = device.device_blocks;
    if blocks <= device.superblock.blocks {
        return;
    }
    match ext4::grow(Path::new(STATE), blocks) {
        Ok(()) => say(
            Level::Info,
            &format!("grew the state partition's ext4 to {blocks} blocks"),
        ),
        Err(error) => say(
            Level::Warning,
            &format!("cannot grow the state partition's ext4 to {blocks} blocks: {error}"),
        ),
    }
}

/// Leaves the initrd for the new root, as switch_root(8) does.
fn hand_over() -> Result<Infallible, BootError> {
    for path in ["/dev", "/proc", "/sys", "/run"] {
        let target = format!("{ROOT}{path}");
        rustix::mount::mount_move(path, &target).map_err(|errno| BootError::Move {
            path,
            source: errno.into(),
        })?;
    }
    // The new root has its own bind of it.
    rustix::mount::unmount(STATE, UnmountFlags::DETACH).map_err(|errno| BootError::Move {
        path: STATE,
        source: errno.into(),
    })?;
    free_memory();
    enter().map_err(|errno| BootError::Enter(errno.into()))?;
    Err(BootError::Exec(Command::new(INIT).exec()))
}

/// The initrd's files take memory for as long as they have a name.
fn free_memory() {
    // Ignoring failures: some memory is all that is lost.
    let _ignored = fs::remove_dir_all(MODULES_DIR);
    let _ignored = fs::remove_file("/init");
}

fn enter() -> rustix::io::Result<()> {
    rustix::process::chdir(ROOT)?;
    rustix::mount::mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    rustix::process::chdir("/")
}
