//! Layers that somebody made to do harm.

use crate::fixture::{Bench, Layer, Tar, chain, get, noise, options};
use orlop_config::Digest;
use orlop_image::ErrorKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tar::EntryType;

async fn refusal(tar: Tar) -> String {
    refusal_of(Layer::plain(tar.bytes())).await
}

/// Why an image of this layer is not taken, after a layer that is. The store is as it was then.
async fn refusal_of(layer: Layer) -> String {
    let bench = Bench::new();
    let good = Layer::zstd(Tar::new().file("good", &noise(5000, 9)).bytes());
    let descriptor = bench.layout.image(&[good, layer], json!({}));
    let message = refusal_in(&bench, descriptor).await;
    let image = bench.layout.reference();
    message.replace(&format!("cannot unpack layer 2 of 2 of {image}: "), "")
}

/// Why the image of this descriptor is not taken.
async fn refusal_in(bench: &Bench, descriptor: Value) -> String {
    let kept = Layer::plain(Tar::new().file("kept", &noise(5000, 1)).bytes());
    bench.layout.tag(bench.layout.image(&[kept], json!({})));
    get(&bench.store, &bench.layout.reference(), &options())
        .await
        .unwrap();
    let before = snapshot(bench.store.dir());
    bench.layout.tag(descriptor);
    let error = get(&bench.store, &bench.layout.reference(), &options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(
        snapshot(bench.store.dir()),
        before,
        "something is left behind"
    );
    chain(&error)
}

/// Every path below `dir`, and what is in it.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Option<Digest>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            todo.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        let content = meta
            .is_file()
            .then(|| Digest::of(&fs::read(&path).unwrap()));
        found.insert(path, content);
    }
    found
}

#[tokio::test]
async fn a_path_with_dot_dot_is_refused() {
    let tar = Tar::new().raw(EntryType::Regular, "a/../../etc/passwd", b"x");
    assert_eq!(
        refusal(tar).await,
        "cannot place \"a/../../etc/passwd\": a path with `..` may leave the image"
    );
}

#[tokio::test]
async fn an_absolute_path_is_taken_below_the_root() {
    let bench = Bench::new();
    let big = noise(100, 1);
    let layer = Layer::plain(
        Tar::new()
            .raw(EntryType::Regular, "//./etc//passwd", &big)
            .bytes(),
    );
    let record = bench.import(&[layer]).await.unwrap();
    let objects = bench.store.objects(&record.root).unwrap();
    assert_eq!(
        objects.keys().collect::<Vec<_>>(),
        [Path::new("/etc/passwd")]
    );
}

#[tokio::test]
async fn a_hard_link_out_of_the_image_is_refused() {
    for (target, why) in [
        (
            "../../etc/shadow",
            "cannot place \"x\": a path with `..` may leave the image",
        ),
        (
            "/etc/shadow",
            "cannot link \"x\" to \"etc/shadow\": the target is not in the image so far",
        ),
    ] {
        assert_eq!(refusal(Tar::new().hardlink("x", target)).await, why);
    }
    assert_eq!(
        refusal(Tar::new().dir("d", 0o755).hardlink("x", "d")).await,
        "cannot link \"x\" to \"d\": the target is a directory"
    );
}

#[tokio::test]
async fn a_symbolic_link_on_the_way_stays_inside_the_image() {
    let bench = Bench::new();
    let big = noise(100, 1);
    let tar = Tar::new()
        .symlink("out", "../../../tmp")
        .file("out/file", &big)
        .bytes();
    let record = bench.import(&[Layer::plain(tar)]).await.unwrap();
    let objects = bench.store.objects(&record.root).unwrap();
    assert_eq!(objects.keys().collect::<Vec<_>>(), [Path::new("/tmp/file")]);
}

#[tokio::test]
async fn symbolic_links_in_a_circle_are_refused() {
    let tar = Tar::new()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/file", b"x");
    assert_eq!(
        refusal(tar).await,
        "cannot place \"a/file\": too many symbolic links on the way"
    );
}

#[tokio::test]
async fn a_file_below_a_file_is_refused() {
    let tar = Tar::new().file("a", b"x").file("a/b", b"y");
    assert_eq!(
        refusal(tar).await,
        "cannot place \"a/b\": a part of its path is not a directory"
    );
}

