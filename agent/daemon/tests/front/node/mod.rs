//! A node in memory, for tests of what lies before and after the operations: routes, roles, errors,
//! and the command's output. It keeps what it was asked, and answers with fixed views.

mod containers;
mod stored;
pub(crate) mod views;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use orlop_api::{
    ApplyConfigRequest, ApplyRequest, ConfigEntry, ConfigQuery, ConfigReport, ConfigView,
    ConfirmView, ContainerState, ContainerView, DiagnosticView, Diff, DiffQuery, Event, EventKind,
    Fault, FaultKind, GateView, GenerationStatus, GenerationView, HealthState, HeldView, Job,
    JobId, LogLine, LogQuery, Phase, ReleaseRequest, RollBackRequest, StageRequest, Status,
    TrialView, VerdictView, Why,
};

use orlopd::ops::{Caller, Operations, Pinning, Started, Uptime};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast;
use views::{a_diff, bad_verdict, checks, generation, held, image, job};

/// The time at which everything happens: 2026-11-22 02:25:07 UTC.
pub(crate) const NOW: u64 = 1_795_314_307;

/// The node.
pub(crate) struct MemoryNode {
    /// What was asked, and by whom.
    pub(crate) asked: Mutex<Vec<String>>,
    /// Who has reached it from afar.
    pub(crate) reached: Mutex<Vec<String>>,
    /// Streams of events and logs that someone reads right now.
    pub(crate) readers: std::sync::Arc<AtomicUsize>,
    /// What changes fail with, where they are to fail.
    pub(crate) fault: Mutex<Option<Fault>>,
    /// The phase that `status` tells.
    pub(crate) phase: Mutex<Phase>,
    /// The generation that runs.
    pub(crate) current: Mutex<u64>,
    /// The newest verdict.
    pub(crate) verdict: Mutex<Option<VerdictView>>,
    events: broadcast::Sender<Event>,
}

impl Default for MemoryNode {
    fn default() -> Self {
        Self {
            asked: Mutex::default(),
            reached: Mutex::default(),
            readers: std::sync::Arc::default(),
            fault: Mutex::default(),
            phase: Mutex::new(Phase::Trial),
            current: Mutex::new(2),
            verdict: Mutex::new(Some(bad_verdict())),
            events: broadcast::channel(16).0,
        }
    }
}

/// Counts a reader for as long as its stream lives.
struct Reader(std::sync::Arc<AtomicUsize>);

