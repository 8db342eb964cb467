//! A full disk at every write: the room that is left grows by one block from try to try, so that each
//! write of a staging and of a config's switch is, in its turn, the first that does not fit. Real file
//! systems on loop devices, in a mount namespace of each try's thread. The ESP is ext4 here, as few
//! build machines' kernels have FAT.

use super::{PATIENCE, ROOT, ended, loop_in_place, os_image, stage, start};
use nix::sched::{CloneFlags, unshare};
use orlop_api::{ApplyConfigRequest, ApplyRequest, FaultKind, JobState, Phase};
use orlop_core::boot::EntryName;
use orlop_core::{GenerationId, NodeState, paths as core_paths};
use orlopd::host::Host;
use orlopd::ops::{Operations as _, Started};
use orlopd::paths::Paths;
use rustix::fs::{FallocateFlags, fallocate, statvfs, syncfs};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::time::timeout;

/// Small blocks, so that every write takes some.
const MKFS: [&str; 9] = [
    "mkfs.ext4",
    "-q",
    "-F",
    "-m",
    "0",
    "-b",
    "1024",
    "-O",
    "^has_journal",
];
const STATE_BYTES: u64 = 4 << 20;
const ESP_BYTES: u64 = 3 << 20;
const BLOCK: u64 = 1024;
/// What a switch leaves free on the ESP (`Policy::esp_reserve`).
const RESERVE: u64 = 1 << 20;
const FILLER: &str = "filler";
/// The most that a staging or a switch of these tests may need.
const MOST: u64 = 512 * BLOCK;
/// Directories stay when what was in them is gone: those of the store's objects, one block each.
const SLACK: u64 = 24 * BLOCK;

/// Files of a node on a good first generation, whose tries work on copies of them.
struct Template {
    dir: tempfile::TempDir,
}

impl Template {
    fn new() -> Arc<Self> {
        let dir = life(async {
            let (dir, paths) = loop_in_place::installed(ONE_TOML).await;
            start(&paths, Phase::Idle).await;
            dir
        });
        Arc::new(Self { dir })
    }
}

/// A node whose folder `part` is a file system of its own.
struct Node {
    paths: Paths,
    at: PathBuf,
    dir: tempfile::TempDir,
}

