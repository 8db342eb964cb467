//! What a node in memory tells.

use super::NOW;
use orlop_api::{
    Change, CheckView, ContainerDiff, Diff, Fault, FaultKind, FileChange, FileChanges,
    GenerationStatus, GenerationView, HeldView, ImageView, Job, JobId, JobState, KeyChange,
    Operation, OsDiff, PackageChange, Progress, Trigger, VerdictView,
};
use std::collections::BTreeMap;

pub(super) fn image(reference: &str, digit: char, version: Option<&str>) -> ImageView {
    ImageView {
        reference: reference.to_owned(),
        manifest: format!("sha256:{}", digit.to_string().repeat(64)),
        root: digit.to_string().repeat(64),
        version: version.map(str::to_owned),
    }
}

pub(super) fn generation(id: u64, status: GenerationStatus, current: bool) -> GenerationView {
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

pub(super) fn held() -> HeldView {
    HeldView {
        manifest: format!("sha256:{}", "d".repeat(64)),
        reference: Some("registry.example.com/web:1.5".to_owned()),
        generation: 3,
    }
}

pub(super) fn a_diff(from: u64, to: u64, files: bool) -> Diff {
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

pub(super) fn checks() -> Vec<CheckView> {
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

pub(super) fn job(id: JobId) -> Result<Job, Fault> {
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
