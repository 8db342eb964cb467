//! Torn superblocks of real file systems: the kernel refuses them, and mounts them once they are mended.
//! Needs root and loop devices.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, where a failure is a failed test"
)]

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use orlop_initrd::ext4::SUPERBLOCK_AT;
use orlop_initrd::torn_superblock::{Bytes, SUPERBLOCK_BYTES, backup_at, mend, mended};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a disk writes at once.
const SECTOR: usize = 512;
/// Of a file system: enough for a second block group at any size of blocks.
const BYTES: u64 = 256 << 20;
/// Options of mkfs.ext4: as the state partition is made, and others that a disk may have.
const KINDS: [&[&str]; 4] = [
    &["-b", "4096", "-O", "verity"],
    &[
        "-b",
        "4096",
        "-O",
        "verity,^orphan_file,^metadata_csum_seed",
    ],
    &["-b", "4096", "-O", "orphan_file,metadata_csum_seed"],
    &["-b", "1024"],
];

/// A file system in a file, at three moments of its life.
struct Life {
    _dir: tempfile::TempDir,
    mounted: PathBuf,
    /// Never mounted.
    fresh: PathBuf,
    /// While it was mounted: `kept` is in the journal.
    used: PathBuf,
    /// Unmounted after that.
    left: PathBuf,
}

impl Life {
    fn of(options: &[&str]) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).expect("this test needs root");
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let life = Self {
            mounted: path("mounted"),
            fresh: path("fresh"),
            used: path("used"),
            left: path("left"),
            _dir: dir,
        };
        fs::create_dir(&life.mounted).unwrap();
        File::create(&life.left).unwrap().set_len(BYTES).unwrap();
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args(["-q", "-L", "orlop"]).args(options);
        assert!(mkfs.arg(&life.left).status().unwrap().success());
        copy(&life.left, &life.fresh);
        assert!(life.mounts(&life.left));
        fs::write(life.mounted.join("kept"), "in the journal\n").unwrap();
        File::open(life.mounted.join("kept"))
            .unwrap()
            .sync_all()
            .unwrap();
        copy(&life.left, &life.used);
        umount2(&life.mounted, MntFlags::empty()).unwrap();
        life
    }

    fn mounts(&self, image: &Path) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", "loop"]);
        let output = mount.arg(image).arg(&self.mounted).output().unwrap();
        output.status.success()
    }

    /// A copy of an image whose superblock is that of two others, a sector of each.
    fn torn(&self, image: &Path, first: &Path, second: &Path) -> PathBuf {
        let torn = self.mounted.with_file_name("torn");
        copy(image, &torn);
        let mut bytes = superblock(first);
        bytes[SECTOR..].copy_from_slice(&superblock(second)[SECTOR..]);
        let file = File::options().write(true).open(&torn).unwrap();
        file.write_all_at(&bytes, SUPERBLOCK_AT).unwrap();
        torn
    }
}

fn copy(from: &Path, to: &Path) {
    let mut cp = Command::new("cp");
    let status = cp.arg("--sparse=always").args([from, to]).status();
    assert!(status.unwrap().success());
}

fn superblock(image: &Path) -> Bytes {
    read(image, SUPERBLOCK_AT)
}

fn read(image: &Path, at: u64) -> Bytes {
    let mut bytes = [0; SUPERBLOCK_BYTES];
    File::open(image)
        .unwrap()
        .read_exact_at(&mut bytes, at)
        .unwrap();
    bytes
}

