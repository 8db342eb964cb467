//! Small OS images in OCI layout directories: a root file system of few files, and a boot file.

use orlop_config::{Digest, RootDigest};
use orlop_image::root_digest_of_layer;
use orlop_image::uki::{UkiParts, assemble, boot_digest};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// An OS image as it was made.
pub(crate) struct OsImage {
    /// How it is pulled.
    pub(crate) reference: String,
    /// Its root file system.
    pub(crate) root: RootDigest,
    /// Its boot file.
    pub(crate) uki: Vec<u8>,
}

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

fn tar<D: AsRef<[u8]>>(files: &[(&str, D)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, data) in files {
        let data = data.as_ref();
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, path, data).unwrap();
    }
    builder.into_inner().unwrap()
}

fn put(layout: &Path, media_type: &str, data: &[u8]) -> Value {
    let digest = Digest::of(data);
    fs::write(layout.join("blobs/sha256").join(digest.hex()), data).unwrap();
    json!({ "mediaType": media_type, "digest": digest.as_str(), "size": data.len() })
}

/// Makes a container image with one file in `dir`, and gives its reference.
pub(crate) fn make_container(dir: &Path, name: &str) -> String {
    let layout = dir.join(name);
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    let tree = tar(&[("program", name)]);
    let layer = put(&layout, "application/vnd.oci.image.layer.v1.tar", &tree);
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tree).as_str()] },
    });
    let config = put(
        &layout,
        "application/vnd.oci.image.config.v1+json",
        config.to_string().as_bytes(),
    );
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer],
    });
    let manifest = put(&layout, media_type, manifest.to_string().as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    format!("oci:{}", layout.display())
}

/// Makes the OS image of this version in `dir`.
pub(crate) fn make(dir: &Path, version: &str) -> OsImage {
    make_of(dir, version, &[("usr/init", version.repeat(500))])
}

/// The same, with these files in its root file system.
pub(crate) fn make_of<D: AsRef<[u8]>>(dir: &Path, version: &str, files: &[(&str, D)]) -> OsImage {
    let layout = dir.join(format!("os-{version}"));
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    let tree = tar(files);
    let tree_file = layout.join("tree");
    fs::write(&tree_file, &tree).unwrap();
    let root = root_digest_of_layer(&tree_file).unwrap();
    let cmdline = format!("quiet orlop.root={root}");
    let (kernel, initrd) = (
        format!("kernel {version}").repeat(100),
        "initrd".repeat(100),
    );
    let parts = UkiParts {
        stub: &stub(),
        kernel: kernel.as_bytes(),
        initrd: initrd.as_bytes(),
        cmdline: &cmdline,
        os_release: "ID=orlop\n",
        uname: "6.12.0",
    };
    let uki = assemble(&parts).unwrap();
    let boot = boot_digest(kernel.as_bytes(), initrd.as_bytes(), &cmdline);
    let second = tar(&[("orlop.efi", &uki)]);
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": { "Labels": {
            "io.orlop.os.version": version,
            "io.orlop.os.root": root.as_str(),
            "io.orlop.os.boot": boot.as_str(),
        } },
        "rootfs": { "type": "layers", "diff_ids": [
            Digest::of(&tree).as_str(), Digest::of(&second).as_str(),
        ] },
    });
    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    let mut boot_layer = put(&layout, LAYER, &second);
    boot_layer["annotations"] = json!({ "io.orlop.layer": "uki" });
    let config_type = "application/vnd.oci.image.config.v1+json";
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": manifest_type,
        "config": put(&layout, config_type, config.to_string().as_bytes()),
        "layers": [put(&layout, LAYER, &tree), boot_layer],
    });
    let mut descriptor = put(&layout, manifest_type, manifest.to_string().as_bytes());
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    OsImage {
        reference: format!("oci:{}:1", layout.display()),
        root,
        uki,
    }
}
