//! The checker on recordings whose order of writes is known: right, and wrong in the ways that matter.

use crate::cuts::Plan;
use crate::disk::Disk;
use crate::ext4::{DataCache, Ext4, JournalCache};
use crate::run::{CheckedCut, check_all};
use crate::synthetic::{Step, Synthetic, mount_file, run, text};
use std::collections::BTreeSet;
use std::fs::{self, File};

/// As the agent does it: a name never comes before its content.
const RIGHT: [Step; 7] = [
    Step::Objects,
    Step::Record,
    Step::Generation,
    Step::State,
    Step::Uki,
    Step::Trial,
    Step::Entry,
];
/// Cuts between flushes.
const BETWEEN: usize = 60;
/// Any number; a failure of these tests has to come back.
const SEED: u64 = 7;

fn check(steps: &[Step]) -> Vec<CheckedCut> {
    let (recording, _dir) = Synthetic::new().record(steps);
    let plan = Plan::of(&recording, BETWEEN, SEED).unwrap();
    assert!(plan.flushes() >= 2 * steps.len());
    let found = check_all(&recording, &plan, 1).unwrap();
    assert_eq!(found.len(), plan.cuts.len());
    found
}

/// All that is wrong after any cut.
fn failures(found: &[CheckedCut]) -> BTreeSet<String> {
    found
        .iter()
        .flat_map(|found| found.checked.failures.iter().cloned())
        .collect()
}

fn expect_failure(steps: &[Step], words: &str) {
    let found = failures(&check(steps));
    assert!(
        found.iter().any(|failure| failure.contains(words)),
        "{words:?} is not in {found:#?}"
    );
}

#[test]
fn an_update_in_the_right_order_survives_every_cut() {
    let found = check(&RIGHT);
    assert_eq!(failures(&found), BTreeSet::new());
    let distinct: BTreeSet<_> = found.iter().map(|found| found.identity).collect();
    assert!(distinct.len() > BETWEEN / 2, "{}", distinct.len());
    let boots: BTreeSet<_> = found
        .iter()
        .filter_map(|found| found.checked.boots.clone())
        .collect();
    assert_eq!(
        boots.len(),
        2,
        "both images boot, before and after the entry is there"
    );
}

#[test]
fn a_boot_entry_before_the_objects_of_its_image_is_caught() {
    use Step::{Entry, Generation, Objects, Record, State, Uki};
    expect_failure(
        &[Generation, Uki, Entry, Objects, Record, State],
        "is not there",
    );
}

#[test]
fn a_boot_entry_before_its_uki_is_caught() {
    use Step::{Entry, Generation, Objects, Record, State, UkiInPlace};
    expect_failure(
        &[Objects, Record, Generation, State, Entry, UkiInPlace],
        "on the ESP",
    );
}

#[test]
fn a_uki_that_gets_its_name_before_its_content_is_flushed_is_caught() {
    use Step::{Entry, Generation, Objects, Record, State, UkiUnflushed};
    let steps = [Objects, Record, Generation, State, Entry, UkiUnflushed];
    expect_failure(&steps, "on the ESP is not whole");
}

#[test]
fn a_state_before_the_generation_that_it_points_at_is_caught() {
    use Step::{Generation, Objects, Record, State};
    expect_failure(&[Objects, Record, State, Generation], "lists generation 2");
}

#[test]
fn a_boot_entry_before_its_trial_is_on_record_is_caught() {
    use Step::{Entry, Generation, Objects, Record, State, Trial, Uki};
    let steps = [Objects, Record, Generation, State, Uki, Entry, Trial];
    expect_failure(&steps, "generation 2 boots as Staged");
}

#[test]
fn a_generation_before_its_image_is_caught() {
    use Step::{Generation, Objects, Record, State};
    expect_failure(
        &[Generation, State, Objects, Record],
        "generation 2 is not complete",
    );
}

/// e2fsck reads it where the cut has left files to be removed: as zeros it would be taken for damaged.
#[test]
fn what_projects_are_counted_in_is_no_data_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    let bytes = 64 << 20;
    File::create(&image).unwrap().set_len(bytes).unwrap();
    run(
        "mkfs.ext4",
        &["-q", "-b", "4096", "-O", "project", text(&image)],
    );
    run("tune2fs", &["-Q", "prjquota", text(&image)]);
    let disk = Disk::open(&image).unwrap();
    let volume = Ext4::open(&disk, &(0..bytes), &mut JournalCache::new()).unwrap();
    let data = volume.data_blocks(&mut DataCache::default()).unwrap();
    assert_eq!(data.len(), 0, "{data:?}");
}

#[test]
fn the_journal_is_replayed_to_the_byte_as_e2fsck_does_it() {
    let dir = tempfile::tempdir().unwrap();
    let (image, mounted) = (dir.path().join("image"), dir.path().join("mounted"));
    let (dirty, clean) = (dir.path().join("dirty"), dir.path().join("clean"));
    let bytes = 64 << 20;
    File::create(&image).unwrap().set_len(bytes).unwrap();
    run("mkfs.ext4", &["-q", "-b", "4096", text(&image)]);
    mount_file(&image, 0, bytes, &mounted);
    for round in 0..3 {
        for file in 0..50 {
            let folder = mounted.join(format!("folder-{file}"));
            fs::create_dir_all(&folder).unwrap();
            // Data that looks like a block of the journal has to be escaped; folders have to be
            // made and removed for blocks to be revoked.
            fs::write(
                folder.join(format!("{round}")),
                [0xc0, 0x3b, 0x39, 0x98].repeat(2000),
            )
            .unwrap();
        }
        run("sync", &["-f", text(&mounted)]);
        for file in 0..20 {
            fs::remove_dir_all(mounted.join(format!("folder-{file}"))).unwrap();
        }
        run("sync", &["-f", text(&mounted)]);
    }
    fs::copy(&image, &dirty).unwrap();
    fs::copy(&image, &clean).unwrap();
    nix::mount::umount2(&mounted, nix::mount::MntFlags::empty()).unwrap();
    run("e2fsck", &["-y", "-E", "journal_only", text(&clean)]);

    let (dirty, clean) = (Disk::open(&dirty).unwrap(), Disk::open(&clean).unwrap());
    let volume = Ext4::open(&dirty, &(0..bytes), &mut JournalCache::new()).unwrap();
    let journal: BTreeSet<u64> = volume.journal_blocks().unwrap().into_iter().collect();
    assert!(volume.replayed().len() > 10, "{:?}", volume.replayed());
    let mut theirs = vec![0; 4096];
    // Not the superblock, in which e2fsck notes that it was here, and not the journal itself.
    for block in (1..bytes / 4096).filter(|block| !journal.contains(block)) {
        clean.read(block * 4096, &mut theirs).unwrap();
        assert!(volume.content_of(block) == theirs, "block {block}");
    }
    assert_eq!(volume.folder("/folder-49").unwrap().len(), 3);
    assert!(volume.find("/folder-1").unwrap().is_none());
    let content = volume.file("/folder-30/1", 1 << 20).unwrap().unwrap();
    assert_eq!(content, [0xc0, 0x3b, 0x39, 0x98].repeat(2000));
}
