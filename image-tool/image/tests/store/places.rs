//! Logins, mirrors, proxies, and several layers at a time.

use crate::fixture::{Bench, Layer, LayoutDir, Tar, get, noise, options};
use crate::wire::{DockerRegistry, Fault, Proxy as Wire, Server, skopeo_copy};
use orlop_config::{Digest, ImageRef};
use orlop_image::{ErrorKind, Login, Mirror, Proxy, PullOptions, resolve};
use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

fn big_layer() -> Layer {
    Layer::plain(Tar::new().file("big", &noise(2 << 20, 1)).bytes())
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn image_at(address: SocketAddr, rest: &str) -> ImageRef {
    format!("{address}/a/os{rest}").parse().unwrap()
}

fn mirrored(addresses: &[SocketAddr]) -> PullOptions {
    let mirrors = addresses.iter().map(|address| Mirror {
        host: address.to_string(),
        ..Mirror::default()
    });
    PullOptions {
        mirrors: mirrors.collect(),
        ..options()
    }
}

#[tokio::test]
async fn an_image_comes_from_its_mirror_while_its_own_registry_is_away() {
    let bench = Bench::new();
    let manifest = bench.layout.only(&[big_layer()]);
    let mirror = Server::of(&bench.path("layout")).await;
    let image = image_at(nobody(), ":1");
    let options = mirrored(&[mirror.address]);
    let record = get(&bench.store, &image, &options).await.unwrap();
    assert_eq!(record.manifest, manifest);
    assert_eq!(record.reference, image.to_string(), "it keeps its own name");
    let prefixed = PullOptions {
        mirrors: vec![Mirror {
            host: mirror.address.to_string(),
            prefix: "/a/".to_owned(),
            ..Mirror::default()
        }],
        ..options
    };
    let short = format!("{}/os:1", nobody()).parse().unwrap();
    assert_eq!(resolve(&short, &prefixed).await.unwrap().manifest, manifest);
}

#[tokio::test]
async fn mirrors_that_are_dead_or_lack_the_image_are_passed_over() {
    let bench = Bench::new();
    let manifest = bench.layout.only(&[big_layer()]);
    let own = Server::of(&bench.path("layout")).await;
    let empty = LayoutDir::new(&bench.path("empty"));
    let lacking = Server::of(&bench.path("empty")).await;
    let options = mirrored(&[nobody(), lacking.address]);
    let image = own.image(":1");
    let record = get(&bench.store, &image, &options).await.unwrap();
    assert_eq!(record.manifest, manifest);
    drop(empty);
    // The error is of the registry itself.
    let error = get(&bench.store, &own.image(":2"), &options)
        .await
        .unwrap_err();
    let expected = format!(
        "cannot find image {}: registry {} does not have it",
        own.image(":2"),
        own.address
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_download_goes_on_at_the_next_place_where_the_mirror_broke_off() {
    let bench = Bench::new();
    let layer = big_layer();
    bench.layout.only(std::slice::from_ref(&layer));
    let inner = Server::of(&bench.path("layout")).await;
    let dying = Wire::new(inner.address, vec![Fault::Cut(1_200_000)], true).await;
    let own = Wire::new(inner.address, vec![], false).await;
    let options = mirrored(&[dying.server.address]);
    get(&bench.store, &own.server.image(":1"), &options)
        .await
        .unwrap();
    let spent = own.bytes.load(Ordering::SeqCst);
    let rest = layer.blob.len() as u64 - 1_000_000;
    assert!(spent < rest, "{spent} bytes: it began anew");
}

#[tokio::test]
async fn a_mirror_that_serves_something_else_is_passed_over() {
    let bench = Bench::new();
    let layer = big_layer();
    let manifest = bench.layout.only(std::slice::from_ref(&layer));
    let other = LayoutDir::new(&bench.path("other"));
    other.only(std::slice::from_ref(&layer));
    let mut wrong = layer.blob.clone();
    wrong[1_000_000] ^= 1;
    fs::write(other.blob_path(&layer.digest()), &wrong).unwrap();
    let own = Server::of(&bench.path("layout")).await;
    let mirror = Server::of(&bench.path("other")).await;
    let options = mirrored(&[mirror.address]);
    let image = own.image(&format!("@{manifest}"));
    let record = get(&bench.store, &image, &options).await.unwrap();
    assert_eq!(record.layers[0].digest, Digest::of(&layer.blob));
    assert_eq!(bench.store.scrub().unwrap().broken, [""; 0]);
}

#[tokio::test]
async fn a_registry_that_wants_a_login_gets_it_and_without_it_refuses() {
    let bench = Bench::new();
    let manifest = bench.layout.only(&[big_layer()]);
    let registry = DockerRegistry::with_login(bench.dir.path());
    let target = format!("{}/team/app:1", registry.address);
    skopeo_copy(
        &bench.layout,
        &target,
        &["--preserve-digests", "--dest-creds", "puller:s3cret"],
    );
    let image: ImageRef = target.parse().unwrap();
    let with = |password: &str| PullOptions {
        login: Some(Login {
            user: "puller".to_owned(),
            password: password.to_owned(),
        }),
        ..options()
    };
    assert!(!format!("{:?}", with("s3cret")).contains("s3cret"));
    for refused in [options(), with("wrong")] {
        let error = get(&bench.store, &image, &refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        let start = format!(
            "cannot read {image}: registry {} refuses: ",
            registry.address
        );
        assert!(error.to_string().starts_with(&start), "{error}");
    }
    let record = get(&bench.store, &image, &with("s3cret")).await.unwrap();
    assert_eq!(record.manifest, manifest);
}

#[tokio::test]
async fn a_registry_behind_a_proxy_is_reached_through_it_but_for_exceptions() {
    let bench = Bench::new();
    let manifest = bench.layout.only(&[big_layer()]);
    // A server takes requests that name another host as a proxy gets them.
    let proxy = Server::of(&bench.path("layout")).await;
    let image: ImageRef = "registry.invalid:5000/a/os:1".parse().unwrap();
    let through = |except: &[&str]| PullOptions {
        plain_http: true,
        retries: 0,
        proxy: Proxy {
            http: Some(format!("http://{}", proxy.address)),
            https: None,
            except: except.iter().map(|&host| host.to_owned()).collect(),
        },
        ..options()
    };
    let record = get(&bench.store, &image, &through(&[])).await.unwrap();
    assert_eq!(record.manifest, manifest);
    let error = resolve(&image, &through(&["registry.invalid"])).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Transient);
    // This machine itself is never asked for by a proxy.
    let local = image_at(nobody(), ":1");
    let error = resolve(&local, &through(&[])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transient);
}

#[tokio::test]
async fn several_layers_come_at_the_same_time_and_progress_counts_them_together() {
    let bench = Bench::new();
    let layers: Vec<_> = (0..5)
        .map(|number| {
            let data = noise(1 << 20, number + 1);
            Layer::plain(Tar::new().file(&format!("file-{number}"), &data).bytes())
        })
        .collect();
    bench.layout.only(&layers);
    let inner = Server::of(&bench.path("layout")).await;
    let wire = Wire::new(inner.address, vec![], false).await;
    let seen = Mutex::new(Vec::new());
    let saw = |progress| seen.lock().unwrap().push(progress);
    let image = wire.server.image(":1");
    let never = CancellationToken::new();
    let record = orlop_image::pull(&bench.store, &image, &options(), &saw, &never)
        .await
        .unwrap();
    assert_eq!(record.layers.len(), 5);
    let connections = wire.connections.load(Ordering::SeqCst);
    assert!(connections >= 3, "{connections} connections");
    let total: u64 = layers.iter().map(|layer| layer.blob.len() as u64).sum();
    let seen = seen.into_inner().unwrap();
    let fetched = seen.iter().filter(|p| p.step == orlop_image::Step::Fetch);
    let done: Vec<_> = fetched.map(|progress| progress.done_bytes).collect();
    assert!(done.is_sorted(), "it went back");
    assert_eq!(done.last(), Some(&total));
    let last = seen.last().unwrap();
    assert_eq!(
        (last.step, last.done_bytes),
        (orlop_image::Step::Commit, total)
    );
}

#[tokio::test]
async fn a_layer_that_an_image_has_twice_is_fetched_once() {
    let bench = Bench::new();
    let twice = big_layer();
    let other = Layer::plain(Tar::new().file(".wh.big", b"").bytes());
    bench.layout.only(&[twice.clone(), other, twice.clone()]);
    let inner = Server::of(&bench.path("layout")).await;
    let wire = Wire::new(inner.address, vec![], false).await;
    let record = get(&bench.store, &wire.server.image(":1"), &options())
        .await
        .unwrap();
    assert_eq!((record.layers.len(), record.size_bytes), (3, 2 << 20));
    let spent = wire.bytes.load(Ordering::SeqCst);
    let once = twice.blob.len() as u64;
    assert!(spent < once + 50_000, "{spent} bytes for {once}");
    assert_eq!(bench.store.scrub().unwrap().broken, [""; 0]);
}
