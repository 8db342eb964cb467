//! A Compose file and a Quadlet unit that the command imports run on a node.

#[cfg(test)]
mod rig;

use rig::containers::{apply, file, wait_answer};
use rig::imported::{SHOP, SIDE, all, wait_well};
use rig::node::Rig;

#[test]
fn a_compose_file_and_a_quadlet_unit_are_imported_and_run() {
    let rig = Rig::new();
    let node = rig.node("import", "1", &rig.config("1"));
    node.wait_idle();
    apply(&node, &format!("{}{}", rig.config("1"), all(&rig)));
    assert!(node.wait_verdict(2).good, "{}", node.journal());
    wait_well(&node);
    wait_answer(&node, SHOP, "/healthz");
    wait_answer(&node, SIDE, "/healthz");
    assert_eq!(file(&node, SHOP, "/etc/motd"), "welcome\n");
    for port in [SHOP, SIDE] {
        assert!(file(&node, port, "/proc/1/cmdline").starts_with("/dev/init\0"));
    }
    let status = file(&node, SHOP, "/proc/self/status");
    assert!(status.contains("Uid:\t1000\t1000"), "{status}");
}
