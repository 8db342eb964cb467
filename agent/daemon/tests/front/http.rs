//! The HTTP API on a unix socket.

use crate::client::{fault, json, send};
use crate::node::MemoryNode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Response};
use orlop_api::{EventKind, Fault, FaultKind, Phase};
use orlopd::front::{ApiServer, Method as Verb, ROUTES, ServerOptions, pki};
use serde_json::json;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Long enough for anything on this machine; reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Local {
    dir: TempDir,
    node: Arc<MemoryNode>,
    _server: ApiServer,
}

impl Local {
    pub(crate) fn new(node: MemoryNode) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = Arc::new(node);
        let identity = pki::load_or_make(&dir.path().join("pki"), "edge-17").unwrap();
        let options = ServerOptions::new(dir.path().join("api.sock"), identity);
        let server = ApiServer::start(Arc::clone(&node), options).unwrap();
        Self {
            dir,
            node,
            _server: server,
        }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.dir.path().join("api.sock"))
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Incoming> {
        send(self.connect().await, Method::GET, path, "").await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: impl Into<hyper::body::Bytes>,
    ) -> Response<Incoming> {
        send(self.connect().await, Method::POST, path, body).await
    }

    fn asked(&self) -> Vec<String> {
        self.node.asked.lock().unwrap().clone()
    }

    /// Lets every user open the socket, so that only the agent's own check is left.
    pub(crate) fn open_to_all(&self) {
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        open(self.dir.path(), 0o755);
        open(&self.dir.path().join("api.sock"), 0o666);
    }

    /// The answer's body, and its status right after it, to a request of another user.
    pub(crate) async fn ask_as(&self, uid: u32, method: Verb, path: &str) -> String {
        let output = tokio::process::Command::new("setpriv")
            .args([format!("--reuid={uid}"), format!("--regid={uid}")])
            .args(["--clear-groups", "curl", "-sS", "-w", "%{http_code}"])
            .args(["-X", &method.to_string(), "--unix-socket"])
            .arg(self.dir.path().join("api.sock"))
            .arg(format!("http://orlop{path}"))
            .output()
            .await
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test]
async fn every_read_answers_with_its_type() {
    let local = Local::new(MemoryNode::default());
    for (path, pointer, value) in [
        ("/v1/status", "/phase", json!("trial")),
        ("/v1/generations", "/0/id", json!(4)),
        (
            "/v1/config",
            "/text",
            json!("schema = 1\n\n[host]\nname = \"edge-17\"\n"),
        ),
        ("/v1/why", "/verdict/trigger/check", json!("container web")),
        ("/v1/containers", "/1/name", json!("web")),
        ("/v1/jobs/6", "/progress/total", json!(48 << 20)),
        ("/v1/images", "/1/pulled", json!(true)),
        (
            "/v1/images/inspect?image=registry.example.com/tool:2",
            "/run/cmd/0",
            json!("/app"),
        ),
        ("/v1/volumes", "/0/containers/0", json!("db")),
        ("/v1/volumes/data", "/used_bytes", json!(4096)),
        ("/v1/networks", "/1/containers/0/name", json!("web")),
    ] {
        let (status, body) = json(local.get(path).await).await;
        assert_eq!(
            (status, body.pointer(pointer)),
            (200, Some(&value)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_change_is_handed_on_with_its_caller_and_answers_202() {
    let local = Local::new(MemoryNode::default());
    let stage = local
        .post("/v1/update/stage", r#"{"os": "registry.example.com/os:2"}"#)
        .await;
    assert_eq!(json(stage).await, (202, json!({"job": 4})));
    let apply = local.post("/v1/update/apply", "").await;
    assert_eq!(json(apply).await, (202, json!({"job": 4})));
    let config = local
        .post("/v1/config/apply", r#"{"config": "schema = 1"}"#)
        .await;
    assert_eq!(json(config).await, (202, json!({"job": 4})));
    let back = local.post("/v1/rollback", r#"{"to": 1}"#).await;
    assert_eq!(json(back).await, (202, json!({"job": 4})));
    let (status, job) = json(local.post("/v1/jobs/6/cancel", "").await).await;
    assert_eq!((status, &job["id"]), (200, &json!(6)));
    assert_eq!(
        local.asked(),
        [
            "uid 0: stage StageRequest { os: Some(\"registry.example.com/os:2\"), config: None }",
            "uid 0: apply ApplyRequest { mode: None, confirm_secs: None, dry_run: false }",
            "uid 0: apply config ApplyConfigRequest { config: \"schema = 1\", mode: None, confirm_secs: None, dry_run: false }",
            "uid 0: roll back RollBackRequest { to: Some(1), mode: None, dry_run: false }",
            "uid 0: cancel 6",
        ]
    );
}

#[tokio::test]
async fn a_rehearsal_answers_200_with_the_plan() {
    let local = Local::new(MemoryNode::default());
    let (status, body) = json(local.post("/v1/rollback", r#"{"dry_run": true}"#).await).await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({"plan": "1. replace container web\n2. gate: container web\n"})
    );
}

#[tokio::test]
async fn a_toml_is_checked_as_it_is() {
    let local = Local::new(MemoryNode::default());
    let (status, good) = json(local.post("/v1/config/check", "schema = 1").await).await;
    assert_eq!((status, &good["ok"]), (200, &json!(true)));
    let (status, bad) = json(local.post("/v1/config/check", "scheme = 1").await).await;
    assert_eq!((status, &bad["diagnostics"][0]["line"]), (200, &json!(1)));
    let (status, fault) = fault(local.post("/v1/config/check", &b"a\xff"[..]).await).await;
    assert_eq!(status, 400);
    assert_eq!(
        fault.message,
        "cannot read the request's body as text: byte 1 is not UTF-8"
    );
}

#[tokio::test]
async fn each_kind_of_fault_has_its_status() {
    for kind in FaultKind::ALL {
        let local = Local::new(MemoryNode::failing(
            Fault::new(kind, "cannot do it").hint("wait"),
        ));
        let (status, body) = fault(local.post("/v1/update/stage", "").await).await;
        assert_eq!(status, kind.http_status());
        assert_eq!(body, Fault::new(kind, "cannot do it").hint("wait"));
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let local = Local::new(MemoryNode::default());
    let too_large = vec![b' '; (1 << 20) + 1];
    for (answer, status, message) in [
        (
            local.get("/v2/status").await,
            404,
            "cannot find /v2/status: the API has no such path",
        ),
        (
            local.post("/v1/status", "").await,
            400,
            "cannot POST /v1/status: use the other method",
        ),
        (local.get("/v1/jobs/99").await, 404, "cannot find job 99"),
        (
            local.get("/v1/jobs/x").await,
            400,
            "cannot read the job's number: Invalid URL: Cannot parse `x` to a `u64`",
        ),
        (
            local.post("/v1/update/stage", r#"{"osx": 1}"#).await,
            400,
            "cannot read the request's body as JSON: unknown field `osx`, expected `os` or `config` \
             at line 1 column 6",
        ),
        (
            local.get("/v1/containers/web/logs?lines=-1").await,
            400,
            "cannot read the query: Failed to deserialize query string: lines: invalid digit found \
             in string",
        ),
        (
            local.get("/v1/containers/web/logs?lines=100001").await,
            400,
            "cannot read the query: `lines` is more than 100000",
        ),
        (
            local.post("/v1/update/stage", too_large).await,
            400,
            "cannot read the request's body: it is larger than 1048576 bytes",
        ),
    ] {
        let (got, fault) = fault(answer).await;
        assert_eq!((got, fault.message.as_str()), (status, message));
    }
    assert_eq!(local.asked(), [""; 0]);
}

#[tokio::test]
async fn log_lines_come_a_line_each_and_a_fault_ends_them() {
    let local = Local::new(MemoryNode::default());
    let text = async |path: &str| {
        let body = local
            .get(path)
            .await
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    assert_eq!(
        text("/v1/containers/web/logs?lines=1").await,
        "{\"at_micros\":1795314307000000,\"text\":\"line 0\"}\n"
    );
    let cut = text("/v1/containers/cut/logs?lines=0").await;
    assert_eq!(
        cut,
        "{\"fault\":{\"kind\":\"transient\",\"message\":\"cannot read the journal any longer: \
         rotated\"}}\n"
    );
    let (status, gone) = fault(local.get("/v1/containers/gone/logs").await).await;
    assert_eq!(
        (status, gone.message.as_str()),
        (404, "cannot find container `gone`")
    );
}

async fn until_readers(local: &Local, count: usize) {
    let reached = async {
        while local.node.readers.load(Ordering::SeqCst) != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("the streams' readers come and go");
}

#[tokio::test]
async fn a_stream_goes_on_as_things_happen_and_ends_when_the_client_leaves() {
    let local = Local::new(MemoryNode::default());
    let mut events = local.get("/v1/events").await.into_body();
    until_readers(&local, 1).await;
    for phase in [Phase::Staging, Phase::Idle] {
        local.node.happen(EventKind::Phase { phase });
        let line = events.frame().await.unwrap().unwrap().into_data().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["phase"], json!(phase.as_str()));
    }
    let logs = local.get("/v1/containers/web/logs?follow=true").await;
    until_readers(&local, 2).await;
    drop(events);
    drop(logs);
    until_readers(&local, 0).await;
}

#[tokio::test]
async fn headers_without_end_are_cut_off() {
    let local = Local::new(MemoryNode::default());
    let mut stream = local.connect().await;
    let write = async {
        stream.write_all(b"GET /v1/status HTTP/1.1\r\n").await?;
        loop {
            stream
                .write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
                .await?;
        }
    };
    let ended: std::io::Result<()> = tokio::time::timeout(PATIENCE, write).await.unwrap();
    assert!(ended.is_err());
    let mut answer = Vec::new();
    // The server may reset the connection before its answer is read.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn only_root_and_the_group_may_open_the_socket_and_an_old_one_makes_room() {
    let local = Local::new(MemoryNode::default());
    let socket = local.dir.path().join("api.sock");
    let before = std::fs::metadata(&socket).unwrap();
    assert_eq!(before.permissions().mode() & 0o777, 0o660);
    let identity = pki::load_or_make(&local.dir.path().join("pki"), "edge-17").unwrap();
    let again = Arc::new(MemoryNode::default());
    let options = ServerOptions::new(socket.clone(), identity);
    let _second = ApiServer::start(Arc::clone(&again), options).unwrap();
    assert_ne!(std::fs::metadata(&socket).unwrap().ino(), before.ino());
    local.post("/v1/update/apply", "").await;
    assert_eq!(again.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_user_outside_the_group_is_refused_every_route() {
    let local = Local::new(MemoryNode::default());
    local.open_to_all();
    for route in ROUTES.iter().copied() {
        let path = route.path.replace("{name}", "web").replace("{id}", "4");
        let text = local.ask_as(65534, route.method, &path).await;
        assert!(
            text.ends_with("403")
                && text
                    .contains("cannot let uid 65534 do this: only root and members of group orlop"),
            "{path}: {text}"
        );
    }
    assert_eq!(local.asked(), [""; 0]);
}

#[tokio::test]
async fn an_archive_goes_in_whole_and_one_that_breaks_off_does_not_look_whole() {
    let local = Local::new(MemoryNode::default());
    let archive = "x".repeat(5 << 20);
    let path = "/v1/volumes/data/import?replace=true";
    let (status, _) = json(local.post(path, archive).await).await;
    assert_eq!(status, 200);
    let asked = [
        "uid 0: import data, replace true",
        "uid 0: it has 5242880 bytes",
    ];
    assert_eq!(local.asked(), asked);
    let whole = local.get("/v1/volumes/data/export").await;
    assert_eq!(
        whole.into_body().collect().await.unwrap().to_bytes(),
        "data"
    );
    let broken = local.get("/v1/volumes/cut/export").await;
    broken.into_body().collect().await.unwrap_err();
}

#[tokio::test]
async fn who_sends_an_archive_that_is_refused_reads_why() {
    let refused = Fault::new(FaultKind::Refused, "cannot import volume data: not empty");
    let local = Local::new(MemoryNode::failing(refused));
    let archive = "x".repeat(5 << 20);
    let answer = local.post("/v1/volumes/data/import", archive).await;
    let (status, fault) = fault(answer).await;
    assert_eq!(
        (status, fault.message.as_str()),
        (409, "cannot import volume data: not empty")
    );
    let answer = local.post("/v1/volumes/no%20name/import", "x").await;
    assert_eq!(answer.status(), 400);
}
