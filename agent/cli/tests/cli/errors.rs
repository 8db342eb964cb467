//! Each error: its words, its hint, its exit code.

use crate::node::MemoryNode;
use crate::run::{Door, orlop, shown};
use orlop_api::{Fault, FaultKind};

#[tokio::test]
async fn each_kind_of_fault_has_its_exit_code() {
    for kind in FaultKind::ALL {
        let fault = Fault::new(kind, "cannot stage: reason")
            .hint("do this")
            .hint("or that");
        let door = Door::new(MemoryNode::failing(fault));
        assert_eq!(
            door.run(&["update", "stage"]).await,
            format!(
                "exit {}\n--- stdout\n--- stderr\nerror: cannot stage: reason\nhint: do this\n\
                 hint: or that\n",
                kind.exit_code()
            )
        );
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_is_an_error_with_a_hint() {
    let output = orlop(&["--socket", "/nonexistent/api.sock", "status"])
        .output()
        .await
        .unwrap();
    insta::assert_snapshot!(shown(&output));
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let door = Door::new(MemoryNode::default());
    door.run(&["pki", "init", "pki"]).await;
    door.run(&["pki", "client", "pki", "--name", "anna", "--role", "reader"])
        .await;
    let host = format!("127.0.0.1:{free}");
    let fingerprint = door.server.fingerprint();
    let shown = door
        .run(&[
            "--host",
            &host,
            "--cert",
            "pki/anna.pem",
            "--key",
            "pki/anna.key",
            "--fingerprint",
            &fingerprint,
            "status",
        ])
        .await;
    insta::assert_snapshot!(shown.replace(&host, "HOST"));
}

macro_rules! error {
    ($name:ident, $($argument:literal),+) => {
        #[tokio::test]
        async fn $name() {
            let door = Door::new(MemoryNode::default());
            insta::assert_snapshot!(door.run(&[$($argument),+]).await);
        }
    };
}

error!(a_job_that_is_not_there, "job", "99");
error!(a_container_that_is_not_there, "container", "logs", "gone");
error!(
    a_name_that_no_container_can_have,
    "container", "logs", "../etc"
);
error!(a_toml_that_is_not_there, "config", "check", "missing.toml");
error!(a_host_without_a_certificate, "--host", "edge-17", "status");
error!(a_host_that_is_none, "--host", "a:b", "status");
error!(an_option_that_is_none, "status", "--jsn");
error!(a_log_that_breaks_off, "container", "logs", "cut");

#[tokio::test]
async fn a_host_without_a_reason_to_trust_it() {
    let door = Door::new(MemoryNode::default());
    let arguments = ["--host", "edge-17", "--cert", "a.pem", "--key", "a.key"];
    insta::assert_snapshot!(door.run(&[&arguments[..], &["status"]].concat()).await);
    let pinned = [&arguments[..], &["--fingerprint", "sha256:12", "status"]].concat();
    insta::assert_snapshot!(door.run(&pinned).await);
}

#[tokio::test]
async fn a_toml_with_three_errors_shows_all_of_them() {
    let door = Door::new(MemoryNode::default());
    let text = "schema = 1\n\n[host]\nnme = \"edge-17\"\n\n[gate]\nhold = \"10 parsecs\"\n\n\
                [container.web]\nimage = \"UPPER\"\n";
    std::fs::write(door.path("node.toml"), text).unwrap();
    insta::assert_snapshot!(door.run(&["config", "check", "node.toml"]).await);
    insta::assert_snapshot!(door.run(&["config", "check", "node.toml", "--json"]).await);
}

#[tokio::test]
async fn a_good_toml_is_ok() {
    let door = Door::new(MemoryNode::default());
    std::fs::write(door.path("node.toml"), "schema = 1\n").unwrap();
    insta::assert_snapshot!(door.run(&["config", "check", "node.toml"]).await, @r"
    exit 0
    --- stdout
    node.toml: ok
    --- stderr
    ");
}
