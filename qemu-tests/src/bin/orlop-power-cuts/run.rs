//! Goes through a recording, and checks the disk of every cut.

use crate::Outcome;
use crate::check::{Checked, check};
use crate::cuts::{Cut, Loss, Plan};
use crate::disk::Disk;
use crate::esp::EspView;
use crate::partitions::Partitions;
use crate::recording::Recording;
use crate::state::{Caches, StateView};
use crate::window::{Window, apply};
use orlop_config::Digest;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What is in memory; the images are there while they are checked.
const MEMORY: &str = "/dev/shm";
/// What the folders there are called, before the number of their process.
const FOLDER: &str = "orlop-power-cuts-";
/// Views of partitions that are kept. Cuts beside each other often share one.
const MAX_VIEWS: usize = 64;
/// Word is given each time that so many cuts are done.
const PROGRESS: usize = 500;

/// A cut that was checked.
#[derive(Clone, Debug)]
pub(crate) struct CheckedCut {
    pub(crate) cut: Cut,
    /// Numbers for the content of the disk.
    pub(crate) identity: (u64, u64),
    pub(crate) checked: Checked,
}

/// Checks all cuts of a plan with so many threads. In the order of the plan.
pub(crate) fn check_all(
    recording: &Recording,
    plan: &Plan,
    threads: usize,
) -> Outcome<Vec<CheckedCut>> {
    let threads = threads.max(1);
    let done = AtomicUsize::new(0);
    let mut all = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|share| {
                let done = &done;
                scope.spawn(move || {
                    let mut player = Player::new(recording)?;
                    player.done = Some((done, plan.cuts.len()));
                    player.play(plan, |cut| cut.interval % threads == share)
                })
            })
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(found) => all.extend(found?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Outcome::Ok(all)
    })?;
    all.sort_by_key(|found| found.cut.id);
    Ok(all)
}

/// Writes the disk that a cut leaves to a file.
pub(crate) fn write_image(
    recording: &Recording,
    plan: &Plan,
    id: usize,
    image: &Path,
) -> Outcome<CheckedCut> {
    let mut player = Player::new(recording)?;
    player.copy_to = Some(image.to_owned());
    let found = player.play(plan, |cut| cut.id == id)?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| format!("there is no cut {id}").into())
}

/// A disk on its way through a recording.
struct Player<'a> {
    recording: &'a Recording,
    disk: Disk,
    partitions: Partitions,
    watches: (usize, usize),
    boot_loader: Digest,
    caches: Caches,
    esps: HashMap<u64, Arc<EspView>>,
    states: HashMap<u64, Arc<StateView>>,
    copy_to: Option<PathBuf>,
    /// How many cuts are done, and how many there are to do.
    done: Option<(&'a AtomicUsize, usize)>,
    // Last: the disk is closed before its folder goes.
    dir: tempfile::TempDir,
}

impl<'a> Player<'a> {
    fn new(recording: &'a Recording) -> Outcome<Self> {
        let dir = folder()?;
        let copy = dir.path().join("disk");
        copy_sparse(&recording.disk, &copy)?;
        let mut disk = Disk::open(&copy)?;
        let partitions = Partitions::read(&disk)?;
        let watches = (disk.watch(&partitions.esp)?, disk.watch(&partitions.state)?);
        let boot_loader = EspView::read(&disk, &partitions.esp).boot_loader()?;
        Ok(Self {
            recording,
            disk,
            partitions,
            watches,
            boot_loader,
            caches: Caches::default(),
            esps: HashMap::new(),
            states: HashMap::new(),
            copy_to: None,
            done: None,
            dir,
        })
    }

    /// Checks those of the plan's cuts that are wanted, from the beginning of the recording on.
    fn play(&mut self, plan: &Plan, wanted: impl Fn(&Cut) -> bool) -> Outcome<Vec<CheckedCut>> {
        let mut window = Window::open(&self.recording.log)?;
        let mut cuts = plan.cuts.iter().filter(|cut| wanted(cut)).peekable();
        let mut found = Vec::new();
        let mut interval = 0;
        while cuts.peek().is_some() {
            let flush = window.next_flush()?;
            while let Some(cut) =
                cuts.next_if(|cut| cut.interval == interval && cut.loss != Loss::AtFlush)
            {
                self.disk.begin_trial();
                plan.carry_out(cut, &window.pending, &mut self.disk)?;
                found.push(self.check(cut)?);
                self.disk.end_trial()?;
            }
            let Some(flush) = flush else { break };
            for entry in window.settle(flush) {
                apply(&mut self.disk, &entry)?;
            }
            if let Some(cut) = cuts.next_if(|cut| cut.interval == interval) {
                found.push(self.check(cut)?);
            }
            interval += 1;
        }
        Ok(found)
    }

    fn check(&mut self, cut: &Cut) -> Outcome<CheckedCut> {
        if let Some(path) = &self.copy_to {
            copy_sparse(self.disk.path(), path)?;
        }
        let about = &self.recording.about;
        let identity = (
            self.disk.identity(self.watches.0),
            self.disk.identity(self.watches.1),
        );
        let esp = match self.esps.get(&identity.0) {
            Some(known) => Arc::clone(known),
            None => {
                let esp = Arc::new(EspView::read(&self.disk, &self.partitions.esp));
                keep(&mut self.esps, identity.0, &esp);
                esp
            }
        };
        let state = match self.states.get(&identity.1) {
            Some(known) => Arc::clone(known),
            None => {
                let (partition, scratch) = (&self.partitions.state, self.dir.path().join("fsck"));
                let state =
                    StateView::read(&self.disk, partition, about, &mut self.caches, &scratch)?;
                let state = Arc::new(state);
                keep(&mut self.states, identity.1, &state);
                state
            }
        };
        if let Some((done, all)) = self.done {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(PROGRESS) {
                println!("{done} of {all} cuts checked");
            }
        }
        let phase = &about.phases[cut.phase];
        let checked = check(&esp, &state, about, phase, &self.boot_loader);
        Ok(CheckedCut {
            cut: *cut,
            identity,
            checked,
        })
    }
}

/// A folder for images, named after this process. Those of processes that were killed go first: they
/// take memory.
fn folder() -> Outcome<tempfile::TempDir> {
    let memory = Path::new(MEMORY);
    if !memory.is_dir() {
        return Ok(tempfile::tempdir()?);
    }
    for entry in fs::read_dir(memory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(FOLDER)
            .and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            match fs::remove_dir_all(entry.path()) {
                // Another process sweeps, too.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    let own = format!("{FOLDER}{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&own).tempdir_in(memory)?)
}

fn keep<T>(views: &mut HashMap<u64, Arc<T>>, identity: u64, view: &Arc<T>) {
    if views.len() >= MAX_VIEWS {
        views.clear();
    }
    views.insert(identity, Arc::clone(view));
}

/// Copies a file without its holes.
fn copy_sparse(from: &Path, to: &Path) -> Outcome<()> {
    let output = Command::new("cp")
        .args(["--sparse=always", "--"])
        .args([from, to])
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("cannot copy {} to {}: {said}", from.display(), to.display()).into())
}
