//! A recording without a machine, for tests of the checker: a small disk whose ext4 is written by the
//! host's kernel and whose ESP is written by mtools, and a log with the flushes that an agent would
//! have asked for.

mod parts;

use crate::disk::Disk;
use crate::ext4::{Ext4, JournalCache};
use crate::fields::be32;
use crate::partitions::Partitions;
use crate::recording::{About, Phase, Recording};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use orlop_config::Digest;
use orlop_core::boot::{BootSequence, Counter, Entry};
use orlop_core::{
    BootId, ContainerImage, Generation, GenerationId, GenerationStatus, Means, NodeState, Origin,
    OsImage, Timestamp, Trial, TrialKind, TrialStage,
};
use orlop_image::ImageRecord;
use orlop_machines::disk_log::{Action, Entry as LogEntry, LogWriter};
use parts::{partition, stores};
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of a MiB.
const MIB: u64 = 1 << 20;
/// Where the ESP is.
const ESP_AT: u64 = MIB;
/// Its size: FAT32 has 65,525 clusters at the least.
const ESP_MIB: u64 = 40;
/// Where the state partition is.
const STATE_AT: u64 = ESP_AT + ESP_MIB * MIB;
/// Its size.
const STATE_MIB: u64 = 48;
/// Begins a block of the journal.
const JOURNAL_MAGIC: u32 = 0xc03b_3998;
/// The kind of a commit block.
const COMMIT: u32 = 2;
/// The kind of the journal's superblock.
const SUPERBLOCK: u32 = 4;

/// A step of an update from OS 1 to OS 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The objects of OS 2.
    Objects,
    /// What the store knows of it.
    Record,
    /// Generation 2.
    Generation,
    /// The state that says that it is staged.
    State,
    /// The state that says that it is about to be tried.
    Trial,
    /// Its UKI, under a temporary name first.
    Uki,
    /// Its UKI, under its own name at once.
    UkiInPlace,
    /// Its UKI, renamed before what is in it is flushed.
    UkiUnflushed,
    /// Its boot entry.
    Entry,
}

/// A disk and its log.
pub(crate) struct Synthetic {
    disk: PathBuf,
    mounted: PathBuf,
    stores: [PathBuf; 2],
    records: [ImageRecord; 2],
    ukis: [Vec<u8>; 2],
    log: LogWriter,
    batch: u64,
    last: Vec<u8>,
    journal: HashSet<u64>,
    // Last: nothing in it is in use any more.
    dir: tempfile::TempDir,
}

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

/// Mounts a file system in a file, for this thread and what it starts: however the test ends, the
/// mount ends with its thread.
pub(crate) fn mount_file(file: &Path, offset: u64, bytes: u64, at: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    fs::create_dir_all(at).unwrap();
    let options = format!("loop,offset={offset},sizelimit={bytes}");
    run("mount", &["-o", &options, text(file), text(at)]);
}

