//! Import from layout directories.

use crate::fixture::{Bench, Layer, Tar, chain, get, noise, options};
use orlop_config::{Digest, Platform};
use orlop_image::{
    ErrorKind, ImageKind, PullError, PullOptions, pull, root_digest_of_layer, verify_layout,
};
use serde_json::{Value, json};
use std::fs;
use tokio_util::sync::CancellationToken;

/// Everything whose encoding decides an image's identity.
fn fixed_tree() -> Vec<u8> {
    Tar::new()
        .dir("./", 0o755)
        .dir("etc", 0o755)
        .file("etc/hostname", b"orlop\n")
        .file("usr/bin/tool", &noise(5000, 1))
        .hardlink("usr/bin/alias", "usr/bin/tool")
        .symlink("bin", "usr/bin")
        .special(tar::EntryType::Char, "dev/null", (1, 3))
        .special(tar::EntryType::Fifo, "run/pipe", (0, 0))
        .pax(&[
            ("SCHILY.xattr.user.note", b"kept"),
            ("SCHILY.xattr.security.selinux", b"dropped"),
        ])
        .file("etc/noted", b"x")
        .bytes()
}

#[tokio::test]
async fn the_root_digest_of_a_fixed_tree_never_changes() {
    let bench = Bench::new();
    let record = bench.import(&[Layer::plain(fixed_tree())]).await.unwrap();
    assert_eq!(
        record.root.as_str(),
        "c64a2fa5e94cfbb96046d5941752e101ab110a59b45bb203889dae1bf2740c96",
        "every image in the world would get another identity"
    );
}

#[tokio::test]
async fn plain_gzip_and_zstd_make_the_same_image() {
    let bench = Bench::new();
    let mut roots = Vec::new();
    for layer in [Layer::plain, Layer::gzip, Layer::zstd] {
        let layer = layer(fixed_tree());
        let path = bench.path("layer");
        fs::write(&path, &layer.blob).unwrap();
        roots.push(root_digest_of_layer(&path).unwrap());
        roots.push(bench.import(&[layer]).await.unwrap().root);
    }
    roots.dedup();
    assert_eq!(roots.len(), 1);
}

#[tokio::test]
async fn importing_again_gives_the_same_record_without_reading_a_layer() {
    let bench = Bench::new();
    let layer = Layer::zstd(fixed_tree());
    let first = bench.import(std::slice::from_ref(&layer)).await.unwrap();
    fs::remove_file(bench.layout.blob_path(&layer.digest())).unwrap();
    let again = get(&bench.store, &bench.layout.reference(), &options())
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(bench.store.records().unwrap(), [first]);
}

#[tokio::test]
async fn the_record_says_how_to_run_the_image() {
    let bench = Bench::new();
    let layer = Layer::plain(
        Tar::new()
            .file("a", b"12345")
            .file("b", &noise(100, 2))
            .bytes(),
    );
    let config = json!({
        "Entrypoint": ["/app"], "Cmd": null, "Env": ["A=1"], "WorkingDir": "/srv", "User": "7:8",
        "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "StopSignal": "SIGINT",
        "Labels": {"k": "v"},
    });
    let manifest = bench
        .layout
        .tag(bench.layout.image(std::slice::from_ref(&layer), config));
    let record = get(&bench.store, &bench.layout.reference(), &options())
        .await
        .unwrap();
    assert_eq!(record.manifest, manifest);
    assert_eq!(record.kind, ImageKind::Container);
    assert_eq!(record.size_bytes, 105);
    assert_eq!(record.layers[0].digest, layer.digest());
    assert_eq!(record.created.as_deref(), Some("2026-01-02T03:04:05Z"));
    let runtime = &record.runtime;
    assert_eq!(runtime.entrypoint, ["/app"]);
    assert!(runtime.cmd.is_empty());
    assert_eq!(runtime.env, ["A=1"]);
    assert_eq!(
        (runtime.working_dir.as_str(), runtime.user.as_str()),
        ("/srv", "7:8")
    );
    assert_eq!(runtime.stop_signal.as_deref(), Some("SIGINT"));
    assert!(runtime.exposed_ports.contains("80/tcp") && runtime.volumes.contains("/data"));
    assert_eq!(runtime.labels["k"], "v");
}

#[tokio::test]
async fn a_layer_that_does_not_match_its_digest_is_refused_by_name() {
    let bench = Bench::new();
    let good = Layer::plain(Tar::new().file("one", &noise(100, 1)).bytes());
    for pack in [Layer::plain, Layer::gzip, Layer::zstd] {
        let bad = pack(Tar::new().file("two", &noise(200_000, 2)).bytes());
        bench.layout.only(&[good.clone(), bad.clone()]);
        let path = bench.layout.blob_path(&bad.digest());
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let error = get(&bench.store, &bench.layout.reference(), &options())
            .await
            .unwrap_err();
        let image = bench.layout.reference();
        let message = format!(
            "cannot trust layer 2 of 2 (blob) of {image}: expected {}, got {}",
            bad.digest(),
            Digest::of(&bytes)
        );
        assert_eq!(error.to_string(), message);
        assert_eq!(error.kind(), ErrorKind::Integrity);
        assert_eq!(
            verify_layout(&bench.path("layout"))
                .unwrap_err()
                .to_string(),
            message
        );
    }
    assert_eq!(bench.store.records().unwrap(), []);
    assert!(
        !bench
            .path("store/images")
            .read_dir()
            .is_ok_and(|mut names| names.next().is_some())
    );
}

