//! Keys and certificates made by the command let it in, over real TLS.

use crate::node::MemoryNode;
use crate::run::Door;
use orlop_config::Api;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

/// A door that listens on loopback for clients of the CA in `pki`, with an operator and a reader.
async fn remote() -> Door {
    let mut door = Door::new(MemoryNode::default());
    door.run(&["pki", "init", "pki"]).await;
    for (name, role) in [("anna", "operator"), ("ben", "reader")] {
        door.run(&["pki", "client", "pki", "--name", name, "--role", role])
            .await;
    }
    let clients = std::fs::read_to_string(door.path("pki/ca.pem")).unwrap();
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    door.server
        .reconfigure(&Api {
            listen,
            clients: Some(clients),
        })
        .await
        .unwrap();
    door
}

async fn ask(door: &Door, client: &str, trust: &[&str], arguments: &[&str]) -> String {
    let host = door.server.remote_address().unwrap().to_string();
    let (cert, key) = (format!("{client}.pem"), format!("{client}.key"));
    let mut all = vec!["--host", &host, "--cert", &cert, "--key", &key];
    all.extend(trust);
    all.extend(arguments);
    door.run(&all).await.replace(&host, "HOST")
}

#[tokio::test]
async fn a_client_made_here_is_let_in_by_fingerprint_and_by_ca() {
    let door = remote().await;
    let fingerprint = door.server.fingerprint();
    let pinned = ["--fingerprint", fingerprint.as_str()];
    assert!(
        ask(&door, "pki/anna", &pinned, &["status"])
            .await
            .contains("edge-17")
    );
    assert!(
        ask(&door, "pki/anna", &pinned, &["update", "apply"])
            .await
            .contains("job 4")
    );
    assert_eq!(
        door.asked(),
        [
            "certificate CN=anna: apply ApplyRequest { mode: None, confirm_secs: None, dry_run: false }"
        ]
    );

    // The node's own certificate is its CA; it is made out to `edge-17` and `localhost`.
    let host = door.server.remote_address().unwrap();
    let by_name = format!("localhost:{}", host.port());
    let by_ca = async |host: &str| {
        door.run(&[
            "--host",
            host,
            "--cert",
            "pki/ben.pem",
            "--key",
            "pki/ben.key",
            "--server-ca",
            "node-pki/server.pem",
            "generations",
        ])
        .await
    };
    assert!(by_ca(&by_name).await.contains("first boot"));
    let other_name = by_ca(&host.to_string()).await;
    assert!(
        other_name.starts_with("exit 8")
            && other_name.contains("its certificate is not to be trusted"),
        "{other_name}"
    );
}

#[tokio::test]
async fn a_reader_is_refused_changes() {
    let door = remote().await;
    let fingerprint = door.server.fingerprint();
    let shown = ask(
        &door,
        "pki/ben",
        &["--fingerprint", &fingerprint],
        &["rollback"],
    )
    .await;
    insta::assert_snapshot!(shown);
    assert!(door.asked().is_empty());
}

#[tokio::test]
async fn another_fingerprint_is_refused() {
    let door = remote().await;
    let other = format!("sha256:{}", "0".repeat(64));
    insta::assert_snapshot!(ask(&door, "pki/anna", &["--fingerprint", &other], &["status"]).await);
}

#[tokio::test]
async fn a_client_of_another_ca_is_told_so() {
    let door = remote().await;
    let fingerprint = door.server.fingerprint();
    door.run(&["pki", "init", "other"]).await;
    door.run(&["pki", "client", "other", "--name", "eve", "--role", "admin"])
        .await;
    let shown = ask(
        &door,
        "other/eve",
        &["--fingerprint", &fingerprint],
        &["status"],
    )
    .await;
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn keys_are_for_their_owner_and_nothing_is_overwritten() {
    let door = remote().await;
    for key in ["pki/ca.key", "pki/anna.key"] {
        let mode = std::fs::metadata(door.path(key))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let before = std::fs::read(door.path("pki/ca.key")).unwrap();
    insta::assert_snapshot!(door.run(&["pki", "init", "pki"]).await);
    assert_eq!(std::fs::read(door.path("pki/ca.key")).unwrap(), before);
}

#[tokio::test]
async fn a_ca_whose_key_and_certificate_do_not_match_signs_nothing() {
    let door = remote().await;
    door.run(&["pki", "init", "other"]).await;
    std::fs::copy(door.path("other/ca.key"), door.path("pki/ca.key")).unwrap();
    let shown = door
        .run(&["pki", "client", "pki", "--name", "eve", "--role", "admin"])
        .await;
    assert!(shown.starts_with("exit 2"), "{shown}");
    assert!(
        shown.contains("error: cannot sign with the CA of pki/ca.pem"),
        "{shown}"
    );
    assert!(!door.path("pki/eve.pem").exists());
}

#[tokio::test]
async fn a_name_that_would_leave_the_directory_is_refused() {
    let door = remote().await;
    let arguments = [
        "pki", "client", "pki", "--name", "../eve", "--role", "admin",
    ];
    insta::assert_snapshot!(door.run(&arguments).await);
}
