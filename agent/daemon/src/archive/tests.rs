//! Archives there and back, and archives that mean harm.

use super::super::{open_dir, pack};
use super::*;
use rustix::fs::CWD;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use tar::{Builder, Header};

fn unpack(archive: &[u8], into: &Path) -> Result<(), ArchiveError> {
    let root = open_dir(into).unwrap();
    let unpack = Unpack {
        root: &root,
        ids: None,
        owner: Owner::AsPacked,
        top: None,
    };
    unpack.run(&mut &archive[..])
}

fn packed(dir: &Path) -> Vec<u8> {
    let mut archive = Vec::new();
    let root = open_dir(dir).unwrap();
    pack(&root, None, Path::new(""), Path::new(""), &mut archive).unwrap();
    archive
}

/// A folder with one of each.
fn sample() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir_all(path("deep/er")).unwrap();
    fs::write(path("deep/er/file"), "content").unwrap();
    fs::hard_link(path("deep/er/file"), path("deep/second")).unwrap();
    fs::write(path(&"long".repeat(40)), vec![7; 100_000]).unwrap();
    fs::set_permissions(path("deep/er/file"), PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(path("deep/er/file"), Some(1000), Some(3_000_000)).unwrap();
    fs::set_permissions(path("deep"), PermissionsExt::from_mode(0o1777)).unwrap();
    symlink("../outside/nothing", path("link")).unwrap();
    mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    dir
}

/// Every entry, with all that is to be kept of it.
fn look(dir: &Path) -> Vec<String> {
    let output = Command::new("find")
        .args([".", "-not", "-type", "s", "-printf"])
        .arg("%p %y %m %U %G %n %l %Ts\n")
        .current_dir(dir)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let (before, after) = (sample(), tempfile::tempdir().unwrap());
    unpack(&packed(before.path()), after.path()).unwrap();
    assert_eq!(look(after.path()), look(before.path()));
    let again = |name: &str| fs::metadata(after.path().join(name)).unwrap().ino();
    assert_eq!(again("deep/er/file"), again("deep/second"));
    // What is there is replaced, and a second time changes nothing.
    unpack(&packed(before.path()), after.path()).unwrap();
    assert_eq!(look(after.path()), look(before.path()));
}

#[test]
fn tar_reads_what_is_packed_and_what_tar_packs_is_read() {
    let (before, by_tar, of_tar) = (
        sample(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let file = by_tar.path().join("archive");
    fs::write(&file, packed(before.path())).unwrap();
    let tar = |arguments: &[&str], dir: &Path| {
        let output = Command::new("tar")
            .args(arguments)
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let into = by_tar.path().join("into");
    fs::create_dir(&into).unwrap();
    tar(
        &["--extract", "--numeric-owner", "--file", "../archive"],
        &into,
    );
    assert_eq!(look(&into), look(before.path()));
    for format in ["gnu", "pax"] {
        let format = format!("--format={format}");
        let archive = tar(
            &["--create", &format, "--exclude=./socket", "."],
            before.path(),
        );
        unpack(&archive, of_tar.path()).unwrap();
        assert_eq!(look(of_tar.path()), look(before.path()));
    }
}

#[test]
fn what_leads_out_of_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (into, outside) = (dir.path().join("into"), dir.path().join("outside"));
    fs::create_dir(&into).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    let entry = |builder: &mut Builder<Vec<u8>>, kind, name: &str, link: &str| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_link_name_literal(link).unwrap();
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
    };
    let outside_text = outside.display().to_string();
    for (entries, error) in [
        (
            vec![(EntryType::Regular, "../outside/new", "")],
            "cannot unpack ../outside/new: it leads out of the folder",
        ),
        (
            vec![
                (EntryType::Symlink, "a", outside_text.as_str()),
                (EntryType::Regular, "a/new", ""),
            ],
            "cannot open a: Too many levels of symbolic links (os error 40)",
        ),
        (
            vec![(EntryType::Link, "a", "../outside/kept")],
            "cannot unpack ../outside/kept: it leads out of the folder",
        ),
        (
            vec![(EntryType::Char, "null", "")],
            "cannot unpack null: it is a device",
        ),
    ] {
        let mut builder = Builder::new(Vec::new());
        for (kind, name, link) in entries {
            entry(&mut builder, kind, name, link);
        }
        let refused = unpack(&builder.into_inner().unwrap(), &into).unwrap_err();
        assert_eq!(refused.fault().message, error);
        let found: Vec<_> = fs::read_dir(&outside).unwrap().collect();
        assert_eq!(found.len(), 1, "{found:?}");
    }
    assert_eq!(
        fs::read_to_string(outside.join("kept")).unwrap(),
        "kept",
        "what is outside is as it was"
    );
}

#[test]
fn no_archive_and_half_an_archive_are_errors() {
    let into = tempfile::tempdir().unwrap();
    let error = unpack(b"", into.path()).unwrap_err();
    assert!(matches!(error, ArchiveError::Empty), "{error:?}");
    let whole = packed(sample().path());
    for part in [&whole[..700], &whole[..whole.len() / 2], b"no archive"] {
        let error = unpack(part, into.path()).unwrap_err();
        assert!(matches!(error, ArchiveError::Read(_)), "{error:?}");
    }
}

#[test]
fn the_top_gets_another_name_and_everything_another_owner_where_that_is_asked_for() {
    let (before, after) = (sample(), tempfile::tempdir().unwrap());
    let mut archive = Vec::new();
    let above = open_dir(before.path()).unwrap();
    pack(
        &above,
        None,
        Path::new("deep"),
        Path::new("deep"),
        &mut archive,
    )
    .unwrap();
    let root = open_dir(after.path()).unwrap();
    let unpack = Unpack {
        root: &root,
        ids: None,
        owner: Owner::Root,
        top: Some("other".into()),
    };
    unpack.run(&mut &archive[..]).unwrap();
    let names: Vec<String> = look(after.path())
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    let expected = [
        ".",
        "./other",
        "./other/er",
        "./other/er/file",
        "./other/second",
    ];
    assert_eq!(names, expected);
    let file = fs::metadata(after.path().join("other/er/file")).unwrap();
    assert_eq!((file.uid(), file.gid(), file.nlink()), (0, 0, 2));
}
