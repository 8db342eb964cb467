//! Pulls over HTTP: our own server, Debian's docker-registry, and connections that break.

use crate::fixture::{Bench, Layer, Tar, get, noise, options};
use crate::wire::{DockerRegistry, Fault, Proxy, Server, skopeo_copy};
use orlop_config::{Digest, ImageRef};
use orlop_image::{ErrorKind, PullOptions, push, resolve};
use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn big_layer() -> Layer {
    Layer::plain(Tar::new().file("big", &noise(2 << 20, 1)).bytes())
}

fn partials(bench: &Bench) -> Vec<u64> {
    fs::read_dir(bench.path("store/orlop/partial"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect()
}

#[tokio::test]
async fn an_image_is_pulled_from_our_own_server_by_tag_and_by_digest() {
    let bench = Bench::new();
    let manifest = bench
        .layout
        .only(&[big_layer(), Layer::zstd(Tar::new().file("b", b"").bytes())]);
    let server = Server::of(&bench.path("layout")).await;
    let by_tag = resolve(&server.image(":1"), &options()).await.unwrap();
    assert_eq!(by_tag.manifest, manifest);
    assert_eq!(
        by_tag.media_type,
        "application/vnd.oci.image.manifest.v1+json"
    );
    let pinned = server.image(&format!("@{manifest}"));
    let record = get(&bench.store, &pinned, &options()).await.unwrap();
    assert_eq!(record.manifest, manifest);
    assert_eq!(record.reference, pinned.to_string());
    assert_eq!(partials(&bench), [0; 0]);
    let again = get(&bench.store, &server.image(":1"), &options())
        .await
        .unwrap();
    assert_eq!(again.root, record.root);
}

#[tokio::test]
async fn an_image_that_a_registry_lacks_is_unknown() {
    let bench = Bench::new();
    bench.layout.only(&[big_layer()]);
    let server = Server::of(&bench.path("layout")).await;
    for rest in [
        ":2",
        "x:1",
        "@sha256:1111111111111111111111111111111111111111111111111111111111111111",
    ] {
        let image = server.image(rest);
        let error = get(&bench.store, &image, &options()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot find image {image}: registry {} does not have it",
                server.address
            )
        );
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named_after_the_retries() {
    let bench = Bench::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let image: ImageRef = format!("{free}/os:1").parse().unwrap();
    let error = get(&bench.store, &image, &options()).await.unwrap_err();
    let message = error.to_string();
    let start = format!("cannot reach registry {free} for {image} after 4 attempts: ");
    assert!(
        message.starts_with(&start) && message.contains("refused"),
        "{message}"
    );
    assert_eq!(error.kind(), ErrorKind::Transient);
}

#[tokio::test]
async fn a_connection_that_breaks_goes_on_where_it_stopped() {
    let bench = Bench::new();
    let layer = big_layer();
    bench.layout.only(std::slice::from_ref(&layer));
    let inner = Server::of(&bench.path("layout")).await;
    let faults = vec![
        Fault::Cut(700_000),
        Fault::Cut(500_000),
        Fault::Cut(300_000),
    ];
    let proxy = Proxy::new(inner.address, faults, false).await;
    get(&bench.store, &proxy.server.image(":1"), &options())
        .await
        .unwrap();
    assert!(proxy.connections.load(Ordering::SeqCst) >= 4);
    // Each break may lose what was in buffers; starting anew would have cost the layer again.
    let spent = proxy.bytes.load(Ordering::SeqCst);
    assert!(spent < layer.blob.len() as u64 + 500_000, "{spent}");
}

#[tokio::test]
async fn two_pulls_at_once_of_images_that_share_a_layer_both_succeed() {
    let bench = Bench::new();
    let shared = big_layer();
    let other = Layer::plain(Tar::new().file("other", &noise(5000, 7)).bytes());
    let first = bench
        .layout
        .image(std::slice::from_ref(&shared), serde_json::json!({}));
    let second = bench
        .layout
        .image(&[shared.clone(), other], serde_json::json!({}));
    bench.layout.write_index(&[first.clone(), second.clone()]);
    let server = Server::of(&bench.path("layout")).await;
    let images =
        [first, second].map(|d| server.image(&format!("@{}", d["digest"].as_str().unwrap())));
    let options = options();
    let (one, same, two) = tokio::join!(
        get(&bench.store, &images[0], &options),
        get(&bench.store, &images[0], &options),
        get(&bench.store, &images[1], &options),
    );
    assert_eq!(one.unwrap(), same.unwrap());
    assert_eq!(two.unwrap().layers.len(), 2);
    assert_eq!(bench.store.records().unwrap().len(), 2);
    assert_eq!(bench.store.scrub().unwrap().broken, [""; 0]);
}

#[tokio::test]
async fn a_connection_that_falls_silent_counts_as_broken() {
    let bench = Bench::new();
    bench.layout.only(&[big_layer()]);
    let inner = Server::of(&bench.path("layout")).await;
    let proxy = Proxy::new(inner.address, vec![Fault::Stall(700_000)], false).await;
    let options = PullOptions {
        stall_timeout: Duration::from_millis(500),
        ..options()
    };
    get(&bench.store, &proxy.server.image(":1"), &options)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_registry_that_dies_half_way_is_named_and_the_next_pull_goes_on() {
    let bench = Bench::new();
    let layer = big_layer();
    bench.layout.only(std::slice::from_ref(&layer));
    let inner = Server::of(&bench.path("layout")).await;
    let proxy = Proxy::new(inner.address, vec![Fault::Cut(1_200_000)], true).await;
    let image = proxy.server.image(":1");
    let error = get(&bench.store, &image, &options()).await.unwrap_err();
    let [kept] = partials(&bench)[..] else {
        panic!("{:?}", partials(&bench))
    };
    assert!(kept > 1_000_000 && kept < 1_200_000, "{kept}");
    let message = error.to_string();
    let start = format!(
        "cannot fetch layer 1 of 1 of {image}: registry {} stopped at {kept} of {} bytes and did \
         not go on in 4 attempts: ",
        proxy.server.address,
        layer.blob.len()
    );
    let end = "; what has come is kept, and a new pull goes on there";
    assert!(
        message.starts_with(&start) && message.ends_with(end),
        "{message}"
    );
    assert_eq!(error.kind(), ErrorKind::Transient);
    assert_eq!(bench.store.records().unwrap(), []);

    let healthy = Proxy::new(inner.address, vec![], false).await;
    get(&bench.store, &healthy.server.image(":1"), &options())
        .await
        .unwrap();
    let spent = healthy.bytes.load(Ordering::SeqCst);
    assert!(spent < layer.blob.len() as u64 - kept + 50_000, "{spent}");
    assert_eq!(partials(&bench), [0; 0]);
}

#[tokio::test]
async fn a_partial_download_that_rotted_is_found_out_and_fetched_anew() {
    let bench = Bench::new();
    let layer = big_layer();
    bench.layout.only(std::slice::from_ref(&layer));
    let server = Server::of(&bench.path("layout")).await;
    let mut rotten = layer.blob[..1_000_000].to_vec();
    rotten[500_000] ^= 1;
    fs::write(
        bench.path("store/orlop/partial").join(layer.digest().hex()),
        &rotten,
    )
    .unwrap();
    let error = get(&bench.store, &server.image(":1"), &options())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(partials(&bench), [0; 0]);
    get(&bench.store, &server.image(":1"), &options())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_layer_that_a_registry_serves_wrong_is_refused_and_not_kept() {
    let bench = Bench::new();
    let layer = big_layer();
    bench.layout.only(std::slice::from_ref(&layer));
    let path = bench.layout.blob_path(&layer.digest());
    let mut wrong = layer.blob.clone();
    wrong[1_000_000] ^= 1;
    fs::write(path, &wrong).unwrap();
    let server = Server::of(&bench.path("layout")).await;
    let image = server.image(":1");
    let error = get(&bench.store, &image, &options()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot trust layer 1 of 1 (blob) of {image}: expected {}, got {}",
            layer.digest(),
            Digest::of(&wrong)
        )
    );
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert_eq!(partials(&bench), [0; 0]);
}

#[tokio::test]
async fn a_registry_with_its_own_ca_is_trusted_only_with_that() {
    let bench = Bench::new();
    bench.layout.only(&[big_layer()]);
    let inner = Server::of(&bench.path("layout")).await;
    let (tls, pem) = Server::tls(inner.address).await;
    let image = tls.image(":1");
    let with_ca = PullOptions {
        ca: Some(pem),
        ..options()
    };
    get(&bench.store, &image, &with_ca).await.unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let with_other = PullOptions {
        ca: Some(other.cert.pem()),
        ..options()
    };
    let error = resolve(&image, &with_other).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn what_skopeo_pushed_to_docker_registry_is_pulled_as_it_was() {
    let bench = Bench::new();
    let layers = [
        big_layer(),
        Layer::gzip(Tar::new().file("b", &noise(999, 2)).bytes()),
    ];
    bench.layout.only(&layers);
    let from_layout = get(&bench.store, &bench.layout.reference(), &options())
        .await
        .unwrap();
    let registry = DockerRegistry::start(bench.dir.path());
    for format in ["oci", "v2s2"] {
        let target = format!("{}/team/app:{format}", registry.address);
        skopeo_copy(&bench.layout, &target, &["--format", format]);
        let record = get(&bench.store, &target.parse().unwrap(), &options())
            .await
            .unwrap();
        assert_eq!(record.root, from_layout.root, "{format}");
    }
    let image: ImageRef = format!("{}/team/app:none", registry.address)
        .parse()
        .unwrap();
    assert_eq!(
        get(&bench.store, &image, &options())
            .await
            .unwrap_err()
            .to_string(),
        format!(
            "cannot find image {image}: registry {} does not have it",
            registry.address
        )
    );
}

#[tokio::test]
async fn what_we_push_to_docker_registry_comes_back_with_the_same_digest() {
    let bench = Bench::new();
    let manifest = bench.layout.only(&[big_layer()]);
    let registry = DockerRegistry::start(bench.dir.path());
    let target: ImageRef = format!("{}/os:1", registry.address).parse().unwrap();
    let layout = bench.path("layout");
    let pushed = push(&layout, Some("1"), &target, &options()).await.unwrap();
    assert_eq!((&pushed.manifest, pushed.blobs), (&manifest, 2));
    let again = push(&layout, None, &target, &options()).await.unwrap();
    assert_eq!((again.blobs, again.bytes), (0, 0));
    let proxy = Proxy::new(
        registry.address.parse().unwrap(),
        vec![Fault::Cut(600_000)],
        false,
    )
    .await;
    let image: ImageRef = format!("{}/os:1", proxy.server.address).parse().unwrap();
    let record = get(&bench.store, &image, &options()).await.unwrap();
    assert_eq!(record.manifest, manifest);
}
