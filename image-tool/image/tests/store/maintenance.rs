//! Scrub, garbage collection, and a full disk.

use crate::fixture::{Bench, Layer, LayoutDir, Tar, get, noise, options};
use orlop_image::{ErrorKind, Store, StoreError, Verity};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[tokio::test]
async fn a_scrub_finds_a_flipped_byte_and_a_new_pull_heals_it() {
    let bench = Bench::new();
    let data = noise(10_000, 1);
    let layer = Layer::plain(
        Tar::new()
            .file("usr/a", &data)
            .file("b", &noise(99, 2))
            .bytes(),
    );
    let record = bench.import(std::slice::from_ref(&layer)).await.unwrap();
    assert_eq!(bench.store.scrub().unwrap().broken, [""; 0]);
    let object = bench.store.objects(&record.root).unwrap()[Path::new("/usr/a")].clone();
    let mut bytes = fs::read(&object).unwrap();
    assert_eq!(bytes, data);
    bytes[5000] ^= 1;
    fs::write(&object, &bytes).unwrap();

    let report = bench.store.scrub().unwrap();
    let hex: String = object
        .iter()
        .rev()
        .take(2)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .map(|part| part.to_str().unwrap())
        .collect();
    assert_eq!(
        (report.checked, report.broken, report.incomplete.as_slice()),
        (3, vec![hex], [record.root.clone()].as_slice())
    );
    assert_eq!(bench.store.record(&record.manifest).unwrap(), None);

    assert_eq!(bench.import(&[layer]).await.unwrap(), record);
    assert_eq!(fs::read(&object).unwrap(), data);
    assert_eq!(bench.store.scrub().unwrap().broken, [""; 0]);
}

#[tokio::test]
async fn garbage_collection_removes_temporary_names_that_a_power_cut_left() {
    let bench = Bench::new();
    let layer = Layer::plain(Tar::new().file("a", &noise(100, 1)).bytes());
    let keep = bench.import(&[layer]).await.unwrap();
    let left = [
        "orlop/records/.new-Ab12",
        "images/.symlink-Ab12",
        "orlop/uki/.new-Cd34",
    ]
    .map(|name| bench.store.dir().join(name));
    for path in &left {
        fs::write(path, "half").unwrap();
    }
    bench
        .store
        .gc(&BTreeSet::from([keep.root.clone()]))
        .unwrap();
    for path in &left {
        assert!(!path.exists(), "{}", path.display());
    }
    assert_eq!(bench.store.record(&keep.manifest).unwrap(), Some(keep));
}

#[test]
fn garbage_collection_frees_what_came_before_the_first_image() {
    let bench = Bench::new();
    let object = bench.store.dir().join("objects/ab").join("cd".repeat(31));
    fs::create_dir_all(object.parent().unwrap()).unwrap();
    fs::write(&object, noise(100, 1)).unwrap();
    let report = bench.store.gc(&BTreeSet::new()).unwrap();
    assert_eq!((report.objects, report.bytes), (1, 100));
    assert!(!object.exists());
}

#[tokio::test]
async fn a_forgotten_image_is_gone_and_what_only_it_needed_goes_with_the_next_collection() {
    let bench = Bench::new();
    let layer = Layer::plain(Tar::new().file("a", &noise(100, 1)).bytes());
    let record = bench.import(&[layer]).await.unwrap();
    assert!(bench.store.forget(&record.manifest).unwrap());
    assert_eq!(bench.store.record(&record.manifest).unwrap(), None);
    assert!(!bench.store.forget(&record.manifest).unwrap());
    let report = bench.store.gc(&BTreeSet::new()).unwrap();
    assert_eq!((report.images, report.objects > 0), (0, true));
}

#[tokio::test]
async fn garbage_collection_keeps_what_is_needed_and_nothing_else() {
    let bench = Bench::new();
    let (shared, own, other) = (noise(1000, 1), noise(2000, 2), noise(3000, 3));
    let keep = Layer::plain(Tar::new().file("shared", &shared).file("own", &own).bytes());
    let drop = Layer::plain(
        Tar::new()
            .file("shared", &shared)
            .file("other", &other)
            .bytes(),
    );
    let keep = bench.import(&[keep]).await.unwrap();
    let dropped = bench.import(&[drop]).await.unwrap();
    let old = bench.path("store/orlop/partial/old");
    fs::write(&old, b"x").unwrap();
    let day = std::time::Duration::from_secs(25 * 60 * 60);
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(std::time::SystemTime::now() - day)
        .unwrap();
    fs::write(bench.path("store/orlop/partial/new"), b"x").unwrap();

    let report = bench
        .store
        .gc(&BTreeSet::from([keep.root.clone()]))
        .unwrap();
    assert_eq!((report.objects, report.images, report.partials), (2, 1, 1));
    assert!(report.bytes > 3000);
    assert_eq!(bench.store.records().unwrap(), std::slice::from_ref(&keep));
    for object in bench.store.objects(&keep.root).unwrap().values() {
        assert!(object.exists());
    }
    let error = bench.store.objects(&dropped.root).unwrap_err();
    assert!(matches!(error, StoreError::NoImage { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        bench.store.gc(&BTreeSet::from([keep.root])).unwrap(),
        Default::default()
    );
}

/// A tmpfs of so many bytes that ends with the test.
struct Small(PathBuf);

impl Small {
    fn new(path: PathBuf, bytes: u64) -> Self {
        fs::create_dir(&path).unwrap();
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        mount(
            "tmpfs",
            &path,
            "tmpfs",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .unwrap();
        Self(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_what_was_there_stays() {
    let bench = Bench::new();
    let small = Small::new(bench.path("small"), 2 << 20);
    let store = Store::open_or_init(&small.0.join("store"), Verity::Off).unwrap();
    let layout = LayoutDir::new(&bench.path("other"));
    layout.only(&[Layer::plain(
        Tar::new().file("fits", &noise(100_000, 1)).bytes(),
    )]);
    let fits = get(&store, &layout.reference(), &options()).await.unwrap();
    layout.only(&[Layer::plain(
        Tar::new().file("big", &noise(5 << 20, 2)).bytes(),
    )]);
    let error = get(&store, &layout.reference(), &options())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot keep {}: no space left in {}",
            layout.reference(),
            store.dir().display()
        )
    );
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(store.records().unwrap(), std::slice::from_ref(&fits));
    store.gc(&BTreeSet::from([fits.root.clone()])).unwrap();
    assert_eq!(store.scrub().unwrap().broken, [""; 0]);
}

#[test]
fn a_store_that_must_be_protected_is_refused_where_the_file_system_cannot() {
    let bench = Bench::new();
    let small = Small::new(bench.path("tmpfs"), 1 << 20);
    let dir = small.0.join("store");
    let error = Store::open_or_init(&dir, Verity::Required).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(&format!(
            "cannot open the store {} with fs-verity: ",
            dir.display()
        )),
        "{message}"
    );
    assert_eq!(error.kind(), ErrorKind::Usage);
}