#[tokio::test]
async fn a_tar_that_does_not_match_its_diff_id_is_refused() {
    let bench = Bench::new();
    let layer = Layer::gzip(Tar::new().file("one", b"1").bytes());
    let wrong = Digest::of(b"another tar");
    let image = bench.layout.image_with_diff_ids(
        std::slice::from_ref(&layer),
        json!({}),
        &[wrong.to_string()],
    );
    bench.layout.tag(image);
    let error = get(&bench.store, &bench.layout.reference(), &options())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot trust layer 1 of 1 (diff_id) of {}: expected {wrong}, got {}",
            bench.layout.reference(),
            Digest::of(&layer.tar)
        )
    );
}

#[tokio::test]
async fn a_tag_that_a_layout_lacks_is_unknown() {
    let bench = Bench::new();
    bench.layout.only(&[Layer::plain(Tar::new().bytes())]);
    let image = format!("oci:{}:2", bench.path("layout").display())
        .parse()
        .unwrap();
    let error = get(&bench.store, &image, &options()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot find image {image}: directory {} does not have it",
            bench.path("layout").display()
        )
    );
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_index_without_this_platform_names_those_it_has() {
    let bench = Bench::new();
    let mut arm = bench.layout.image(
        &[Layer::plain(Tar::new().file("arm", b"").bytes())],
        json!({}),
    );
    arm["platform"] = json!({ "os": "linux", "architecture": "arm64" });
    let mut amd = bench.layout.image(
        &[Layer::plain(Tar::new().file("amd", b"").bytes())],
        json!({}),
    );
    amd["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    for (manifests, found) in [
        (vec![arm.clone()], None),
        (vec![arm, amd.clone()], Some(amd)),
    ] {
        let index = json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        let digest = bench.layout.put(index.as_bytes());
        bench
            .layout
            .tag(json!({ "digest": digest.as_str(), "size": index.len() }));
        let result = get(&bench.store, &bench.layout.reference(), &options()).await;
        match (result, found) {
            (Ok(record), Some(amd)) => assert_eq!(record.manifest.as_str(), amd["digest"]),
            (Err(error @ PullError::NoPlatform { .. }), None) => {
                assert!(chain(&error).ends_with("no image for linux/amd64, only for linux/arm64"));
            }
            (result, _) => panic!("{result:?}"),
        }
    }
}

#[tokio::test]
async fn an_image_for_another_platform_is_taken_only_where_that_is_asked_for() {
    let bench = Bench::new();
    let layer = Layer::plain(Tar::new().file("arm", b"").bytes());
    let image = bench.layout.image(&[layer], json!({}));
    let read = |descriptor: &Value| -> Value {
        let digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
        serde_json::from_slice(&fs::read(bench.layout.blob_path(&digest)).unwrap()).unwrap()
    };
    let store = |document: &Value| {
        let text = document.to_string();
        let digest = bench.layout.put(text.as_bytes());
        json!({ "digest": digest.as_str(), "size": text.len() })
    };
    let mut manifest = read(&image);
    let mut config = read(&manifest["config"]);
    config["architecture"] = json!("arm");
    config["variant"] = json!("v7");
    manifest["config"] = store(&config);
    let mut arm = store(&manifest);
    bench.layout.tag(arm.clone());
    let reference = bench.layout.reference();
    let error = get(&bench.store, &reference, &options()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot run {reference} here: it is for linux/arm/v7, not for linux/amd64")
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
    let wanting = |platform| PullOptions {
        platform: Platform::new(platform),
        ..options()
    };
    let other = get(&bench.store, &reference, &wanting("linux/arm/v6")).await;
    assert!(
        matches!(other, Err(PullError::OtherPlatform { .. })),
        "{other:?}"
    );

    // Of an image for several, the one that is asked for.
    let mut amd = image;
    amd["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    arm["platform"] = json!({ "os": "linux", "architecture": "arm", "variant": "v7" });
    let index = store(&json!({ "schemaVersion": 2, "manifests": [amd, arm.clone()] }));
    bench.layout.tag(index);
    for platform in ["linux/arm", "linux/arm/v7"] {
        let record = get(&bench.store, &reference, &wanting(platform)).await;
        assert_eq!(record.unwrap().manifest.as_str(), arm["digest"]);
    }
    let error = get(&bench.store, &reference, &wanting("linux/arm/v6")).await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .ends_with("no image for linux/arm/v6, only for linux/amd64, linux/arm/v7")
    );
}

#[tokio::test]
async fn a_pull_that_is_dropped_leaves_nothing_and_can_be_done_again() {
    let bench = Bench::new();
    let layer = Layer::plain(Tar::new().file("big", &noise(30 << 20, 3)).bytes());
    bench.layout.only(&[layer]);
    let image = bench.layout.reference();
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let options = options();
    let saw = move |progress: orlop_image::Progress| {
        if progress.step == orlop_image::Step::Import {
            stop.cancel();
        }
    };
    let error = pull(&bench.store, &image, &options, &saw, &cancel)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot finish pulling {image}: cancelled")
    );
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert_eq!(bench.store.records().unwrap(), []);
    get(&bench.store, &image, &options).await.unwrap();
}
