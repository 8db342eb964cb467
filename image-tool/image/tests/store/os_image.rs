//! OS images: the UKI beside the tree, and what it and the labels claim.

use crate::fixture::{Bench, Layer, Tar, get, noise, options};
use orlop_config::{Digest, RootDigest};
use orlop_image::uki::{UkiParts, assemble, boot_digest};
use orlop_image::{ErrorKind, Expect, ImageKind, root_digest_of_layer};
use serde_json::{Value, json};
use std::fs;

/// The smallest EFI program that sections can be added to, byte by byte.
fn stub() -> Vec<u8> {
    let mut file = vec![0; 0x800];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(60, &64u32.to_le_bytes()); // e_lfanew
    put(64, b"PE\0\0");
    put(68, &0x8664u16.to_le_bytes()); // machine
    put(70, &1u16.to_le_bytes()); // sections
    put(84, &112u16.to_le_bytes()); // size of the optional header
    put(88, &0x20bu16.to_le_bytes()); // PE32+
    put(88 + 32, &0x1000u32.to_le_bytes()); // section alignment
    put(88 + 36, &0x200u32.to_le_bytes()); // file alignment
    put(88 + 60, &0x600u32.to_le_bytes()); // size of headers
    let section = 88 + 112;
    put(section, b".text");
    put(section + 8, &5u32.to_le_bytes()); // virtual size
    put(section + 12, &0x1000u32.to_le_bytes()); // virtual address
    put(section + 16, &0x200u32.to_le_bytes()); // size of data
    put(section + 20, &0x600u32.to_le_bytes()); // place of data
    file
}

struct Os {
    root: RootDigest,
    boot: Digest,
    uki: Vec<u8>,
    layers: [Layer; 2],
}

fn os(bench: &Bench, root_in_uki: Option<&str>) -> Os {
    let layer = Layer::zstd(
        Tar::new()
            .dir("./", 0o755)
            .file("usr/init", &noise(500, 1))
            .bytes(),
    );
    let path = bench.path("layer1");
    fs::write(&path, &layer.blob).unwrap();
    let root = root_digest_of_layer(&path).unwrap();
    let cmdline = format!("quiet orlop.root={}", root_in_uki.unwrap_or(root.as_str()));
    let (kernel, initrd) = (noise(5000, 2), noise(3000, 3));
    let uki = assemble(&UkiParts {
        stub: &stub(),
        kernel: &kernel,
        initrd: &initrd,
        cmdline: &cmdline,
        os_release: "ID=orlop\n",
        uname: "6.12.0",
    })
    .unwrap();
    let mut second = Layer::zstd(Tar::new().file("orlop.efi", &uki).bytes());
    second.is_uki = true;
    Os {
        boot: boot_digest(&kernel, &initrd, &cmdline),
        root,
        uki,
        layers: [layer, second],
    }
}

fn labels(version: &str, root: &str, boot: &str) -> Value {
    json!({ "Labels": {
        "io.orlop.os.version": version, "io.orlop.os.root": root, "io.orlop.os.boot": boot,
    }})
}

#[tokio::test]
async fn an_os_image_keeps_its_uki_beside_the_tree() {
    let bench = Bench::new();
    let os = os(&bench, None);
    let config = labels("1.2", os.root.as_str(), os.boot.as_str());
    bench.layout.tag(bench.layout.image(&os.layers, config));
    let image = bench.layout.reference();
    let record = get(&bench.store, &image, &options().expecting(Expect::Os))
        .await
        .unwrap();
    assert_eq!(record.root, os.root);
    assert_eq!(
        record.kind,
        ImageKind::Os {
            version: "1.2".to_owned(),
            boot: os.boot
        }
    );
    assert_eq!(fs::read(bench.store.uki_path(&os.root)).unwrap(), os.uki);
    let files = bench.store.objects(&record.root).unwrap();
    assert_eq!(files.len(), 1, "{files:?}");
    let error = get(
        &bench.store,
        &image,
        &options().expecting(Expect::Container),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot use {image} as a container image: it is an OS image")
    );
    bench.store.gc(&Default::default()).unwrap();
    assert!(!bench.store.uki_path(&os.root).exists());
}

#[tokio::test]
async fn a_container_image_is_refused_as_an_os() {
    let bench = Bench::new();
    bench
        .layout
        .only(&[Layer::plain(Tar::new().file("a", b"x").bytes())]);
    let image = bench.layout.reference();
    let error = get(&bench.store, &image, &options().expecting(Expect::Os))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot use {image} as an OS image: it has no layer with a UKI (annotation \
             io.orlop.layer)"
        )
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[tokio::test]
async fn an_os_image_that_lies_about_its_root_or_boot_digest_is_refused() {
    let bench = Bench::new();
    let other = "12".repeat(32);
    let (good, lying) = (os(&bench, None), os(&bench, Some(&other)));
    let (root, boot) = (good.root.as_str(), good.boot.as_str());
    let wrong_boot = Digest::of(b"another kernel");
    for (os, config, message) in [
        (
            &good,
            labels("1", &other, boot),
            format!("says root {other}, its files make {root}"),
        ),
        (
            &lying,
            labels("1", root, boot),
            format!("the UKI's command line says root {other}, its files make {root}"),
        ),
        (
            &good,
            labels("1", root, wrong_boot.as_str()),
            format!("expected {wrong_boot}, got {boot}"),
        ),
        (
            &good,
            json!({}),
            "it has no label io.orlop.os.version".to_owned(),
        ),
        (
            &good,
            labels("1", "short", boot),
            "its label io.orlop.os.root is wrong: ".to_owned(),
        ),
    ] {
        bench.layout.tag(bench.layout.image(&os.layers, config));
        let error = get(&bench.store, &bench.layout.reference(), &options())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(&message), "{error}\n{message}");
        assert_eq!(bench.store.records().unwrap(), []);
    }
}
