//! Images that take the way of a user's: written as a layout, copied by skopeo into Debian's
//! docker-registry, pulled from there into a store.

use orlop_config::ImageRef;
use orlop_image::{PullError, PullOptions, Store, Verity, pull};
use orlop_machines::{Registry, Sample, Scratch, write_samples};
use std::path::Path;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn an_image_that_skopeo_pushed_to_docker_registry_is_pulled_whole() {
    let scratch = Scratch::new().unwrap();
    let layout = scratch.path().join("layout");
    let app = Path::new(env!("CARGO_BIN_EXE_orlop-test-app"));
    let samples = [
        Sample {
            version: "1",
            sick: false,
        },
        Sample {
            version: "2",
            sick: true,
        },
    ];
    write_samples(&layout, app, &samples).unwrap();
    let mut registry = Registry::start(&scratch.path().join("registry")).unwrap();
    for sample in &samples {
        registry.push(&layout, sample.version, "test/app").unwrap();
    }

    let store = Store::open_or_init(&scratch.path().join("store"), Verity::Off).unwrap();
    let never = CancellationToken::new();
    let options = PullOptions {
        retries: 1,
        ..PullOptions::default()
    };
    let image = |tag: &str| -> ImageRef {
        format!("{}/test/app:{tag}", registry.address())
            .parse()
            .unwrap()
    };
    let one = pull(&store, &image("1"), &options, &|_| {}, &never)
        .await
        .unwrap();
    let two = pull(&store, &image("2"), &options, &|_| {}, &never)
        .await
        .unwrap();
    assert_eq!(one.runtime.entrypoint, ["/app"]);
    assert_eq!(two.runtime.env, ["APP_VERSION=2", "APP_SICK=true"]);
    assert_eq!(one.root, two.root, "only the config differs");
    assert_eq!(store.records().unwrap().len(), 2);
    let objects = store.objects(&one.root).unwrap();
    let inside = objects
        .iter()
        .find(|(path, _)| path.ends_with("app"))
        .unwrap()
        .1;
    let kept = std::fs::read(store.dir().join(inside))
        .or_else(|_| std::fs::read(inside))
        .unwrap();
    assert_eq!(kept, std::fs::read(app).unwrap());

    let (unknown, known) = (image("3"), image("1"));
    let error = pull(&store, &unknown, &options, &|_| {}, &never)
        .await
        .unwrap_err();
    assert!(matches!(error, PullError::UnknownImage { .. }), "{error:?}");
    registry.kill();
    let error = pull(&store, &known, &options, &|_| {}, &never)
        .await
        .unwrap_err();
    assert!(matches!(error, PullError::Unreachable { .. }), "{error:?}");
}
