//! A node in memory, for tests of what lies before and after the operations: routes, roles, errors,
//! and the command's output. It keeps what it was asked, and answers with fixed views.

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use orlop_api::{
    ApplyConfigRequest, ApplyRequest, AttachRequest, Change, CheckView, ConfigEntry, ConfigQuery,
    ConfigReport, ConfigView, ConfirmView, ContainerDetail, ContainerDiff, ContainerState,
    ContainerStats, ContainerView, DiagnosticView, Diff, DiffQuery, Event, EventKind, ExecRequest,
    Fault, FaultKind, FileChange, FileChanges, Freed, GateView, GenerationStatus, GenerationView,
    HealthState, HeldView, ImageView, Job, JobId, JobState, KeyChange, LayerView, LogLine,
    LogQuery, MountView, NetworkMember, NetworkView, Operation, OsDiff, PackageChange, Phase,
    ProbeView, ProcessView, Progress, ReleaseRequest, RollBackRequest, StageRequest, Status,
    StoredImage, StoredImageDetail, SubnetView, TrialView, Trigger, VerdictView, VolumeDetail,
    VolumeView, Why,
};

use orlopd::ops::{
    Caller, ContainerOperations, Operations, Order, Pinning, Session, Started, StoredOperations,
    Tar, Uptime,
};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast;

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

fn image(reference: &str, digit: char, version: Option<&str>) -> ImageView {
    ImageView {
        reference: reference.to_owned(),
        manifest: format!("sha256:{}", digit.to_string().repeat(64)),
        root: digit.to_string().repeat(64),
        version: version.map(str::to_owned),
    }
}

fn generation(id: u64, status: GenerationStatus, current: bool) -> GenerationView {
    let web = image("registry.example.com/web:1.4", 'c', None);
    GenerationView {
        id,
        status,
        current,
        pinned: id == 1,
        os: image(
            "registry.example.com/orlop/os:stable",
            'a',
            Some(&format!("{id}.0")),
        ),
        config: format!("sha256:{}", "b".repeat(64)),
        containers: BTreeMap::from([("web".to_owned(), web)]),
        created: NOW - 3600,
        origin: if id == 1 { "first boot" } else { "update" }.to_owned(),
    }
}

/// The verdict on generation 3.
pub(crate) fn bad_verdict() -> VerdictView {
    VerdictView {
        generation: 3,
        good: false,
        running: 2,
        trigger: Trigger::Check {
            check: "container web".to_owned(),
            detail: "unhealthy: exit status 1".to_owned(),
        },
        at: NOW - 60,
        log: vec!["web: cannot bind: address in use".to_owned()],
        checks: checks(),
    }
}

fn held() -> HeldView {
    HeldView {
        manifest: format!("sha256:{}", "d".repeat(64)),
        reference: Some("registry.example.com/web:1.5".to_owned()),
        generation: 3,
    }
}

fn a_diff(from: u64, to: u64, files: bool) -> Diff {
    let text = |text: &str| Some(text.to_owned());
    let package = |name: &str, from, to| PackageChange {
        name: name.to_owned(),
        from,
        to,
    };
    let changed = |path: &str, change| FileChange {
        path: path.to_owned(),
        change,
    };
    let list = vec![
        changed("/usr/bin/crun", Change::Changed),
        changed("/usr/lib/new.so", Change::Added),
        changed("/usr/lib/old.so", Change::Removed),
    ];
    let os = OsDiff {
        from: image("registry.example.com/orlop/os:stable", 'a', Some("2.0")),
        to: image("registry.example.com/orlop/os:stable", 'd', Some("4.0")),
        kernel: false,
        packages: Some(vec![
            package("crun", text("1.21-1"), text("1.21-2")),
            package("libnew1", None, text("0.3")),
            package("libold1", text("0.2"), None),
        ]),
        files: Some(FileChanges {
            added: 1,
            removed: 1,
            changed: 1,
            list: if files { list } else { Vec::new() },
        }),
    };
    Diff {
        from,
        to,
        os: (from != to).then_some(os),
        config: vec![KeyChange {
            key: "container.db.image".to_owned(),
            from: None,
            to: text("\"db:16\""),
        }],
        config_differs: true,
        containers: vec![ContainerDiff {
            name: "db".to_owned(),
            from: None,
            to: Some(image("registry.example.com/db:16", 'e', None)),
        }],
    }
}

