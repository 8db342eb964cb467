//! Devices by the names of their vendors (Container Device Interface), on namespace machines.

#[cfg(test)]
mod rig;

use orlop_api::ContainerState;
use rig::containers::{config, container, file, line, outside, wait_answer, wait_view};
use rig::node::Rig;

/// Where the container that asks for the device is published.
const PORT: u16 = 8087;

#[test]
fn a_device_is_waited_for_until_its_vendors_spec_is_there_and_comes_with_all_that_it_says() {
    let rig = Rig::new();
    let keys = format!(
        "devices = [\"vendor.example/gpu=0\"]\nports = [\"{PORT}:8080\"]\nessential = false\n\
         env = {{ VENDOR_MODE = \"own\" }}"
    );
    let node = rig.node("cdi", "1", &config(&rig, &[container(&rig, "gpu", &keys)]));
    node.wait_idle();
    let started = node.wait_web("/started");
    let absent = "cannot find CDI device vendor.example/gpu=0: there is none in /etc/cdi, \
                  /state/orlop/cdi, /run/cdi";
    let view = wait_view(&node, "gpu", "a container without its device", |view| {
        view.state == ContainerState::Failed
    });
    assert!(view.detail.contains(absent), "{}", view.detail);

    vendor::install(&node);
    assert_eq!(wait_answer(&node, PORT, "/"), "hello from 1\n");
    let environment = file(&node, PORT, "/proc/1/environ");
    let variables: Vec<&str> = environment.split('\0').collect();
    for expected in ["VENDOR_VISIBLE=void", "VENDOR_MODE=own"] {
        assert!(variables.contains(&expected), "{variables:?}");
    }
    assert_eq!(
        file(&node, PORT, "/usr/lib/vendor/library"),
        vendor::LIBRARY
    );
    let status = file(&node, PORT, "/proc/1/status");
    let groups: Vec<&str> = line(&status, "Groups:").split_whitespace().collect();
    assert!(groups.contains(&"4711"), "{groups:?}");
    // The one is always empty, and of the other nothing can be read before it is told what to be.
    assert_eq!(file(&node, PORT, "/dev/vendor0"), "");
    let tunnel = file(&node, PORT, "/dev/vendor-tunnel");
    assert!(tunnel.contains("in bad state"), "{tunnel}");
    assert!(
        outside(&node, vendor::LINKED).exists(),
        "{}",
        node.journal()
    );
    let audit = "container gpu is set up with rights over the host: cdi vendor.example/gpu=0";
    assert!(node.journal().contains(audit), "{}", node.journal());
    // Nobody else noticed.
    assert_eq!(node.wait_web("/started"), started);
}

/// A vendor and its spec.
#[cfg(test)]
mod vendor {
    use super::rig::containers::outside;
    use super::rig::node::Node;
    use serde_json::json;
    use std::fs;

    /// A program of the sample app, which writes to a file.
    const HOOK: &str = "/run/vendor/hook";
    pub(super) const LINKED: &str = "/run/vendor/linked";
    pub(super) const LIBRARY: &str = "the vendor's library\n";

    /// What a driver's container would do.
    pub(super) fn install(node: &Node<'_>) {
        let write = |path: &str, text: &str| fs::write(outside(node, path), text).unwrap();
        fs::create_dir(outside(node, "/run/vendor")).unwrap();
        write("/run/vendor/library", LIBRARY);
        fs::copy(env!("CARGO_BIN_EXE_orlop-test-app"), outside(node, HOOK)).unwrap();
        let spec = json!({
            "cdiVersion": "0.7.0",
            "kind": "vendor.example/gpu",
            "containerEdits": {
                "env": ["VENDOR_VISIBLE=void", "VENDOR_MODE=vendors"],
                "mounts": [{
                    "hostPath": "/run/vendor/library",
                    "containerPath": "/usr/lib/vendor/library",
                    "options": ["ro", "nosuid", "nodev", "bind"],
                }],
                "hooks": [{
                    "hookName": "createContainer",
                    "path": HOOK,
                    "args": ["hook", "--fill", LINKED],
                    "timeout": 30,
                }],
            },
            "devices": [{
                "name": "0",
                "containerEdits": {
                    "deviceNodes": [
                        { "path": "/dev/vendor0", "hostPath": "/dev/null", "permissions": "rw" },
                        { "path": "/dev/vendor-tunnel", "type": "c", "major": 10, "minor": 200 },
                    ],
                    "additionalGids": [4711],
                },
            }],
        });
        // JSON is YAML; whole at once, as the vendors' tools write it.
        write("/run/cdi/.vendor", &spec.to_string());
        let [new, path] =
            ["/run/cdi/.vendor", "/run/cdi/vendor.yaml"].map(|path| outside(node, path));
        fs::rename(new, path).unwrap();
    }
}