#[tokio::test]
async fn directories_deeper_than_the_limit_are_refused() {
    let path = vec!["d"; 300].join("/");
    let tar = Tar::new()
        .pax(&[("path", path.as_bytes())])
        .file("short", b"x");
    assert_eq!(
        refusal(tar).await,
        format!(
            "cannot unpack the layer: the depth of directories is over the limit of 256 at {path:?}"
        )
    );
}

#[tokio::test]
async fn a_file_that_claims_to_be_huge_is_refused_before_it_is_read() {
    let mut header = Tar::header(EntryType::Regular, 1 << 60, 0o644);
    header.set_path("huge").unwrap();
    header.set_cksum();
    assert_eq!(
        refusal_of(Layer::plain(header.as_bytes().to_vec())).await,
        "cannot unpack the layer: a file's size is over the limit of 68719476736 at \"huge\""
    );
}

#[tokio::test]
async fn an_extension_header_that_would_fill_the_memory_is_refused() {
    for kind in [EntryType::XHeader, EntryType::GNULongName] {
        let mut header = Tar::header(kind, u64::MAX >> 1, 0o644);
        header.set_cksum();
        assert_eq!(
            refusal_of(Layer::plain(header.as_bytes().to_vec())).await,
            "cannot unpack the layer: an extension header is over the limit of 1048576 at \"byte 512\""
        );
    }
}

#[tokio::test]
async fn what_is_no_tar_is_refused_with_the_place() {
    let mut tar = Tar::new().file("a", b"x").bytes();
    tar[1024] = b'j';
    assert_eq!(
        refusal_of(Layer::plain(tar)).await,
        "cannot read the tar at byte 1536: a header has a wrong checksum"
    );
    let mut cut = Tar::new().file("a", &[7; 2000]).bytes();
    cut.truncate(1500);
    assert_eq!(
        refusal_of(Layer::plain(cut)).await,
        "cannot read the layer: the tar ends inside a file"
    );
    let unknown = Tar::new().raw(EntryType::new(b'V'), "volume", b"");
    assert_eq!(
        refusal(unknown).await,
        "cannot read the tar at byte 512: entry type 'V' is unknown"
    );
}

#[tokio::test]
async fn a_name_or_path_that_linux_cannot_have_is_refused() {
    let name = "n".repeat(256);
    let tar = Tar::new()
        .pax(&[("path", name.as_bytes())])
        .file("short", b"x");
    assert_eq!(
        refusal(tar).await,
        format!("cannot place {name:?}: a name is longer than 255 bytes")
    );
    let tar = Tar::new().pax(&[("path", b"a\0b")]).file("short", b"x");
    assert_eq!(
        refusal(tar).await,
        "cannot place \"a\\0b\": a path with a zero byte"
    );
}

