//! Images that share layers: what is known is not fetched again, and makes the same image.

use crate::fixture::{Bench, Layer, Tar, get, noise, options};
use crate::wire::{Proxy, Server};
use orlop_image::{ErrorKind, ImageRecord};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering;

const BIG: usize = 300_000;

/// One of each kind of entry, and a big file.
fn base() -> Layer {
    let tar = Tar::new()
        .dir("./", 0o750)
        .file("etc/hostname", b"orlop\n")
        .file("usr/bin/tool", &noise(BIG, 1))
        .hardlink("usr/bin/alias", "usr/bin/tool")
        .symlink("bin", "usr/bin")
        .special(tar::EntryType::Char, "dev/null", (1, 3))
        .special(tar::EntryType::Fifo, "run/pipe", (0, 0))
        .pax(&[("SCHILY.xattr.user.note", b"kept")])
        .file("etc/noted", b"x");
    Layer::gzip(tar.bytes())
}

/// Replaces and removes things of [`base`].
fn upper() -> Layer {
    let tar = Tar::new()
        .file("etc/hostname", b"another\n")
        .file("usr/bin/.wh.alias", b"")
        .file("usr/bin/tool", &noise(2000, 2));
    Layer::gzip(tar.bytes())
}

async fn fresh(layers: &[Layer]) -> ImageRecord {
    Bench::new().import(layers).await.unwrap()
}

#[tokio::test]
async fn a_layer_that_another_image_has_is_not_fetched_again_and_makes_the_same_image() {
    let bench = Bench::new();
    let layers = [base(), upper()];
    let images = [&layers[..1], &layers[..]].map(|some| bench.layout.image(some, json!({})));
    bench.layout.write_index(&images);
    let server = Server::of(&bench.path("layout")).await;
    let proxy = Proxy::new(server.address, Vec::new(), false).await;
    let pulled = images.map(|d| {
        let name = format!("@{}", d["digest"].as_str().unwrap());
        proxy.server.image(&name)
    });
    let sent = || proxy.bytes.load(Ordering::SeqCst);
    get(&bench.store, &pulled[0], &options()).await.unwrap();
    let first = sent();
    assert!(first > BIG as u64, "{first}");
    let second = get(&bench.store, &pulled[1], &options()).await.unwrap();
    let more = sent() - first;
    assert!(more < BIG as u64 / 10, "{more}");
    assert_eq!(second.root, fresh(&layers).await.root);
    assert_eq!(bench.store.scrub().unwrap().broken, [""; 0]);
}

#[tokio::test]
async fn a_layer_that_was_replaced_in_part_and_collected_is_fetched_again() {
    let bench = Bench::new();
    let kept = bench.import(&[base(), upper()]).await.unwrap();
    let keep = BTreeSet::from([kept.root.clone()]);
    let freed = bench.store.gc(&keep).unwrap();
    assert!(freed.bytes >= BIG as u64, "{freed:?}");
    let alone = bench.import(&[base()]).await.unwrap();
    assert_eq!(alone.root, fresh(&[base()]).await.root);
    assert_eq!(bench.store.scrub().unwrap().broken, [""; 0]);
}

#[tokio::test]
async fn what_a_pull_that_cannot_succeed_has_learnt_of_layers_is_forgotten() {
    let bench = Bench::new();
    let names = || {
        let list = fs::read_dir(bench.path("store/orlop/layers")).unwrap();
        let mut names: Vec<_> = list.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    bench.import(&[upper()]).await.unwrap();
    let before = names();
    assert_eq!(before.len(), 1);
    bench.layout.only(&[upper(), base()]);
    let blob = bench.layout.blob_path(&base().digest());
    let mut damaged = fs::read(&blob).unwrap();
    let end = damaged.len() - 1;
    damaged[end] ^= 1;
    fs::write(&blob, damaged).unwrap();
    let error = get(&bench.store, &bench.layout.reference(), &options()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Integrity);
    assert_eq!(names(), before);
}