fn checks() -> Vec<CheckView> {
    let check = |name: &str, pass, detail: &str| CheckView {
        name: name.to_owned(),
        pass,
        detail: detail.to_owned(),
    };
    vec![
        check("container web", Some(true), "healthy"),
        check("tcp 10.0.0.1:443", Some(false), "connection refused"),
        check("http http://127.0.0.1:8080/", None, ""),
    ]
}

fn job(id: JobId) -> Result<Job, Fault> {
    let state = match id.0 {
        4 => JobState::Done {
            generation: Some(2),
            summary: "generation 2 is staged".to_owned(),
        },
        5 => JobState::Failed {
            fault: Fault::new(
                FaultKind::Integrity,
                "cannot fetch layer sha256:12ab: its content has another digest",
            )
            .hint("the registry or something before it is broken; try another"),
        },
        6 => JobState::Running {
            progress: Progress {
                step: "fetching registry.example.com/orlop/os:stable".to_owned(),
                done: 12 << 20,
                total: Some(48 << 20),
            },
        },
        n => {
            return Err(
                Fault::new(FaultKind::NotFound, format!("cannot find job {n}"))
                    .hint("jobs are forgotten when the agent restarts"),
            );
        }
    };
    Ok(Job {
        id,
        operation: Operation::Stage,
        caller: "uid 0".to_owned(),
        state,
    })
}

impl ContainerOperations for MemoryNode {
    async fn inspect(&self, container: &str) -> Result<ContainerDetail, Fault> {
        Ok(ContainerDetail {
            view: self.view(container).await?,
            config: serde_json::json!({ "memory": 67_108_864 }),
            command: vec!["/app/server".to_owned()],
            mounts: vec![MountView {
                path: "/var/lib/data".to_owned(),
                kind: "bind".to_owned(),
                source: "/state/volumes/data".to_owned(),
                options: vec!["rw".to_owned()],
            }],
            host_ids: Some("524288-589823".to_owned()),
            userns: String::new(),
            tty: false,
            stdin: true,
            unit: format!("orlop-container-{container}.service"),
            cgroup: "/orlop.slice".to_owned(),
            last_exit: Some("signal 9".to_owned()),
            probes: vec![ProbeView {
                at: NOW,
                pass: false,
                detail: "status 503".to_owned(),
            }],
        })
    }

    async fn stats(&self, containers: &[String]) -> Result<Vec<ContainerStats>, Fault> {
        let stats = |name: &String| ContainerStats {
            name: name.clone(),
            at_micros: 1,
            memory: Some(3 << 20),
            memory_max: Some(64 << 20),
            pids: Some(2),
            ..ContainerStats::default()
        };
        Ok(containers.iter().map(stats).collect())
    }

    async fn processes(&self, container: &str) -> Result<Vec<ProcessView>, Fault> {
        self.view(container).await?;
        Ok(vec![ProcessView {
            pid: 77,
            uid: 1000,
            cpu_millis: 12_340,
            command: "/app/server --listen :80\u{1b}".to_owned(),
        }])
    }