#[tokio::test]
async fn a_layer_that_would_unpack_to_a_bomb_is_refused_before_it_is_read() {
    let size = 5_u64 << 30;
    let mut header = Tar::header(EntryType::Regular, size, 0o644);
    header.set_path("bomb").unwrap();
    header.set_cksum();
    let mut zeros = header.as_bytes().to_vec();
    zeros.resize(3 << 20, 0);
    let sparse = Tar::new()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"bomb"),
            ("GNU.sparse.realsize", size.to_string().as_bytes()),
        ])
        .raw(
            EntryType::Regular,
            "x",
            &[b"0\n".as_slice(), &[0; 510]].concat(),
        )
        .bytes();
    let two = Tar::new()
        .pax(&[
            ("GNU.sparse.map", b"0,0"),
            ("GNU.sparse.size", b"3221225472"),
        ])
        .file("fits", b"")
        .pax(&[
            ("GNU.sparse.map", b"0,0"),
            ("GNU.sparse.size", b"3221225472"),
        ])
        .file("bomb", b"")
        .bytes();
    for tar in [zeros, sparse] {
        for pack in [Layer::plain, Layer::gzip, Layer::zstd] {
            assert_eq!(
                refusal_of(pack(tar.clone())).await,
                "cannot unpack the layer: the size of its files, for what the layer is packed in, is \
                 over the limit of 4294967296 at \"bomb\""
            );
        }
    }
    // The first would be written: its size alone is within the limit.
    let path = tempfile::NamedTempFile::new().unwrap();
    fs::write(path.path(), two).unwrap();
    let error = orlop_image::root_digest_of_layer(path.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is over the limit of 4294967296 at \"bomb\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_layer_of_another_size_than_the_manifest_says_is_refused() {
    let bench = Bench::new();
    let layer = Layer::gzip(Tar::new().file("file", &noise(5000, 1)).bytes());
    let descriptor = bench.layout.image(std::slice::from_ref(&layer), json!({}));
    let digest: Digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
    let text = fs::read(bench.layout.blob_path(&digest)).unwrap();
    let mut manifest: Value = serde_json::from_slice(&text).unwrap();
    let size = layer.blob.len();
    manifest["layers"][0]["size"] = json!(size + 1);
    let text = manifest.to_string();
    let lying = bench.layout.put(text.as_bytes());
    let message = refusal_in(
        &bench,
        json!({ "digest": lying.as_str(), "size": text.len() }),
    )
    .await;
    let image = bench.layout.reference();
    assert_eq!(
        message,
        format!(
            "cannot trust layer 1 of 1 (size) of {image}: expected {} bytes, got {size} bytes",
            size + 1
        )
    );
}

#[tokio::test]
async fn a_blob_that_was_cut_off_before_it_was_hashed_is_refused() {
    let tar = Tar::new().file("file", &noise(500_000, 1)).bytes();
    for (pack, why) in [
        (Layer::gzip as fn(_) -> _, "cannot read the layer: "),
        (Layer::zstd, "cannot read the layer: "),
        (
            Layer::plain,
            "cannot read the layer: the tar ends inside a file",
        ),
    ] {
        let mut layer: Layer = pack(tar.clone());
        layer.blob.truncate(layer.blob.len() / 2);
        let message = refusal_of(layer).await;
        assert!(message.starts_with(why), "{message}");
    }
}

#[tokio::test]
async fn manifests_and_configs_that_are_too_big_or_do_not_fit_are_refused() {
    let bench = Bench::new();
    let config = |diff_ids: &[Digest], size: usize| {
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        let text = json!({ "rootfs": rootfs, "author": "a".repeat(size) }).to_string();
        (bench.layout.put(text.as_bytes()), text.len())
    };
    let manifest = |(config, size): (Digest, usize), layers: usize, more: usize| {
        let layer = json!({ "digest": Digest::of(b"").as_str(), "size": 0 });
        let text = json!({
            "schemaVersion": 2, "config": { "digest": config.as_str(), "size": size },
            "layers": vec![layer; layers], "annotations": { "a": "a".repeat(more) },
        })
        .to_string();
        (bench.layout.put(text.as_bytes()), text.len())
    };
    let index = |(child, size): (Digest, usize)| {
        let platform = json!({ "os": "linux", "architecture": "amd64" });
        let child = json!({ "digest": child.as_str(), "size": size, "platform": platform });
        let text = json!({ "schemaVersion": 2, "manifests": [child] }).to_string();
        (bench.layout.put(text.as_bytes()), text.len())
    };
    let small = config(&[], 1);
    let big = 5 << 20;
    for (image, what) in [
        (manifest(small.clone(), 0, big), "cannot read manifest of"),
        (manifest(config(&[], big), 0, 1), "cannot read config of"),
        (
            manifest(small.clone(), 2, 1),
            "it has 0 diff_ids for 2 layers",
        ),
        (manifest(small.clone(), 513, 1), "it has over 512 layers"),
        (
            index(index(manifest(small, 0, 1))),
            "an index that names an index",
        ),
    ] {
        let (digest, size) = image;
        let message = refusal_in(&bench, json!({ "digest": digest.as_str(), "size": size })).await;
        assert!(message.contains(what), "{message}");
    }
}