impl Reader {
    fn new(count: &std::sync::Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(std::sync::Arc::clone(count))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl MemoryNode {
    /// Lets readers of events know.
    pub(crate) fn happen(&self, kind: EventKind) {
        // Nobody listens: nothing to tell.
        let _ = self.events.send(Event {
            seq: 1,
            at: NOW,
            kind,
        });
    }

    /// A node whose changes fail so.
    pub(crate) fn failing(fault: Fault) -> Self {
        Self {
            fault: Mutex::new(Some(fault)),
            ..Self::default()
        }
    }

    fn note(&self, what: String, caller: &Caller) -> Result<(), Fault> {
        self.asked.lock().unwrap().push(format!("{caller}: {what}"));
        self.fault.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn view(&self, container: &str) -> Result<ContainerView, Fault> {
        let views = self.containers().await;
        let view = views.into_iter().find(|view| view.name == container);
        view.ok_or_else(|| {
            let message = format!("cannot find container {container}");
            Fault::new(FaultKind::NotFound, message).hint("did you mean web?")
        })
    }

    fn start(&self, what: String, caller: &Caller, dry_run: bool) -> Result<Started, Fault> {
        self.note(what, caller)?;
        Ok(if dry_run {
            Started::Plan("1. replace container web\n2. gate: container web\n".to_owned())
        } else {
            Started::Job(JobId(4))
        })
    }
}

impl Operations for MemoryNode {
    async fn status(&self) -> Status {
        let phase = *self.phase.lock().unwrap();
        let current = *self.current.lock().unwrap();
        let gate = GateView {
            held_secs: 0,
            hold_secs: 10,
            left_secs: 280,
            checks: checks(),
        };
        Status {
            host: "edge-17".to_owned(),
            machine_id: "0123456789abcdef0123456789abcdef".to_owned(),
            phase,
            current: Some(generation(current, GenerationStatus::Trial, true)),
            staged: Some(generation(4, GenerationStatus::Staged, false)),
            trial: (phase == Phase::Trial).then_some(TrialView {
                generation: 2,
                fallback: Some(1),
                gate: Some(gate),
                confirm: None,
            }),
            held: vec![held()],
            updates: None,
            job: job(JobId(4)).ok(),
            problems: vec!["check `tcp 10.0.0.1:443` fails: connection refused".to_owned()],
            agent: "0.1.0".to_owned(),
            verity: true,
            os_release: Some("1".to_owned()),
            uptime_secs: 3725,
        }
    }

    async fn generations(&self) -> Vec<GenerationView> {
        vec![
            generation(4, GenerationStatus::Staged, false),
            generation(3, GenerationStatus::Failed, false),
            generation(2, GenerationStatus::Trial, true),
            generation(1, GenerationStatus::Good, false),
        ]
    }

    async fn diff(&self, query: DiffQuery) -> Result<Diff, Fault> {
        let to = query.to.unwrap_or(4);
        if to > 4 {
            let message = format!("cannot find generation {to}");
            return Err(Fault::new(FaultKind::NotFound, message));
        }
        Ok(a_diff(query.from.unwrap_or(2), to, query.files))
    }

    async fn pin(&self, generation: u64, pinning: Pinning, caller: Caller) -> Result<(), Fault> {
        self.note(format!("{pinning:?} {generation}"), &caller)
    }

    async fn config_history(&self) -> Vec<ConfigEntry> {
        let entry = |generation, status, current, origin: &str| ConfigEntry {
            generation,
            current,
            status,
            digest: format!("sha256:{}", "b".repeat(64)),
            created: NOW - 3600,
            origin: origin.to_owned(),
        };
        vec![
            entry(2, GenerationStatus::Trial, true, "config"),
            entry(1, GenerationStatus::Good, false, "first boot"),
        ]
    }

    async fn confirm(&self, caller: Caller) -> Result<ConfirmView, Fault> {
        self.note("confirm".to_owned(), &caller)?;
        Ok(ConfirmView {
            left_secs: 280,
            until: NOW + 280,
            by: Some(caller.to_string()),
        })
    }

    async fn release(&self, request: ReleaseRequest, caller: Caller) -> Result<HeldView, Fault> {
        self.note(format!("release {request:?}"), &caller)?;
        Ok(held())
    }

    fn reached(&self, caller: &Caller, _connected: Uptime) {
        self.reached.lock().unwrap().push(caller.to_string());
    }

    async fn config(&self, _query: ConfigQuery) -> Result<ConfigView, Fault> {
        let text = "schema = 1\n\n[host]\nname = \"edge-17\"\n".to_owned();
        Ok(ConfigView {
            digest: format!("sha256:{}", "b".repeat(64)),
            text,
        })
    }

    fn check_config(&self, text: &str) -> ConfigReport {
        if text.starts_with("schema = 1") {
            return ConfigReport {
                ok: true,
                diagnostics: Vec::new(),
                rendered: String::new(),
            };
        }
        ConfigReport {
            ok: false,
            diagnostics: vec![DiagnosticView {
                line: 1,
                column: 1,
                message: "`schema` is missing".to_owned(),
                help: Some("begin with `schema = 1`".to_owned()),
            }],
            rendered: "error: `schema` is missing\ncannot use node.toml: 1 problem\n".to_owned(),
        }
    }

    async fn stage(&self, request: StageRequest, caller: Caller) -> Result<JobId, Fault> {
        self.note(format!("stage {request:?}"), &caller)?;
        Ok(JobId(4))
    }

    async fn apply(&self, request: ApplyRequest, caller: Caller) -> Result<Started, Fault> {
        self.start(format!("apply {request:?}"), &caller, request.dry_run)
    }

    async fn apply_config(
        &self,
        request: ApplyConfigRequest,
        caller: Caller,
    ) -> Result<Started, Fault> {
        self.start(
            format!("apply config {request:?}"),
            &caller,
            request.dry_run,
        )
    }

    async fn roll_back(&self, request: RollBackRequest, caller: Caller) -> Result<Started, Fault> {
        self.start(format!("roll back {request:?}"), &caller, request.dry_run)
    }

    async fn why(&self) -> Why {
        Why {
            running: "generation 2 runs because 3 failed its gate".to_owned(),
            not_newer: Some("generation 4 is staged and waits for `orlop update apply`".to_owned()),
            waiting_for: Some("check `tcp 10.0.0.1:443`".to_owned()),
            held: vec![held()],
            verdict: self.verdict.lock().unwrap().clone(),
        }
    }

    async fn job(&self, id: JobId) -> Result<Job, Fault> {
        job(id)
    }

    async fn cancel(&self, id: JobId, caller: Caller) -> Result<(), Fault> {
        self.note(format!("cancel {id}"), &caller)
    }

    async fn containers(&self) -> Vec<ContainerView> {
        let view = |name: &str, state, health, detail: &str| ContainerView {
            name: name.to_owned(),
            state,
            health,
            detail: detail.to_owned(),
            image: image("registry.example.com/web:1.4", 'c', None),
            pid: Some(77),
            restarts: 2,
            addresses: vec!["10.89.0.2".to_owned()],
            ports: vec!["8080:80/tcp".to_owned()],
            started: Some(NOW - 100),
            labels: std::collections::BTreeMap::new(),
        };
        vec![
            view("db", ContainerState::Running, HealthState::None, ""),
            view(
                "web",
                ContainerState::Running,
                HealthState::Unhealthy,
                "exit status 1: no\u{1b}",
            ),
        ]
    }

    async fn logs(
        &self,
        container: &str,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Fault>>, Fault> {
        if container == "gone" {
            return Err(
                Fault::new(FaultKind::NotFound, "cannot find container `gone`")
                    .hint("`orlop container ls` lists the containers"),
            );
        }
        let reader = Reader::new(&self.readers);
        let count = u64::from(query.lines.unwrap_or(100).min(2));
        let lines = stream::iter(0..count).map(|n| {
            Ok(LogLine {
                at_micros: NOW * 1_000_000 + n,
                text: format!("line {n}"),
                dropped: None,
            })
        });
        let cut = Fault::new(
            FaultKind::Transient,
            "cannot read the journal any longer: rotated",
        );
        let lines = match (container, query.follow) {
            ("cut", _) => lines
                .chain(stream::iter([Err(cut.clone()), Err(cut)]))
                .boxed(),
            (_, true) => lines.chain(stream::pending()).boxed(),
            (_, false) => lines.boxed(),
        };
        Ok(lines
            .map(move |line| {
                let _counted = &reader;
                line
            })
            .boxed())
    }

    fn events(&self) -> BoxStream<'static, Event> {
        let reader = Reader::new(&self.readers);
        stream::unfold(
            (self.events.subscribe(), reader),
            |(mut events, reader)| async {
                let event = events.recv().await.ok()?;
                Some((event, (events, reader)))
            },
        )
        .boxed()
    }
}