#[test]
fn what_the_kernel_refuses_for_a_torn_superblock_it_mounts_with_all_data_once_that_is_mended() {
    for options in KINDS {
        let life = Life::of(options);
        let (fresh, used, left) = (&life.fresh, &life.used, &life.left);
        // What lies around the superblock, and the sectors of it: as it is mounted, used, left.
        let tears = [
            (fresh, [fresh, used], false),
            (fresh, [used, fresh], false),
            (used, [fresh, used], true),
            (used, [used, fresh], true),
            (used, [left, used], true),
            (used, [used, left], true),
            (left, [left, used], true),
            (left, [used, left], true),
        ];
        for (number, (image, [first, second], has_file)) in tears.into_iter().enumerate() {
            let case = format!("{options:?}, tear {number}");
            let torn = life.torn(image, first, second);
            assert!(!life.mounts(&torn), "{case}: the kernel mounts it as it is");
            assert!(mend(&torn).unwrap(), "{case}");
            assert!(life.mounts(&torn), "{case}: the kernel still refuses it");
            let content = fs::read_to_string(life.mounted.join("kept")).ok();
            let expected = has_file.then_some("in the journal\n");
            assert_eq!(content.as_deref(), expected, "{case}");
            umount2(&life.mounted, MntFlags::empty()).unwrap();
            let mut fsck = Command::new("e2fsck");
            let checked = fsck.args(["-f", "-n"]).arg(&torn).output().unwrap();
            assert!(checked.status.success(), "{case}: {checked:?}");
        }
    }
}

/// As `orlop-image disk` makes it. The kernel here may have no quotas, so e2fsck is asked.
#[test]
fn a_torn_superblock_of_a_file_system_with_quotas_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let [before, after, torn] = ["before", "after", "torn"].map(|name| dir.path().join(name));
    let run = |program: &str, arguments: &[&str], image: &Path| {
        let output = Command::new(program).args(arguments).arg(image).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
    };
    File::create(&before).unwrap().set_len(BYTES).unwrap();
    run(
        "mkfs.ext4",
        &["-q", "-b", "4096", "-O", "verity,project"],
        &before,
    );
    run("tune2fs", &["-Q", "prjquota"], &before);
    copy(&before, &after);
    run("tune2fs", &["-C", "7"], &after);
    let (first, second) = (superblock(&after), superblock(&before));
    assert_ne!(first[..SECTOR], second[..SECTOR]);
    copy(&after, &torn);
    let file = File::options().write(true).open(&torn).unwrap();
    let place = SUPERBLOCK_AT + u64::try_from(SECTOR).unwrap();
    file.write_all_at(&second[SECTOR..], place).unwrap();
    assert!(mend(&torn).unwrap());
    assert!(!mend(&torn).unwrap());
    // Told to replay its journal, which is empty.
    run("e2fsck", &["-p"], &torn);
    run("e2fsck", &["-f", "-n"], &torn);
}

#[test]
fn a_whole_superblock_and_a_damaged_one_are_left_alone() {
    let life = Life::of(KINDS[0]);
    assert!(!mend(&life.fresh).unwrap());
    assert!(!mend(&life.used).unwrap());
    assert!(!mend(&life.left).unwrap());
    let whole = superblock(&life.left);
    let at = backup_at(&whole).unwrap();
    assert_eq!(at, 32768 * 4096);
    let backup = read(&life.left, at);
    let torn = superblock(&life.torn(&life.left, &life.used, &life.left));
    assert!(mended(&torn, &backup).is_some());
    let flipped = |bytes: &Bytes, at: usize| {
        let mut bytes = *bytes;
        bytes[at] ^= 0x40;
        bytes
    };
    // Blocks, blocks of a group, inodes of a group, magic, inode size, the three sets of features,
    // UUID, label, the journal's inode, blocks (upper half), flags, seed of the checksums, padding.
    for field in [
        0x4, 0x20, 0x28, 0x38, 0x58, 0x5c, 0x60, 0x64, 0x68, 0x78, 0xe0, 0x150, 0x160, 0x270, 0x3fb,
    ] {
        let damaged = flipped(&torn, field);
        assert_eq!(mended(&damaged, &backup), None, "{field:#x} of the primary");
        let other = flipped(&backup, field);
        assert_eq!(mended(&torn, &other), None, "{field:#x} of the backup");
    }
    // A wrong backup is no witness, not even where it differs in what may differ.
    assert_eq!(mended(&torn, &flipped(&backup, 0xc)), None);
}

#[test]
fn a_file_system_of_one_group_has_no_backup_and_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-b", "4096"]).arg(&image);
    assert!(mkfs.status().unwrap().success());
    let file = File::options().write(true).open(&image).unwrap();
    file.write_all_at(&[0xff; 4], SUPERBLOCK_AT + 0x3fc)
        .unwrap();
    let before = superblock(&image);
    assert!(!mend(&image).unwrap());
    assert_eq!(superblock(&image), before);
}
