//! Layers that somebody made to do harm.

use crate::fixture::{Bench, Layer, Tar, chain};
use orlop_image::ErrorKind;
use tar::EntryType;

async fn refusal(tar: Tar) -> String {
    refusal_of(tar.bytes()).await
}

async fn refusal_of(tar: Vec<u8>) -> String {
    let bench = Bench::new();
    let error = bench.import(&[Layer::plain(tar)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(bench.store.records().unwrap(), []);
    let image = bench.layout.reference();
    chain(&error).replace(&format!("cannot unpack layer 1 of 1 of {image}: "), "")
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
    let big = crate::fixture::noise(100, 1);
    let layer = Layer::plain(
        Tar::new()
            .raw(EntryType::Regular, "//./etc//passwd", &big)
            .bytes(),
    );
    let record = bench.import(&[layer]).await.unwrap();
    let objects = bench.store.objects(&record.root).unwrap();
    assert_eq!(
        objects.keys().collect::<Vec<_>>(),
        [std::path::Path::new("/etc/passwd")]
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
    let big = crate::fixture::noise(100, 1);
    let tar = Tar::new()
        .symlink("out", "../../../tmp")
        .file("out/file", &big)
        .bytes();
    let record = bench.import(&[Layer::plain(tar)]).await.unwrap();
    let objects = bench.store.objects(&record.root).unwrap();
    assert_eq!(
        objects.keys().collect::<Vec<_>>(),
        [std::path::Path::new("/tmp/file")]
    );
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
        refusal_of(header.as_bytes().to_vec()).await,
        "cannot unpack the layer: a file's size is over the limit of 68719476736 at \"huge\""
    );
}

#[tokio::test]
async fn an_extension_header_that_would_fill_the_memory_is_refused() {
    for kind in [EntryType::XHeader, EntryType::GNULongName] {
        let mut header = Tar::header(kind, u64::MAX >> 1, 0o644);
        header.set_cksum();
        assert_eq!(
            refusal_of(header.as_bytes().to_vec()).await,
            "cannot unpack the layer: an extension header is over the limit of 1048576 at \"byte 512\""
        );
    }
}

#[tokio::test]
async fn what_is_no_tar_is_refused_with_the_place() {
    let mut tar = Tar::new().file("a", b"x").bytes();
    tar[1024] = b'j';
    assert_eq!(
        refusal_of(tar).await,
        "cannot read the tar at byte 1536: a header has a wrong checksum"
    );
    let mut cut = Tar::new().file("a", &[7; 2000]).bytes();
    cut.truncate(1500);
    assert_eq!(
        refusal_of(cut).await,
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
