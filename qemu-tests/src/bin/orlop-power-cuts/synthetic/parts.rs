//! What a synthetic recording is made from: a partition table, and stores with two images.

use super::{ESP_AT, ESP_MIB, STATE_AT, STATE_MIB, run, text};
use orlop_config::ImageRef;
use orlop_image::{ImageRecord, PullOptions, Store, Verity, pull};
use orlop_machines::layout::{ImageCommand, ImageFile, LayoutWriter};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn partition(disk: &Path) {
    let line = |at: u64, mib: u64, kind: &str, name: &str| {
        format!(
            "start={}, size={}, type={kind}, name={name}\n",
            at / 512,
            mib * 2048
        )
    };
    let script = [
        "label: gpt\n".to_owned(),
        line(ESP_AT, ESP_MIB, "uefi", "orlop-esp"),
        line(STATE_AT, STATE_MIB, "linux", "orlop-state"),
    ];
    let file = disk.with_extension("sfdisk");
    fs::write(&file, script.concat()).unwrap();
    let command = format!(
        "sfdisk -q --no-reread --no-tell-kernel {} < {}",
        text(disk),
        text(&file)
    );
    run("sh", &["-c", &command]);
}

/// Two state folders: one whose store has OS 1, and one with OS 2 besides.
pub(super) fn stores(dir: &Path) -> ([ImageRecord; 2], [PathBuf; 2]) {
    let layout = dir.join("layout");
    let mut writer = LayoutWriter::create(&layout).unwrap();
    for tag in ["1", "2"] {
        let file = |name: &str, fill: &str| ImageFile {
            path: name.to_owned(),
            mode: 0o644,
            content: fill.repeat(30_000).into_bytes(),
        };
        let files = [
            file("same", "the same in both"),
            file("own", tag),
            file("more", &tag.repeat(9)),
        ];
        writer.add(tag, &files, &ImageCommand::default()).unwrap();
    }
    let [one, two] = ["one", "two"].map(|name| dir.join(name));
    fs::create_dir(&one).unwrap();
    let first = fetch(&one, &layout, "1");
    run("cp", &["-a", text(&one), text(&two)]);
    let second = fetch(&two, &layout, "2");
    ([first, second], [one, two])
}

fn fetch(state: &Path, layout: &Path, tag: &str) -> ImageRecord {
    let store = Store::open_or_init(&state.join("store"), Verity::Off).unwrap();
    let image = ImageRef::Layout {
        dir: text(layout).to_owned(),
        tag: Some(tag.to_owned()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let options = PullOptions::default();
    runtime
        .block_on(pull(&store, &image, &options, &|_| {}, &cancel))
        .unwrap()
}