    /// On this machine, which is as good as any container.
    async fn exec(
        &self,
        container: &str,
        request: ExecRequest,
        caller: Caller,
    ) -> Result<Session, Fault> {
        self.note(format!("exec {request:?} in {container}"), &caller)?;
        self.view(container).await?;
        let mut child = tokio::process::Command::new(&request.command[0])
            .args(&request.command[1..])
            .stdin(match request.stdin {
                true => Stdio::piped(),
                false => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Ok(Session {
            stdin: child.stdin.take().map(|pipe| Box::new(pipe) as _),
            stdout: child.stdout.take().map(|pipe| Box::new(pipe) as _),
            stderr: child.stderr.take().map(|pipe| Box::new(pipe) as _),
            terminal: None,
            ended: async move {
                let status = child.wait().await?;
                Ok(u8::try_from(status.code().unwrap()).unwrap())
            }
            .boxed(),
        })
    }

    /// A shell on this machine instead of the container's program.
    async fn attach(
        &self,
        container: &str,
        request: AttachRequest,
        caller: Caller,
    ) -> Result<Session, Fault> {
        self.note(format!("attach {request:?} to {container}"), &caller)?;
        let command = ["sh", "-c", "read -r line; echo \"got $line\"; exit 4"];
        let request = ExecRequest {
            command: command.map(str::to_owned).to_vec(),
            stdin: true,
            ..ExecRequest::default()
        };
        self.exec(container, request, caller).await
    }

    async fn copy_out(&self, container: &str, path: &str, caller: Caller) -> Result<Tar, Fault> {
        self.note(format!("copy {path} out of {container}"), &caller)?;
        self.view(container).await?;
        let output = tokio::process::Command::new("tar")
            .args(["--create", "--directory=/proc/self", "comm"])
            .output()
            .await
            .unwrap();
        Ok(stream::iter([Ok(output.stdout.into())]).boxed())
    }

    async fn copy_in(
        &self,
        container: &str,
        query: orlop_api::CopyInQuery,
        content: Tar,
        caller: Caller,
    ) -> Result<(), Fault> {
        self.view(container).await?;
        let chunks: Vec<_> = content.map(Result::unwrap).collect().await;
        let mut archive = tar::Archive::new(std::io::Cursor::new(chunks.concat()));
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            names.push(entry.unwrap().path().unwrap().display().to_string());
        }
        self.note(format!("copy {names:?} as {query:?}"), &caller)
    }

    async fn order(
        &self,
        container: &str,
        order: Order,
        caller: Caller,
    ) -> Result<ContainerView, Fault> {
        self.note(format!("{order} {container}"), &caller)?;
        let mut view = self.view(container).await?;
        if order == Order::Stop {
            view.state = ContainerState::Stopped;
            view.detail = format!("stopped by {caller}");
        }
        Ok(view)
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

fn stored(reference: &str, digit: char, used_by: &[&str]) -> StoredImage {
    StoredImage {
        reference: reference.to_owned(),
        manifest: format!("sha256:{}", digit.to_string().repeat(64)),
        root: digit.to_string().repeat(64),
        kind: "container".to_owned(),
        version: (digit == 'c').then(|| "1.4.2".to_owned()),
        size_bytes: 3 << 20,
        created: None,
        pulled: used_by.is_empty(),
        used_by: used_by.iter().map(|&user| user.to_owned()).collect(),
    }
}

fn volume(name: &str, made: bool) -> VolumeView {
    VolumeView {
        name: name.to_owned(),
        made,
        declared: name == "data",
        containers: (name == "data")
            .then(|| "db".to_owned())
            .into_iter()
            .collect(),
        generations: vec![1, 2],
        limit_bytes: (name == "data").then_some(2 << 30),
        counted_bytes: (name == "data").then_some(512 << 20),
    }
}

impl StoredOperations for MemoryNode {
    async fn images(&self) -> Result<Vec<StoredImage>, Fault> {
        let users = ["generation 2", "container web"];
        Ok(vec![
            stored("registry.example.com/web:1.4", 'c', &users),
            stored("registry.example.com/tool:2", 'e', &[]),
        ])
    }

    async fn image(&self, image: &str) -> Result<StoredImageDetail, Fault> {
        let images = self.images().await?;
        let found = images.into_iter().find(|one| one.reference == image);
        let image = found.ok_or_else(|| {
            let message = format!("cannot find image {image} in the store");
            Fault::new(FaultKind::NotFound, message)
        })?;
        Ok(StoredImageDetail {
            image,
            layers: vec![LayerView {
                digest: format!("sha256:{}", "f".repeat(64)),
                size_bytes: 1 << 20,
            }],
            run: serde_json::json!({ "cmd": ["/app"] }),
        })
    }

    async fn pull_image(&self, image: &str, caller: Caller) -> Result<JobId, Fault> {
        self.note(format!("pull {image}"), &caller)?;
        Ok(JobId(4))
    }

    async fn remove_image(&self, image: &str, caller: Caller) -> Result<Freed, Fault> {
        self.note(format!("remove {image}"), &caller)?;
        Ok(Freed {
            images: vec![image.to_owned()],
            objects: 3,
            bytes: 3 << 20,
        })
    }

    async fn prune_images(&self, caller: Caller) -> Result<Freed, Fault> {
        self.note("prune".to_owned(), &caller)?;
        Ok(Freed::default())
    }

    async fn volumes(&self) -> Result<Vec<VolumeView>, Fault> {
        Ok(vec![
            volume("data", true),
            volume("new", false),
            volume("old", true),
        ])
    }

    async fn volume(&self, volume: &str) -> Result<VolumeDetail, Fault> {
        let volumes = self.volumes().await?;
        let found = volumes.into_iter().find(|one| one.name == volume);
        let volume = found.ok_or_else(|| {
            let message = format!("cannot find volume {volume}");
            Fault::new(FaultKind::NotFound, message)
        })?;
        Ok(VolumeDetail {
            path: format!("/state/volumes/{}", volume.name),
            volume,
            used_bytes: 4096,
            entries: 2,
        })
    }

    async fn remove_volume(&self, volume: &str, force: bool, caller: Caller) -> Result<(), Fault> {
        self.note(format!("remove volume {volume}, force {force}"), &caller)
    }

    /// Its content is its name; that of `cut` breaks off.
    async fn export_volume(&self, volume: &str, caller: Caller) -> Result<Tar, Fault> {
        self.note(format!("export {volume}"), &caller)?;
        self.volume(if volume == "cut" { "data" } else { volume })
            .await?;
        let whole = stream::iter([Ok(volume.to_owned().into())]);
        if volume != "cut" {
            return Ok(whole.boxed());
        }
        let breaks = stream::once(async {
            // Not before what came is sent.
            tokio::task::yield_now().await;
            Err(std::io::Error::other("a disk that breaks"))
        });
        Ok(whole.chain(breaks).boxed())
    }

    async fn import_volume(
        &self,
        volume: orlop_config::Name,
        replace: bool,
        content: Tar,
        caller: Caller,
    ) -> Result<VolumeView, Fault> {
        self.note(format!("import {volume}, replace {replace}"), &caller)?;
        let chunks: Vec<_> = content.map(Result::unwrap).collect().await;
        let text = String::from_utf8(chunks.concat()).unwrap();
        self.note(format!("it has {} bytes", text.len()), &caller)?;
        Ok(self.volume(volume.as_str()).await?.volume)
    }

    async fn networks(&self) -> Vec<NetworkView> {
        let network = |name: &str, containers| NetworkView {
            name: name.to_owned(),
            driver: "bridge".to_owned(),
            subnets: vec![SubnetView {
                subnet: "10.89.0.0/24".to_owned(),
                gateway: "10.89.0.1".to_owned(),
            }],
            parent: None,
            internal: name != "default",
            dns: true,
            declared: name != "default",
            containers,
        };
        let web = NetworkMember {
            name: "web".to_owned(),
            addresses: vec!["10.89.0.2".to_owned()],
            aliases: vec!["www".to_owned()],
        };
        vec![network("back", Vec::new()), network("default", vec![web])]
    }
}