#[tokio::test]
async fn of_two_entries_of_one_name_the_last_one_counts() {
    let bench = Bench::new();
    let (first, last) = (noise(1000, 1), noise(2000, 2));
    let tar = Tar::new()
        .file("twice", &first)
        .dir("changes", 0o755)
        .file("changes/below", &first)
        .symlink("link", "/elsewhere")
        .file("twice", &last)
        .file("changes", &last)
        .file("link", &last)
        .bytes();
    let record = bench.import(&[Layer::plain(tar)]).await.unwrap();
    let objects = bench.store.objects(&record.root).unwrap();
    let names: Vec<_> = objects.keys().collect();
    assert_eq!(names, ["/changes", "/link", "/twice"].map(Path::new));
    for object in objects.values() {
        assert_eq!(fs::read(object).unwrap(), last);
    }
}

#[tokio::test]
async fn times_of_any_century_are_taken() {
    let bench = Bench::new();
    let mut before = Tar::header(EntryType::Regular, 0, 0o644);
    before.set_path("before-1970").unwrap();
    before.as_gnu_mut().unwrap().mtime = (-5_i128).to_be_bytes()[4..].try_into().unwrap();
    before.set_cksum();
    let rest = Tar::new()
        .pax(&[("mtime", i64::MAX.to_string().as_bytes())])
        .file("far", b"")
        .pax(&[("mtime", format!("-{}", u64::MAX).as_bytes())])
        .bytes();
    let tar = [before.as_bytes().as_slice(), &rest].concat();
    bench.import(&[Layer::plain(tar)]).await.unwrap();
    let tar = Tar::new()
        .pax(&[("mtime", b"99999999999999999999")])
        .file("x", b"");
    assert_eq!(
        refusal(tar).await,
        "cannot read the tar at byte 1024: the PAX record mtime is no time"
    );
}

#[tokio::test]
async fn a_device_that_linux_cannot_have_is_refused() {
    for device in [(1 << 12, 0), (0, 1 << 20)] {
        let tar = Tar::new().special(EntryType::Char, "device", device);
        let (major, minor) = device;
        assert_eq!(
            refusal(tar).await,
            format!("cannot read the tar at byte 512: device {major}:{minor} is out of range")
        );
    }
}

#[tokio::test]
async fn a_hard_link_through_a_symbolic_link_stays_inside_the_image() {
    let bench = Bench::new();
    let data = noise(1000, 1);
    let tar = Tar::new()
        .file("etc/shadow", &data)
        .symlink("out", "/etc")
        .hardlink("copy", "out/shadow")
        .bytes();
    let record = bench.import(&[Layer::plain(tar)]).await.unwrap();
    let objects = bench.store.objects(&record.root).unwrap();
    let names: Vec<_> = objects.keys().collect();
    assert_eq!(names, ["/copy", "/etc/shadow"].map(Path::new));
    assert_eq!(
        refusal(
            Tar::new()
                .symlink("out", "/etc")
                .hardlink("copy", "out/shadow")
        )
        .await,
        "cannot link \"copy\" to \"out/shadow\": the target is not in the image so far"
    );
}

/// A layer of so many empty files, packed with zstd.
fn crowd(entries: u64) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut packed = zstd::Encoder::new(&file, 1).unwrap();
    let mut header = Tar::header(EntryType::Regular, 0, 0o644);
    for number in 0..entries {
        let name = format!(
            "usr/lib/{}/{}/file-{number}",
            number / 100_000,
            number / 500
        );
        header.set_path(name).unwrap();
        header.set_cksum();
        std::io::Write::write_all(&mut packed, header.as_bytes()).unwrap();
    }
    packed.finish().unwrap();
    file
}

/// The most memory that this process ever had, in MiB.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap();
    kib.parse::<u64>().unwrap() >> 10
}

#[test]
fn more_entries_than_the_limit_are_refused_and_what_is_within_it_takes_bounded_memory() {
    let before = peak_mib();
    orlop_image::root_digest_of_layer(crowd(50_000).path()).unwrap();
    let taken = peak_mib() - before;
    assert!(taken < 70, "{taken} MiB for 50000 entries");
    let error = orlop_image::root_digest_of_layer(crowd(500_001).path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot unpack the layer: the number of entries is over the limit of 500000 at \
         \"usr/lib/5/1000/file-500000\""
    );
    let taken = peak_mib() - before;
    assert!(taken < 300, "{taken} MiB until the entries are refused");
}
