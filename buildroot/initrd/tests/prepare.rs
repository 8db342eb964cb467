//! A root prepared for real, in a mount namespace of the test's own. Needs root and `mkfs.erofs`.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, where a failure is a failed test"
)]

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use orlop_initrd::boot_record::BootRecord;
use orlop_initrd::{RootError, RootSpec, Verity, prepare, state};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// The digest does not matter where verity is off, but as a name.
const NAME: &str = "abababababababababababababababababababababababababababababababab";

/// From here on, what this test (a process, a thread of its own) mounts is seen by nobody else and
/// goes with it.
fn own_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).expect("this test needs root");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
}

fn state_with_image(dir: &Path, tree: &[&str]) -> RootSpec {
    let content = dir.join("tree");
    for path in tree {
        fs::create_dir_all(content.join(path)).unwrap();
    }
    if content.join("usr").exists() {
        fs::write(content.join("usr/share/factory/etc/motd"), "under way\n").unwrap();
    }
    let spec = RootSpec {
        state: dir.join("partition"),
        root: NAME.parse().unwrap(),
        verity: Verity::Off,
        target: dir.join("target"),
        before: None,
    };
    let image = state::image(&spec.state, &spec.root);
    fs::create_dir_all(image.parent().unwrap()).unwrap();
    fs::create_dir_all(&spec.target).unwrap();
    let made = Command::new("mkfs.erofs")
        .arg("--quiet")
        .arg(&image)
        .arg(&content)
        .status()
        .unwrap();
    assert!(made.success());
    spec
}

#[test]
fn a_prepared_root_is_read_only_with_state_var_and_a_fresh_etc() {
    own_mounts();
    let dir = tempfile::tempdir().unwrap();
    let spec = state_with_image(
        dir.path(),
        &["state", "var", "mnt", "etc", "usr/share/factory/etc"],
    );
    prepare(&spec).unwrap();

    let root = &spec.target;
    let refused = fs::write(root.join("usr/new"), "").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(
        fs::read_to_string(root.join("etc/motd")).unwrap(),
        "under way\n"
    );
    fs::write(root.join("etc/hostname"), "edge").unwrap();
    fs::write(root.join("var/kept"), "log").unwrap();
    assert_eq!(fs::read(spec.state.join("var/kept")).unwrap(), b"log");
    fs::create_dir(root.join("mnt/disk")).unwrap();
    assert!(spec.state.join("var/mnt/disk").is_dir());
    assert!(
        !spec.state.join("var/media").exists(),
        "an image without /media"
    );
    assert_eq!(
        fs::read(root.join("etc/machine-id")).unwrap(),
        fs::read(root.join("state/orlop/machine-id")).unwrap()
    );
    let record = BootRecord::read(&root.join("etc")).unwrap();
    assert_eq!((record.root, record.verity), (spec.root, false));
}

#[test]
fn an_image_without_a_place_for_etc_leaves_nothing_mounted() {
    own_mounts();
    let dir = tempfile::tempdir().unwrap();
    let spec = state_with_image(dir.path(), &["state", "var"]);
    let error = prepare(&spec).unwrap_err();
    let etc = spec.target.join("etc");
    assert_eq!(
        error.to_string(),
        format!("cannot mount /etc at {}", etc.display())
    );
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(spec.target.to_str().unwrap()), "{mounts}");
}

#[test]
fn an_image_that_the_store_lacks_is_named() {
    own_mounts();
    let dir = tempfile::tempdir().unwrap();
    let mut spec = state_with_image(dir.path(), &["state"]);
    spec.root = "cd".repeat(32).parse().unwrap();
    let missing = state::image(&spec.state, &spec.root);
    let error = prepare(&spec).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot open the OS image {}", missing.display())
    );
}

#[test]
fn an_image_without_verity_is_refused_where_verity_is_required() {
    own_mounts();
    let dir = tempfile::tempdir().unwrap();
    let mut spec = state_with_image(
        dir.path(),
        &["state", "var", "etc", "usr/share/factory/etc"],
    );
    spec.verity = Verity::Required;
    let error = prepare(&spec).unwrap_err();
    assert!(matches!(error, RootError::Measure { .. }), "{error}");
}
