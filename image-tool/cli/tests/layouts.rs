//! The commands that look at layouts and serve them, as a person runs them.

use orlop_config::Digest;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const TOOL: &str = env!("CARGO_BIN_EXE_orlop-image");

fn run(args: &[&str]) -> Output {
    Command::new(TOOL)
        .args(args)
        .output()
        .expect("the tool was built with this test")
}

fn put(dir: &Path, data: &[u8]) -> Digest {
    let digest = Digest::of(data);
    fs::write(dir.join("blobs/sha256").join(digest.hex()), data).expect("a scratch directory");
    digest
}

/// A layout with one image `1` of one empty layer; the layer's digest.
fn layout(dir: &Path) -> Digest {
    fs::create_dir_all(dir.join("blobs/sha256")).expect("a scratch directory");
    let layer = put(dir, &[0; 1024]);
    let config = json!({
        "config": { "Labels": { "io.orlop.os.version": "7" } },
        "rootfs": { "type": "layers", "diff_ids": [layer.as_str()] },
    });
    let config = put(dir, config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "config": { "digest": config.as_str(), "size": 1 },
        "layers": [{ "mediaType": "t", "digest": layer.as_str(), "size": 1024 }],
    });
    let manifest = put(dir, manifest.to_string().as_bytes());
    let name = json!({ "org.opencontainers.image.ref.name": "1" });
    let entry = json!({ "digest": manifest.as_str(), "size": 1, "annotations": name });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    fs::write(dir.join("index.json"), index.to_string()).expect("a scratch directory");
    layer
}

#[test]
fn inspect_tells_layers_labels_and_sizes() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let layer = layout(dir.path());
    let path = dir
        .path()
        .to_str()
        .expect("a scratch directory of plain name");
    let output = run(&["inspect", path, "--json"]);
    assert!(output.status.success());
    let images: Value = serde_json::from_slice(&output.stdout).expect("JSON was asked for");
    assert_eq!(images[0]["tag"], "1");
    assert_eq!(images[0]["layers"][0]["digest"], layer.as_str());
    assert_eq!(images[0]["size_bytes"], 1024);
    assert_eq!(images[0]["labels"]["io.orlop.os.version"], "7");
    let output = run(&["inspect", path, "--tag", "2"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!("error: cannot find the tag \"2\" in {path}; it has 1\n")
    );
}

#[test]
fn verify_names_the_layer_that_was_changed() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let layer = layout(dir.path());
    let path = dir
        .path()
        .to_str()
        .expect("a scratch directory of plain name");
    assert_eq!(
        String::from_utf8_lossy(&run(&["verify", path]).stdout),
        "1 images, 1 layers, 1024 bytes: all as their digests say\n"
    );
    let mut bytes = [0; 1024];
    bytes[1000] = 1;
    fs::write(dir.path().join("blobs/sha256").join(layer.hex()), bytes).expect("a scratch file");
    let output = run(&["verify", path]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        format!(
            "error: cannot trust layer 1 of 1 (blob) of oci:{path}:1: expected {layer}, got {}\n",
            Digest::of(&bytes)
        )
    );
}

#[test]
fn serve_says_where_it_listens_and_answers_there() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    layout(dir.path());
    let repository = format!("orlop/os={}", dir.path().display());
    let mut child = Command::new(TOOL)
        .args(["serve", "--listen", "127.0.0.1:0", &repository])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tool was built with this test");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it prints its address");
    let address = line
        .trim()
        .strip_prefix("http://")
        .expect("it prints a URL");
    let mut stream = TcpStream::connect(address).expect("it listens once it has printed");
    let request = "GET /v2/orlop/os/tags/list HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .expect("the connection is open");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the connection is open");
    child.kill().expect("it runs");
    child.wait().expect("it ran");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        answer.ends_with(r#"{"name":"orlop/os","tags":["1"]}"#),
        "{answer}"
    );
}