impl Node {
    /// A copy of `template`. Mount and loop device end with the calling thread.
    fn new(template: &Template, part: &str, bytes: u64) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        let at = paths.place(part);
        let image = at.with_extension("img");
        fs::create_dir(&at).unwrap();
        File::create(&image).unwrap().set_len(bytes).unwrap();
        run(Command::new(MKFS[0]).args(&MKFS[1..]).arg(&image));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&at));
        run(Command::new("cp")
            .arg("-aT")
            .arg(template.dir.path())
            .arg(dir.path()));
        Self { paths, at, dir }
    }

    fn free(&self) -> u64 {
        syncfs(File::open(&self.at).unwrap()).unwrap();
        let stat = statvfs(&self.at).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    fn fill(&self, left: u64) {
        let filler = File::create(self.at.join(FILLER)).unwrap();
        let mut taken = self.free().saturating_sub(left);
        // The map of a big file takes blocks too.
        while let Err(error) = fallocate(&filler, FallocateFlags::empty(), 0, taken) {
            assert_eq!(error, Errno::NOSPC);
            filler.set_len(0).unwrap();
            taken -= BLOCK;
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.at.join(FILLER)).unwrap();
    }

    fn state(&self) -> NodeState {
        NodeState::decode(&fs::read(self.paths.place(core_paths::STATE)).unwrap()).unwrap()
    }

    /// Generation 1 runs and is whole, its boot entry is good, and no half-written file is left.
    fn check_unharmed(&self) {
        self.check_unharmed_but_for(&[GenerationId(1)]);
    }

    /// The same, where one of `current` runs.
    fn check_unharmed_but_for(&self, current: &[GenerationId]) {
        let state = self.state();
        assert!(
            current.iter().any(|id| state.current == Some(*id)),
            "{state:?}"
        );
        let mut problems = Vec::new();
        let generations = orlopd::records::generations(&self.paths, &mut problems);
        assert_eq!(problems, [""; 0]);
        let first = &generations[&GenerationId(1)];
        orlopd::config::on_record(&self.paths, &first.config).unwrap();
        let entries = orlopd::esp::entries(&self.paths).unwrap();
        let good = |name: &str| name.parse::<EntryName>().is_ok_and(|n| n.counter.is_none());
        assert!(entries.iter().any(|entry| good(&entry.name)), "{entries:?}");
        for dir in [self.paths.state(), self.paths.esp()] {
            run(Command::new("sh").arg("-c").arg(format!(
                "! find '{}' -name '*orlop-tmp*' | grep .",
                dir.display()
            )));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        unmount(&self.at, UnmountFlags::DETACH).unwrap();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// What came of one try.
enum Try {
    /// It failed for want of room, with these words.
    Full(String),
    /// There was room enough.
    Done,
}

/// Tries with ever more room until there is enough. Gives the different ways in which it failed.
fn sweep(
    mut left: u64,
    attempt: impl Fn(&Template, u64) -> Try + Send + Copy + 'static,
) -> BTreeSet<String> {
    let template = Template::new();
    let (first, mut seen) = (left, BTreeSet::new());
    loop {
        let template = template.clone();
        // Mounts are the thread's own.
        match thread::spawn(move || attempt(&template, left))
            .join()
            .unwrap()
        {
            Try::Done => return seen,
            Try::Full(words) => seen.insert(words),
        };
        left += BLOCK;
        assert!(left - first < MOST, "{seen:#?}");
    }
}

/// One life of the agent: all that it has begun ends with it.
fn life<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let end = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(1));
    end
}

/// The words without what differs from try to try.
fn kind_of_failure(words: &str, node: &Node) -> String {
    let root = node.dir.path().display().to_string();
    let words = words.replace(&root, "");
    let hexless = |word: &str| match word.rsplit('/').next() {
        _ if word.starts_with("oci:") => "the image:".to_owned(),
        Some(name) if name.len() > 40 => word.replace(name, "…"),
        _ => word.to_owned(),
    };
    words.split(' ').map(hexless).collect::<Vec<_>>().join(" ")
}

/// Waits until nothing is under way.
async fn come_to_rest(host: &Host) {
    let tick = Duration::from_millis(10);
    timeout(PATIENCE, async {
        while !matches!(host.phase(), Phase::Idle | Phase::Degraded) {
            tokio::time::sleep(tick).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("the node stays {:?}", host.phase()));
}

fn stage_with(template: &Template, left: u64) -> Try {
    let node = Node::new(template, "/state", STATE_BYTES);
    life(staged(&node, left))
}

async fn staged(node: &Node, left: u64) -> Try {
    let host = start(&node.paths, Phase::Idle).await;
    let image = tempfile::tempdir().unwrap();
    let files = [("usr/a", vec![1; 5000]), ("usr/b", vec![2; 9000])];
    let os = os_image::make_of(image.path(), "2", &files);
    node.fill(left);
    let free = node.free();
    let before = fs::read(node.paths.place(core_paths::STATE)).unwrap();
    let job = ended(&host, host.stage(stage(&os.reference), ROOT).await.unwrap()).await;
    node.check_unharmed();
    let JobState::Failed { fault } = job.state else {
        return Try::Done;
    };
    assert_eq!(fault.kind, FaultKind::Transient, "{fault:?}");
    assert!(is_full(&fault.message), "{fault:?}");
    assert!(!fault.hints.is_empty(), "{fault:?}");
    assert_eq!(
        fs::read(node.paths.place(core_paths::STATE)).unwrap(),
        before
    );
    let given_back = node.free();
    assert!(
        given_back + SLACK >= free,
        "{free} were free, now {given_back}: {fault:?}"
    );
    node.make_room();
    let again = ended(&host, host.stage(stage(&os.reference), ROOT).await.unwrap()).await;
    assert!(matches!(again.state, JobState::Done { .. }), "{again:?}");
    assert!(node.state().staged.is_some());
    Try::Full(kind_of_failure(&fault.message, node))
}

#[test]
fn a_disk_that_is_full_at_any_write_of_a_staging_fails_it_clearly_and_harms_nothing() {
    let seen = sweep(0, stage_with);
    println!("{} ways to be full: {seen:#?}", seen.len());
    assert!(seen.len() >= 4, "{seen:#?}");
}

const ONE_TOML: &str = "schema = 1\nhost = { name = \"one\" }\n\
                        [gate]\nhold = \"100ms\"\ndeadline = \"5s\"\n";
const OTHER_TOML: &str = "schema = 1\nhost = { name = \"two\" }\n\
                          [gate]\nhold = \"100ms\"\ndeadline = \"5s\"\n";

async fn apply_config(host: &Host) -> JobState {
    let request = ApplyConfigRequest {
        config: OTHER_TOML.to_owned(),
        mode: None,
        dry_run: false,
        confirm_secs: None,
    };
    match host.apply_config(request, ROOT).await.unwrap() {
        Started::Job(id) => ended(host, id).await.state,
        Started::Plan(plan) => panic!("{plan}"),
    }
}

fn config_with(template: &Template, left: u64) -> Try {
    let node = Node::new(template, "/state", STATE_BYTES);
    let Some(words) = life(configured(&node, left)) else {
        assert_eq!(node.state().current, Some(GenerationId(2)));
        return Try::Done;
    };
    // Whatever could not be recorded is gone on with at the next start, or asked for again.
    node.make_room();
    life(async {
        let host = start(&node.paths, Phase::Idle).await;
        if node.state().current == Some(GenerationId(1)) {
            let again = apply_config(&host).await;
            assert!(matches!(again, JobState::Done { .. }), "{again:?}");
            come_to_rest(&host).await;
        }
    });
    assert_eq!(node.state().current, Some(GenerationId(2)), "{words}");
    assert!(node.state().trial.is_none(), "{words}");
    Try::Full(kind_of_failure(&words, &node))
}

/// Applies a config with so much room left; the words where there was not enough.
async fn configured(node: &Node, left: u64) -> Option<String> {
    let host = start(&node.paths, Phase::Idle).await;
    node.fill(left);
    let end = apply_config(&host).await;
    come_to_rest(&host).await;
    node.check_unharmed_but_for(&[GenerationId(1), GenerationId(2)]);
    if let JobState::Failed { fault } = end {
        assert_eq!(fault.kind, FaultKind::Transient, "{fault:?}");
        assert!(is_full(&fault.message), "{fault:?}");
        return Some(fault.message);
    }
    // It was on trial, and its verdict may not have had room.
    let problems = host.status().await.problems;
    problems.into_iter().find(|problem| is_full(problem))
}

fn is_full(words: &str) -> bool {
    words.to_lowercase().contains("no space left")
}

#[test]
fn a_disk_that_is_full_at_any_write_of_a_config_switch_fails_it_clearly_and_harms_nothing() {
    let seen = sweep(0, config_with);
    println!("{} ways to be full: {seen:#?}", seen.len());
    assert!(seen.len() >= 3, "{seen:#?}");
}

fn esp_with(template: &Template, left: u64) -> Try {
    let node = Node::new(template, "/efi", ESP_BYTES);
    life(switched(&node, left))
}

async fn switched(node: &Node, left: u64) -> Try {
    let host = start(&node.paths, Phase::Idle).await;
    let image = tempfile::tempdir().unwrap();
    let os = os_image::make(image.path(), "2");
    let job = ended(&host, host.stage(stage(&os.reference), ROOT).await.unwrap()).await;
    assert!(matches!(job.state, JobState::Done { .. }), "{job:?}");
    node.fill(left);
    let look = |path: &Path| -> Vec<PathBuf> {
        let mut found: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        found.sort();
        found
    };
    let dirs = [core_paths::UKIS, core_paths::ENTRIES].map(|dir| node.paths.place(dir));
    let before = dirs.each_ref().map(|dir| look(dir));
    match host.apply(ApplyRequest::default(), ROOT).await {
        // Proven before anything is written: there is room, or nothing is touched.
        Err(fault) => {
            assert_eq!(fault.kind, FaultKind::Transient, "{fault:?}");
            assert!(
                fault.message.starts_with("cannot write the UKI"),
                "{fault:?}"
            );
            assert_eq!(dirs.each_ref().map(|dir| look(dir)), before);
            node.check_unharmed();
            assert!(node.state().trial.is_none() && node.state().staged.is_some());
            Try::Full("refused".to_owned())
        }
        Ok(Started::Job(id)) => {
            // A machine that is a directory cannot be restarted; everything before that is done.
            let end = ended(&host, id).await.state;
            let JobState::Failed { fault } = &end else {
                panic!("{end:?}")
            };
            assert!(
                fault.message.contains("cannot restart the machine"),
                "{fault:?}"
            );
            come_to_rest(&host).await;
            node.check_unharmed();
            Try::Done
        }
        Ok(other) => panic!("{other:?}"),
    }
}

#[test]
fn an_esp_is_proven_to_have_room_before_anything_is_written_to_it() {
    // Less than the reserve is refused; the blocks around it are tried one by one.
    let seen = sweep(RESERVE - 4 * BLOCK, esp_with);
    assert_eq!(seen, BTreeSet::from(["refused".to_owned()]));
}