/// Writes a file as the agent does: its name never comes before its content. The kernel may commit its
/// journal between any two of these calls.
fn put_durably(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = path.with_added_extension("tmp");
    fs::write(&new, content).unwrap();
    File::open(&new).unwrap().sync_all().unwrap();
    fs::rename(new, path).unwrap();
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Synthetic {
    /// A node on generation 1 of OS 1, whose power has been on for a while.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let (records, stores) = stores(dir.path());
        let ukis = [1_u8, 2].map(|n| vec![n; 300_000]);
        let disk = path("synthetic.img");
        File::create(&disk)
            .unwrap()
            .set_len(STATE_AT + (STATE_MIB + 1) * MIB)
            .unwrap();
        partition(&disk);
        for (store, (record, uki)) in stores.iter().zip(records.iter().zip(&ukis)) {
            fs::write(
                store.join(format!("store/orlop/uki/{}.efi", record.root)),
                uki,
            )
            .unwrap();
        }
        let base = &stores[0];
        fs::write(base.join("store/unsealed"), "").unwrap();
        let mut made = Self {
            mounted: path("mounted"),
            log: LogWriter::open(
                &Recording::log_in(dir.path()),
                disk.metadata().unwrap().len(),
            )
            .unwrap(),
            disk,
            batch: 0,
            last: Vec::new(),
            journal: HashSet::new(),
            records,
            stores: stores.clone(),
            ukis,
            dir,
        };
        made.put_generation(base, 1);
        made.put_state(base, &[GenerationId(1)], None);
        made.make_file_systems(base);
        made
    }

    fn make_file_systems(&mut self, base: &Path) {
        let disk = text(&self.disk).to_owned();
        let sector = (ESP_AT / 512).to_string();
        let kib = (ESP_MIB * 1024).to_string();
        run(
            "mkfs.vfat",
            &[
                "-F",
                "32",
                "-s",
                "1",
                &format!("--offset={sector}"),
                &disk,
                &kib,
            ],
        );
        for folder in [
            "EFI",
            "EFI/BOOT",
            "EFI/orlop",
            "loader",
            "loader/entries",
            "orlop",
        ] {
            self.mtool("mmd", &[&format!("::/{folder}")]);
        }
        self.put_on_esp("EFI/BOOT/BOOTX64.EFI", b"systemd-boot");
        self.put_on_esp("orlop/node.toml", b"toml");
        let uki = self.ukis[0].clone();
        self.put_on_esp(&self.uki_name(0), &uki);
        let entry = self.entry(0).file(None);
        self.put_on_esp(
            &format!("loader/entries/{}", entry.name),
            entry.content.as_bytes(),
        );
        let extended = format!("offset={STATE_AT},root_owner=0:0");
        let size = format!("{}k", STATE_MIB * 1024);
        run(
            "mkfs.ext4",
            &[
                "-q",
                "-F",
                "-b",
                "4096",
                "-E",
                &extended,
                "-d",
                text(base),
                &disk,
                &size,
            ],
        );
        mount_file(&self.disk, STATE_AT, STATE_MIB * MIB, &self.mounted);
        self.sync();
        fs::copy(&self.disk, Recording::disk_in(self.dir.path())).unwrap();
        self.last = fs::read(&self.disk).unwrap();
        self.journal = self.blocks(|volume| volume.journal_blocks().unwrap());
    }

    /// Blocks of the file system as it is now.
    fn blocks(&self, of: impl Fn(&Ext4<'_>) -> Vec<u64>) -> HashSet<u64> {
        let opened = Disk::open(&self.disk).unwrap();
        let partitions = Partitions::read(&opened).unwrap();
        let volume = Ext4::open(&opened, &partitions.state, &mut JournalCache::new()).unwrap();
        of(&volume).into_iter().collect()
    }

    /// Does these steps, each with a flush behind it, and gives the recording.
    pub(crate) fn record(mut self, steps: &[Step]) -> (Recording, tempfile::TempDir) {
        for step in steps {
            self.step(*step);
        }
        umount2(&self.mounted, MntFlags::empty()).unwrap();
        let phase = Phase {
            name: "update".to_owned(),
            from: 0,
            current: vec![Some(1)],
            staged: None,
        };
        let ukis = self.records.iter().zip(&self.ukis);
        let about = About {
            images: "synthetic".to_owned(),
            phases: vec![phase],
            ukis: ukis
                .map(|(record, uki)| (record.root.clone(), Digest::of(uki)))
                .collect(),
            toml: Digest::of(b"toml"),
        };
        Recording::write(self.dir.path(), &about).unwrap();
        (Recording::read(self.dir.path()).unwrap(), self.dir)
    }

    fn step(&mut self, step: Step) {
        let (two, mounted) = (self.stores[1].clone(), self.mounted.clone());
        let copy = |folder: &str| {
            let to = mounted.join("store");
            run(
                "cp",
                &["-a", text(&two.join("store").join(folder)), text(&to)],
            );
        };
        match step {
            Step::Objects => copy("objects"),
            Step::Record => ["images", "orlop"].into_iter().for_each(copy),
            Step::Generation => self.put_generation(&mounted, 2),
            Step::State => self.put_state(&mounted, &[GenerationId(1), GenerationId(2)], None),
            Step::Trial => {
                let both = [GenerationId(1), GenerationId(2)];
                self.put_state(&mounted, &both, Some(self.trial()));
            }
            Step::Uki | Step::UkiUnflushed | Step::UkiInPlace => self.write_uki(step),
            Step::Entry => {
                let entry = self.entry(1).file(Some(Counter::full(3)));
                let name = format!("loader/entries/{}", entry.name);
                self.put_on_esp(&format!("{name}.tmp"), entry.content.as_bytes());
                self.flush();
                self.rename_on_esp(&format!("{name}.tmp"), &name);
            }
        }
        self.flush();
    }

    fn write_uki(&mut self, step: Step) {
        let (name, uki) = (self.uki_name(1), self.ukis[1].clone());
        if step == Step::UkiInPlace {
            return self.put_on_esp(&name, &uki);
        }
        self.put_on_esp(&format!("{name}.tmp"), &uki);
        if step == Step::Uki {
            self.flush();
        }
        self.rename_on_esp(&format!("{name}.tmp"), &name);
    }

    fn uki_name(&self, of: usize) -> String {
        format!("EFI/orlop/{}.efi", self.records[of].root)
    }

    fn entry(&self, of: usize) -> Entry {
        let number = of as u64 + 1;
        Entry::new(
            &number.to_string(),
            BootSequence(number),
            self.records[of].root.clone(),
        )
    }

    fn generation(&self, number: u64) -> Generation {
        let record = &self.records[usize::try_from(number).unwrap() - 1];
        let web = &self.records[0];
        let web = ContainerImage {
            reference: "web".to_owned(),
            manifest: web.manifest.clone(),
            root: web.root.clone(),
        };
        Generation {
            id: GenerationId(number),
            os: OsImage {
                reference: "os".to_owned(),
                manifest: record.manifest.clone(),
                root: record.root.clone(),
                version: number.to_string(),
                boot: Digest::of(&[0]),
            },
            config: Digest::of(b"config"),
            containers: BTreeMap::from([("web".to_owned(), web)]),
            created: Timestamp(1),
            origin: Origin::Update,
        }
    }

    fn put_generation(&self, state: &Path, number: u64) {
        let config = format!("orlop/configs/{}.toml", Digest::of(b"config").hex());
        put_durably(&state.join(config), b"config");
        put_durably(
            &state.join(format!("orlop/generations/{number}.json")),
            &self.generation(number).encode(),
        );
    }

    fn trial(&self) -> Trial {
        Trial {
            generation: GenerationId(2),
            kind: TrialKind::Update,
            fallback: Some(GenerationId(1)),
            stage: TrialStage::Armed,
            means: Means::Reboot,
            entry: Some(BootSequence(2)),
            tries: 3,
            boots: 0,
            attempts: 1,
            given_back: 0,
            boot: BootId("before the cut".to_owned()),
            armed: Timestamp(1),
            gate_started: None,
            confirm: None,
        }
    }

    fn put_state(&self, state: &Path, generations: &[GenerationId], trial: Option<Trial>) {
        let mut node = NodeState::first(BootSequence(2));
        node.current = Some(GenerationId(1));
        node.staged = generations.get(1).copied().filter(|_| trial.is_none());
        node.trial = trial;
        for id in generations {
            node.generations.insert(*id, GenerationStatus::Staged);
        }
        node.generations
            .insert(GenerationId(1), GenerationStatus::Good);
        put_durably(&state.join("orlop/state.json"), &node.encode());
    }

    fn put_on_esp(&self, name: &str, content: &[u8]) {
        let file = self.dir.path().join("file");
        fs::write(&file, content).unwrap();
        self.mtool("mcopy", &["-o", text(&file), &format!("::/{name}")]);
    }

    fn rename_on_esp(&self, from: &str, to: &str) {
        let name = to.rsplit('/').next().unwrap();
        self.mtool("mren", &[&format!("::/{from}"), name]);
    }

    fn mtool(&self, program: &str, arguments: &[&str]) {
        let image = format!("{}@@{ESP_AT}", self.disk.display());
        run(program, &[&["-i", &image], arguments].concat());
    }

    fn sync(&self) {
        run("sync", &["-f", text(&self.mounted)]);
    }

    /// Logs what has changed since the last flush, in the order in which the kernel writes: data and
    /// the journal's copies in any order, the journal's commit blocks after a flush, and the blocks
    /// in the journal in their own place after another one.
    fn flush(&mut self) {
        self.sync();
        let now = fs::read(&self.disk).unwrap();
        let copied = self.blocks(|volume| volume.replayed());
        let mut groups = [Vec::new(), Vec::new(), Vec::new()];
        let mut at = 0;
        while at < now.len() {
            let on_esp = (at as u64) < STATE_AT;
            let size = if on_esp { 512 } else { 4096 };
            let data = &now[at..at + size];
            if *data != self.last[at..at + size] {
                let block = (at as u64).saturating_sub(STATE_AT) / 4096;
                let own =
                    !on_esp && self.journal.contains(&block) && be32(data, 0) == JOURNAL_MAGIC;
                let group = match be32(data, 4) {
                    COMMIT if own => 1,
                    SUPERBLOCK if own => 2,
                    _ if !on_esp && copied.contains(&block) => 2,
                    _ => 0,
                };
                groups[group].push(at);
            }
            at += size;
        }
        for group in groups {
            self.batch += 1;
            for at in group {
                let size = if (at as u64) < STATE_AT { 512 } else { 4096 };
                self.add(
                    Action::Write(now[at..at + size].to_vec()),
                    at as u64,
                    size as u64,
                );
            }
            self.batch += 1;
            self.add(Action::Flush, 0, 0);
        }
        self.log.publish().unwrap();
        self.last = now;
    }

    fn add(&mut self, action: Action, offset: u64, length: u64) {
        let entry = LogEntry {
            action,
            durable: false,
            batch: self.batch,
            offset,
            length,
        };
        self.log.add(&entry).unwrap();
    }
}
