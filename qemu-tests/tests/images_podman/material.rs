//! What is packed into images: trees with every property that a layer can carry, and layers that GNU
//! tar makes of them.

use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, makedev, mknodat};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// `cap_net_bind_service=ep`, revision 2.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// An access list: owner, group and others, and user 1000 may read.
const ACCESS_LIST: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255,
    255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255,
];

/// All that a layer can carry.
const POSIX: [&str; 4] = ["--format=pax", "--xattrs", "--xattrs-include=*", "."];

/// What [`change_everything`] changes in the tree of [`Material::fill`], as a comparison tells it.
pub(crate) const EVERY_CHANGE: [&str; 14] = [
    "block: device",
    "char: type",
    "etc/added: theirs alone",
    "etc/conf: content",
    "etc/conf: size",
    "etc/empty: ours alone",
    "etc/noted: attribute user.note",
    "etc/owned: owner",
    "etc/secret: mode",
    "etc: time",
    "link-twin: target",
    "link: target",
    "usr/bin/alias: hard links",
    "usr/bin/tool: hard links",
];

/// Trees and layers, in a scratch folder.
pub(crate) struct Material {
    dir: PathBuf,
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Unpacks a layer as it is.
pub(crate) fn unpack(layer: &Path, root: &Path) {
    run(Command::new("tar")
        .args([
            "--extract",
            "--xattrs",
            "--xattrs-include=*",
            "--numeric-owner",
            "-p",
            "--file",
        ])
        .arg(layer)
        .arg("-C")
        .arg(root));
}

/// Content that does not compress and differs with `seed`.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

fn node(path: &Path, kind: FileType, (major, minor): (u32, u32)) {
    mknodat(
        CWD,
        path,
        kind,
        Mode::from_raw_mode(0o640),
        makedev(major, minor),
    )
    .unwrap();
}

fn attribute(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn time(path: &Path, seconds: i64) {
    let time = match u64::try_from(seconds) {
        Ok(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()),
    };
    let file = File::open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Gives every entry a time of its own in the past, directories after what is in them.
fn age(root: &Path) {
    run(Command::new("find").arg(root).args([
        "-depth",
        "-exec",
        "touch",
        "--no-dereference",
        "--date=2023-04-05T06:07:08.9Z",
        "{}",
        "+",
    ]));
}

impl Material {
    pub(crate) fn new(dir: &Path) -> Self {
        let this = Self {
            dir: dir.to_owned(),
        };
        let tree = this.path("first");
        fs::create_dir_all(&tree).unwrap();
        Self::fill(&tree);
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A tree with every property that a layer can carry.
    pub(crate) fn fill(root: &Path) {
        let at = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let write = |path: &str, data: &[u8]| fs::write(at(path), data).unwrap();
        write("etc/conf", b"first\n");
        write("etc/empty", b"");
        write("etc/secret", b"hidden later\n");
        write("etc/at-limit", &noise(64, 1));
        write("etc/over-limit", &noise(65, 2));
        write("etc/noted", b"has attributes\n");
        write("etc/owned", b"of somebody\n");
        write("usr/bin/tool", &noise(300_000, 3));
        write("usr/bin/able", &noise(5000, 4));
        write("usr/bin/setuid", &noise(100, 5));
        write("usr/share/old/deep", b"below an opaque directory later\n");
        write("usr/lib/library", &noise(70_000, 6));
        write("srv/content", b"becomes a file\n");
        write("removed/sub/file", b"goes with its directory\n");
        write("tmp/.keep", b"");
        write("shared/file", b"");
        write("times/old", b"before 1970\n");
        write("times/far", b"after 2106\n");
        write(
            &format!("names/{}/{}/x", "d".repeat(180), "e".repeat(120)),
            b"deep\n",
        );
        write(&format!("names/{}", "n".repeat(255)), b"long\n");
        write("names/a b\n\tc\\", b"odd\n");
        fs::write(
            root.join("names").join(OsStr::from_bytes(b"latin-\xe9")),
            b"not UTF-8\n",
        )
        .unwrap();
        fs::hard_link(at("usr/bin/tool"), at("usr/bin/alias")).unwrap();
        symlink("usr/lib", at("lib")).unwrap();
        symlink("/etc/conf", at("link")).unwrap();
        symlink("../../../outside", at("usr/out")).unwrap();
        symlink("t".repeat(3000), at("names/far-away")).unwrap();
        fs::hard_link(at("link"), at("link-twin")).unwrap();
        node(&at("char"), FileType::CharacterDevice, (5, 1));
        node(&at("block"), FileType::BlockDevice, (259, 70_000));
        node(&at("zero"), FileType::CharacterDevice, (0, 0));
        node(&at("pipe"), FileType::Fifo, (0, 0));
        Self::set_properties(&at);
        age(root);
        time(&at("times/old"), -86_400);
        time(&at("times/far"), (1 << 32) + 5);
    }

    fn set_properties(at: &dyn Fn(&str) -> PathBuf) {
        lchown(at("etc/owned"), Some(3_000_000), Some(4_000_000)).unwrap();
        lchown(at("usr/out"), Some(7), Some(8)).unwrap();
        lchown(at("shared"), Some(1000), Some(1000)).unwrap();
        for (path, bits) in [
            ("etc/secret", 0o600),
            ("usr/bin/tool", 0o755),
            ("usr/bin/setuid", 0o4755),
            ("shared", 0o2770),
            ("tmp", 0o1777),
            ("removed", 0o700),
        ] {
            mode(&at(path), bits);
        }
        attribute(&at("usr/bin/able"), "security.capability", &CAPABILITY);
        attribute(&at("etc/noted"), "user.note", b"a\nb\0c");
        attribute(&at("etc/noted"), "user.empty", b"");
        attribute(&at("shared"), "user.note", b"of a directory");
        attribute(&at("etc/noted"), "system.posix_acl_access", &ACCESS_LIST);
        attribute(&at("shared"), "system.posix_acl_default", &ACCESS_LIST);
    }

    /// A tar of some paths of a tree here, those without what is in them.
    fn tar(&self, tree: &str, layer: &str, options: &[&str]) -> PathBuf {
        let path = self.path(layer);
        run(Command::new("tar")
            .args(["--create", "--numeric-owner"])
            .arg("--file")
            .arg(&path)
            .arg("-C")
            .arg(self.path(tree))
            .args(options));
        path
    }

    /// Three layers: everything; a change of it; another one that lacks its parents.
    pub(crate) fn layers(&self) -> Vec<PathBuf> {
        let first = self.tar("first", "first.tar", &POSIX);
        vec![first, self.second(), self.third()]
    }

    /// Whiteouts before what replaces it, an opaque directory, other types, a hard link to the layer
    /// below; every directory is there.
    fn second(&self) -> PathBuf {
        let tree = self.path("second");
        let at = |path: &str| {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        let write = |path: &str, data: &[u8]| fs::write(at(path), data).unwrap();
        write("etc/.wh.secret", b"");
        write("etc/.wh.never-there", b"");
        write("etc/conf", b"second\n");
        write("etc/empty/now-a-directory", b"");
        write("srv", b"a file now\n");
        write("usr/share/.wh..wh..opq", b"");
        write("usr/share/new", b"above an opaque directory\n");
        write(".wh.removed", b"");
        write("char", b"a file now\n");
        write("usr/bin/tool", &noise(300_000, 3));
        fs::hard_link(at("usr/bin/tool"), at("usr/bin/zz-again")).unwrap();
        mode(&tree, 0o711);
        mode(&at("usr/share"), 0o750);
        age(&tree);
        let layer = self.tar(
            "second",
            "second.tar",
            &["--format=gnu", "--sort=name", "."],
        );
        // The link stays, to what is in the layer below alone.
        run(Command::new("tar")
            .arg("--delete")
            .arg("--file")
            .arg(&layer)
            .arg("./usr/bin/tool"));
        layer
    }

    /// No directory is there, neither those of the layers below nor new ones; one is a symbolic link.
    fn third(&self) -> PathBuf {
        let tree = self.path("third");
        let names = [
            "etc/third",
            "lib/by-a-link",
            "new/and/deep",
            "usr/share/.wh.new",
            "shared/.wh..wh..opq",
            "shared/third",
        ];
        for name in names {
            let path = tree.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, noise(100, 7)).unwrap();
        }
        age(&tree);
        let options = [["--format=gnu", "--no-recursion"].as_slice(), &names].concat();
        self.tar("third", "third.tar", &options)
    }

    /// One layer with sparse files for each way in which GNU tar writes them.
    pub(crate) fn sparse_layers(&self) -> Vec<(&'static str, PathBuf)> {
        let tree = self.path("sparse");
        fs::create_dir_all(&tree).unwrap();
        let make = |name: &str, size: u64, pieces: &[u64]| {
            let file = File::create(tree.join(name)).unwrap();
            file.set_len(size).unwrap();
            for at in pieces {
                file.write_all_at(&noise(5000, *at), *at).unwrap();
            }
        };
        let many: Vec<_> = (1..60).map(|n| n << 16).collect();
        make("many", 60 << 16, &many);
        make("few", 3 << 20, &[1 << 20, 2 << 20]);
        make("to-the-end", 1 << 20, &[(1 << 20) - 5000]);
        make("nothing-but-a-hole", 1 << 20, &[]);
        fs::write(tree.join("plain"), noise(10_000, 1)).unwrap();
        fs::write(tree.join("last"), b"after the holes\n").unwrap();
        age(&tree);
        let formats = [
            ("gnu", ["--format=gnu"].as_slice()),
            ("pax-0.0", &["--format=pax", "--sparse-version=0.0"]),
            ("pax-0.1", &["--format=pax", "--sparse-version=0.1"]),
            ("pax-1.0", &["--format=pax", "--sparse-version=1.0"]),
        ];
        formats
            .into_iter()
            .map(|(tag, options)| {
                let options = [options, &["--sparse", "."]].concat();
                let layer = self.tar("sparse", &format!("{tag}.tar"), &options);
                let packed = fs::metadata(&layer).unwrap().len();
                assert!(
                    packed < 1 << 20,
                    "{tag} is not packed as sparse: {packed} bytes"
                );
                (tag, layer)
            })
            .collect()
    }

    /// What [`Material::sparse_layers`] packs.
    pub(crate) fn sparse_tree(&self) -> PathBuf {
        self.path("sparse")
    }

    /// Unpacks the first layer.
    pub(crate) fn unpack_first(&self, root: &Path) {
        unpack(&self.tar("first", "first.tar", &POSIX), root);
    }

    /// Changes the tree that the first layer made.
    pub(crate) fn change(&self, root: &Path) {
        let at = |path: &str| root.join(path);
        fs::remove_file(at("etc/secret")).unwrap();
        fs::remove_dir_all(at("removed")).unwrap();
        fs::remove_dir_all(at("usr/share")).unwrap();
        fs::create_dir(at("usr/share")).unwrap();
        fs::write(at("usr/share/new"), b"in a new directory\n").unwrap();
        fs::hard_link(at("usr/bin/tool"), at("usr/bin/again")).unwrap();
        fs::write(at("lib/by-a-link"), noise(100, 8)).unwrap();
        fs::remove_file(at("char")).unwrap();
        fs::create_dir(at("char")).unwrap();
        mode(&at("shared"), 0o755);
        attribute(&at("etc/owned"), "user.note", b"later");
    }
}

/// One change of every property.
pub(crate) fn change_everything(root: &Path) {
    let at = |path: &str| root.join(path);
    fs::write(at("etc/added"), b"").unwrap();
    fs::write(at("etc/conf"), b"other\nand longer\n").unwrap();
    fs::remove_file(at("etc/empty")).unwrap();
    attribute(&at("etc/noted"), "user.note", b"other");
    lchown(at("etc/owned"), Some(1), Some(4_000_000)).unwrap();
    mode(&at("etc/secret"), 0o640);
    for path in ["char", "block", "link", "link-twin", "usr/bin/alias"] {
        fs::remove_file(at(path)).unwrap();
    }
    node(&at("char"), FileType::BlockDevice, (5, 1));
    node(&at("block"), FileType::BlockDevice, (259, 70_001));
    symlink("/etc/other", at("link")).unwrap();
    fs::hard_link(at("link"), at("link-twin")).unwrap();
    fs::write(at("usr/bin/alias"), noise(300_000, 3)).unwrap();
    mode(&at("usr/bin/alias"), 0o755);
    age(root);
    time(&at("times/old"), -86_400);
    time(&at("times/far"), (1 << 32) + 5);
    time(&at("etc"), 5);
}
