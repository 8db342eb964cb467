//! Every change that is asked for leaves an audit record.

use crate::http::Local;
use crate::node::MemoryNode;
use log::{Log, Metadata, Record};
use orlop_api::{Fault, FaultKind};
use orlopd::front::Method;
use std::sync::{Mutex, OnceLock};

/// Audit records of this process, their fields in one line each. Other tests may add to them.
struct Records(Mutex<Vec<String>>);

static RECORDS: OnceLock<Records> = OnceLock::new();

impl Log for Records {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "audit"
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let field = |name: &str| {
            let value = record.key_values().get(name.into());
            value.map_or(String::new(), |value| format!(" {name}={value}"))
        };
        let fields = ["caller", "operation", "outcome", "job", "error"].map(field);
        self.0
            .lock()
            .unwrap()
            .push(fields.concat().trim_start().to_owned());
    }

    fn flush(&self) {}
}

fn record() -> &'static Records {
    RECORDS.get_or_init(|| Records(Mutex::default()))
}

fn has(line: &str) -> bool {
    record().0.lock().unwrap().iter().any(|one| one == line)
}

#[tokio::test]
async fn each_change_is_recorded_with_caller_operation_and_outcome() {
    log::set_logger(record()).unwrap();
    log::set_max_level(log::LevelFilter::Info);

    let local = Local::new(MemoryNode::default());
    local.post("/v1/update/stage", "").await;
    assert!(has("caller=uid 0 operation=stage outcome=started job=4"));
    local.post("/v1/rollback", r#"{"dry_run": true}"#).await;
    assert!(has("caller=uid 0 operation=roll-back outcome=rehearsed"));
    local.post("/v1/jobs/6/cancel", "").await;
    assert!(has("caller=uid 0 operation=cancel outcome=done"));

    let fault = Fault::new(FaultKind::Refused, "cannot apply: nothing is staged");
    let refusing = Local::new(MemoryNode::failing(fault));
    refusing.post("/v1/update/apply", "").await;
    assert!(has(
        "caller=uid 0 operation=apply outcome=refused error=cannot apply: nothing is staged"
    ));

    local.open_to_all();
    local.ask_as(65534, Method::Post, "/v1/config/apply").await;
    assert!(has(
        "caller=uid 65534 operation=apply-config outcome=refused error=cannot let uid 65534 do \
         this: only root and members of group orlop may"
    ));

    local.get("/v1/status").await;
    let reads = record()
        .0
        .lock()
        .unwrap()
        .iter()
        .filter(|one| one.contains("=status"))
        .count();
    assert_eq!(reads, 0);
}
