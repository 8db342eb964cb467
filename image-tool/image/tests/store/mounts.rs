//! Mounting imported images, and comparing them with what tar makes of the same layers.

use crate::fixture::{Bench, Layer, Tar, noise};
use orlop_config::RootDigest;
use rustix::mount::{UnmountFlags, unmount};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tar::EntryType;

/// A mount that ends with the test.
struct Mounted(PathBuf);

impl Mounted {
    fn of(bench: &Bench, root: &RootDigest) -> Self {
        let target = bench.path("mnt");
        fs::create_dir_all(&target).unwrap();
        bench.store.mount(root, &target).unwrap();
        Self(target)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

fn extract(tar: &[u8], dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let mut child = Command::new("tar")
        .args([
            "--extract",
            "--xattrs",
            "--xattrs-include=*",
            "--numeric-owner",
            "-p",
            "-C",
        ])
        .arg(dir)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(tar).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Everything about every file below `dir`, as text, by path.
fn listing(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    let mut first_name: BTreeMap<u64, PathBuf> = BTreeMap::new();
    while let Some(path) = todo.pop() {
        let full = dir.join(&path);
        let meta = fs::symlink_metadata(&full).unwrap();
        let mut names: Vec<_> = Vec::new();
        if meta.is_dir() {
            names = fs::read_dir(&full)
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            names.sort();
        }
        let content = if meta.is_file() {
            format!("{:?}", orlop_config::Digest::of(&fs::read(&full).unwrap()))
        } else if meta.is_symlink() {
            format!("{:?}", fs::read_link(&full).unwrap())
        } else {
            format!("{names:?}")
        };
        let size = if meta.is_dir() { 0 } else { meta.size() };
        let links = if meta.is_dir() { 0 } else { meta.nlink() };
        let twin = first_name
            .entry(meta.ino())
            .or_insert_with(|| path.clone())
            .clone();
        let text = format!(
            "{:o} {}:{} size {size} time {}.{} device {} links {links} same as {twin:?} {} {content}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.rdev(),
            xattrs(&full),
        );
        todo.extend(names.into_iter().rev().map(|name| path.join(name)));
        all.insert(path, text);
    }
    all
}

fn xattrs(path: &Path) -> String {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(path, &mut names).unwrap();
    let mut text = Vec::new();
    for name in names[..len]
        .split(|b| *b == 0)
        .filter(|name| !name.is_empty())
    {
        let name = std::str::from_utf8(name).unwrap();
        let mut value = vec![0; 4096];
        let len = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
        text.push(format!("{name}={:?}", &value[..len]));
    }
    text.sort();
    text.join(" ")
}

/// A sparse file, as GNU tar packs it.
fn sparse_tar(bench: &Bench, format: &[&str]) -> Vec<u8> {
    let dir = bench.path("sparse");
    fs::create_dir_all(&dir).unwrap();
    let file = fs::File::create(dir.join("holes")).unwrap();
    file.set_len(3 << 20).unwrap();
    for (at, seed) in [(4096, 1), (1 << 20, 2), (2 << 20, 3)] {
        std::os::unix::fs::FileExt::write_all_at(&file, &noise(10_000, seed), at).unwrap();
    }
    drop(file);
    let output = Command::new("tar")
        .args(["--create", "--sparse"])
        .args(format)
        .arg("-C")
        .arg(&dir)
        .arg("holes")
        .output()
        .unwrap();
    assert!(output.status.success());
    output.stdout
}

#[tokio::test]
async fn a_mounted_image_is_what_tar_extracts() {
    let bench = Bench::new();
    let layer = Tar::new()
        .dir("./", 0o755)
        .dir("etc", 0o2750)
        .file("etc/empty", b"")
        .file("etc/small", b"0123456789")
        .file("etc/at-limit", &noise(64, 1))
        .file("etc/over-limit", &noise(65, 2))
        .file("usr/big", &noise(300_000, 3))
        .hardlink("usr/twin", "usr/big")
        .symlink("usr/link", "../etc/small")
        .hardlink("usr/link-twin", "usr/link")
        .special(EntryType::Char, "char", (5, 1))
        .special(EntryType::Block, "block", (259, 70000))
        .special(EntryType::Fifo, "fifo", (0, 0))
        .pax(&[
            ("SCHILY.xattr.user.note", b"a\nb"),
            ("SCHILY.xattr.security.capability", &CAPABILITY),
            ("mtime", b"1700000000.25"),
            ("uid", b"3000000"),
        ])
        .file("usr/tool", &noise(1000, 4))
        .file(&format!("long/{}/file", "n".repeat(200)), b"long")
        .bytes();
    // GNU tar makes parents that the layer lacks as of now; ours are of 1970.
    let parents = ["usr", "long", &format!("long/{}", "n".repeat(200))].map(PathBuf::from);
    extract(&layer, &bench.path("extracted"));
    let record = bench.import(&[Layer::zstd(layer)]).await.unwrap();
    let mounted = Mounted::of(&bench, &record.root);
    let mut expected = listing(&bench.path("extracted"));
    let mut found = listing(&mounted.0);
    for parent in &parents {
        assert!(
            found
                .remove(parent)
                .unwrap()
                .starts_with("40755 0:0 size 0 time 0.0")
        );
        expected.remove(parent).unwrap();
    }
    assert_eq!(found, expected);
    assert_eq!(found.len(), 15);
}

/// `cap_net_bind_service=ep`, revision 2.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[tokio::test]
async fn sparse_files_come_out_whole_in_every_format() {
    for format in [
        ["--format=gnu"].as_slice(),
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let bench = Bench::new();
        let tar = sparse_tar(&bench, format);
        assert!(tar.len() < 200_000, "tar did not pack it as sparse");
        let record = bench.import(&[Layer::plain(tar)]).await.unwrap();
        let mounted = Mounted::of(&bench, &record.root);
        let original = fs::read(bench.path("sparse/holes")).unwrap();
        assert!(
            fs::read(mounted.0.join("holes")).unwrap() == original,
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn a_hard_link_brings_mode_owner_time_and_attributes_to_its_file() {
    let bench = Bench::new();
    let below = Tar::new().file("file", &noise(100, 1)).bytes();
    let above = Tar::new()
        .pax(&[
            ("uid", b"7"),
            ("mtime", b"1600000000"),
            ("SCHILY.xattr.user.note", b"new"),
        ])
        .hardlink("link", "file")
        .symlink("symlink", "x")
        .pax(&[("uid", b"8"), ("mtime", b"1600000000")])
        .hardlink("other", "symlink")
        .bytes();
    let record = bench
        .import(&[Layer::plain(below), Layer::plain(above)])
        .await
        .unwrap();
    let mounted = Mounted::of(&bench, &record.root);
    let found = listing(&mounted.0);
    let starts = |path: &str, start: &str| {
        let entry = &found[Path::new(path)];
        assert!(entry.starts_with(start), "{entry}");
    };
    starts(
        "file",
        "100644 7:0 size 100 time 1600000000.0 device 0 links 2",
    );
    starts(
        "symlink",
        "120777 8:0 size 1 time 1700000000.0 device 0 links 2",
    );
    assert!(found[Path::new("file")].contains("user.note=[110, 101, 119]"));
}

#[tokio::test]
async fn whiteouts_hide_what_is_below_and_nothing_of_their_own_layer() {
    let bench = Bench::new();
    let below = Tar::new()
        .file("keep", b"1")
        .file("gone", b"2")
        .file("device/sub", b"gone")
        .file("replaced", b"3")
        .file("dir/old", b"4")
        .file("opaque/old", b"5")
        .file("opaque/sub/old", b"6")
        .bytes();
    let above = Tar::new()
        .file(".wh.gone", b"")
        .file("replaced", b"new")
        .file(".wh.replaced", b"")
        .file(".wh.dir", b"")
        .file("dir/new", b"7")
        .file("opaque/new", b"8")
        .file("opaque/.wh..wh..opq", b"")
        .file(".wh..wh.plnk", b"")
        .file("nowhere/.wh.x", b"")
        .special(EntryType::Char, "device", (0, 0))
        .special(EntryType::Char, "nowhere/device", (0, 0))
        .bytes();
    let record = bench
        .import(&[Layer::gzip(below), Layer::plain(above)])
        .await
        .unwrap();
    let mounted = Mounted::of(&bench, &record.root);
    let names: Vec<_> = listing(&mounted.0)
        .into_keys()
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "",
            "dir",
            "dir/new",
            "keep",
            "opaque",
            "opaque/new",
            "replaced"
        ]
    );
    assert_eq!(fs::read(mounted.0.join("replaced")).unwrap(), b"new");
}

#[tokio::test]
async fn layers_follow_symbolic_links_of_the_layers_below() {
    let bench = Bench::new();
    let below = Tar::new()
        .dir("usr/lib", 0o755)
        .symlink("lib", "usr/lib")
        .bytes();
    let above = Tar::new().file("lib/module", &noise(100, 1)).bytes();
    let record = bench
        .import(&[Layer::plain(below), Layer::plain(above)])
        .await
        .unwrap();
    let mounted = Mounted::of(&bench, &record.root);
    assert!(
        fs::symlink_metadata(mounted.0.join("lib"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        fs::read(mounted.0.join("usr/lib/module")).unwrap(),
        noise(100, 1)
    );
}

#[tokio::test]
async fn a_read_only_mount_cannot_be_written() {
    let bench = Bench::new();
    let layer = Layer::plain(Tar::new().file("a", &noise(100, 1)).bytes());
    let record = bench.import(&[layer]).await.unwrap();
    let mounted = Mounted::of(&bench, &record.root);
    let error = fs::write(mounted.0.join("b"), b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[tokio::test]
async fn what_a_container_writes_goes_to_its_upper_directory_alone() {
    let bench = Bench::new();
    let layer = Layer::plain(
        Tar::new()
            .file("a", &noise(100, 1))
            .file("b", &noise(100, 2))
            .bytes(),
    );
    let record = bench.import(&[layer]).await.unwrap();
    let (upper, work, target) = (bench.path("upper"), bench.path("work"), bench.path("mnt"));
    for dir in [&upper, &work, &target] {
        fs::create_dir(dir).unwrap();
    }
    bench
        .store
        .mount_with_upper(&record.root, &upper, &work, None, &target)
        .unwrap();
    let mounted = Mounted(target);
    fs::write(mounted.0.join("a"), b"changed").unwrap();
    fs::write(mounted.0.join("new"), b"new").unwrap();
    fs::remove_file(mounted.0.join("b")).unwrap();
    std::os::unix::fs::chown(mounted.0.join("a"), Some(5), Some(5)).unwrap();
    assert_eq!(fs::read(mounted.0.join("a")).unwrap(), b"changed");
    assert!(!mounted.0.join("b").exists());
    drop(mounted);
    assert_eq!(fs::read(upper.join("a")).unwrap(), b"changed");
    let again = Mounted::of(&bench, &record.root);
    assert_eq!(fs::read(again.0.join("a")).unwrap(), noise(100, 1));
    assert_eq!(fs::read(again.0.join("b")).unwrap(), noise(100, 2));
    assert!(!again.0.join("new").exists());
}

#[tokio::test]
async fn an_image_whose_metadata_was_changed_is_not_mounted() {
    let bench = Bench::new();
    let record = bench
        .import(&[Layer::plain(Tar::new().file("a", b"x").bytes())])
        .await
        .unwrap();
    let path = bench.store.image_path(&record.root);
    let mut image = fs::read(&path).unwrap();
    let last = image.len() - 1;
    image[last] ^= 1;
    fs::write(&path, &image).unwrap();
    let error = bench
        .store
        .mount(&record.root, bench.dir.path())
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(&format!(
            "cannot trust image {}: its metadata has digest ",
            record.root
        )),
        "{message}"
    );
}
