//! A container as callers see it. Pure.

use super::desired::DesiredContainer;
use super::net::Addresses;
use super::systemd::{Exit, UnitStatus};
use orlop_api::{ContainerState, ContainerView, HealthState, ImageView};
use orlop_config::{Kind, Lifecycle, Name};
use std::collections::BTreeMap;

/// How far the agent is with a container, beside what systemd says of its unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Progress {
    /// Its mounts and network are being prepared.
    #[default]
    Preparing,
    /// It is prepared and waits for others: for what.
    Waiting(String),
    /// It is systemd's now.
    Handed,
    /// It could not be prepared: why.
    Failed(String),
}

/// What a container does.
pub(super) fn state(
    lifecycle: &Lifecycle,
    progress: &Progress,
    status: &UnitStatus,
) -> ContainerState {
    let now = of_unit(progress, status);
    match (now, progress) {
        // How a run ended is in the detail; what counts is that the next one will come.
        (ContainerState::Exited, Progress::Handed) if lifecycle.schedule.is_some() => {
            ContainerState::Scheduled
        }
        // A run begins or ends: as good as the time between two.
        (ContainerState::Starting | ContainerState::Restarting, Progress::Handed)
            if lifecycle.schedule.is_some() && !status.sub.starts_with("auto-restart") =>
        {
            ContainerState::Scheduled
        }
        (ContainerState::Exited, _)
            if lifecycle.kind == Kind::Task
                && status.active == "active"
                && status.exit == Some(Exit::Status(0)) =>
        {
            ContainerState::Completed
        }
        (now, _) => now,
    }
}

/// What a container does that an operator wants stopped, and that did `state` otherwise.
pub(super) fn stopped(state: ContainerState) -> ContainerState {
    match state {
        ContainerState::Running | ContainerState::Starting | ContainerState::Failed => state,
        ContainerState::Preparing
        | ContainerState::Waiting
        | ContainerState::Restarting
        | ContainerState::Completed
        | ContainerState::Scheduled
        | ContainerState::Stopped
        | ContainerState::Exited
        | ContainerState::Disabled => ContainerState::Stopped,
    }
}

/// What a task that runs once does, which has, and did `state` otherwise.
pub(super) fn done(state: ContainerState) -> ContainerState {
    match state {
        // It was started once more, and its record is about to go.
        ContainerState::Running | ContainerState::Starting | ContainerState::Restarting => state,
        _ => ContainerState::Completed,
    }
}

fn of_unit(progress: &Progress, status: &UnitStatus) -> ContainerState {
    match (status.active.as_str(), status.sub.as_str()) {
        ("active" | "reloading" | "refreshing", "exited") => ContainerState::Exited,
        ("active" | "reloading" | "refreshing", _) => ContainerState::Running,
        ("activating", sub) if sub.starts_with("auto-restart") => ContainerState::Restarting,
        ("activating", _) if status.restarts > 0 => ContainerState::Restarting,
        ("activating", _) => ContainerState::Starting,
        ("deactivating", _) => ContainerState::Restarting,
        // systemd's `failed` is for good: of a container that is to be started again it says
        // `activating` between two starts. One that ran and ended is not the one that cannot start.
        ("failed", _) if status.exit.is_some() => ContainerState::Exited,
        ("failed", _) => ContainerState::Failed,
        _ => match progress {
            Progress::Preparing => ContainerState::Preparing,
            Progress::Waiting(_) => ContainerState::Waiting,
            Progress::Handed => ContainerState::Exited,
            Progress::Failed(_) => ContainerState::Failed,
        },
    }
}

/// The words for it: why it could not be prepared, what its probe said, how it ended.
pub(super) fn detail(progress: &Progress, status: &UnitStatus, probe: &str) -> String {
    let running = status.pid.is_some();
    match (progress, status.exit) {
        (Progress::Failed(why) | Progress::Waiting(why), _) if !running => why.clone(),
        (_, _) if running => probe.to_owned(),
        (_, Some(Exit::Status(status))) => format!("exit status {status}"),
        (_, Some(Exit::Signal(signal))) => format!("ended by signal {signal}"),
        (_, Some(Exit::OutOfMemory)) => "out of memory: killed by the kernel".to_owned(),
        (_, None) if status.active == "failed" => format!("its unit failed: {}", status.result),
        (_, None) => String::new(),
    }
}

/// One that is not enabled, whose image the config names so.
pub(super) fn disabled(name: &Name, image: &str) -> ContainerView {
    ContainerView {
        name: name.to_string(),
        state: ContainerState::Disabled,
        health: HealthState::None,
        detail: String::new(),
        image: ImageView {
            reference: image.to_owned(),
            manifest: String::new(),
            root: String::new(),
            version: None,
        },
        pid: None,
        restarts: 0,
        addresses: Vec::new(),
        ports: Vec::new(),
        started: None,
        labels: BTreeMap::new(),
    }
}

/// All of it.
pub(super) fn view(
    container: &DesiredContainer,
    addresses: Option<&Addresses>,
    progress: &Progress,
    status: &UnitStatus,
    health: HealthState,
    probe: &str,
) -> ContainerView {
    let image = &container.image;
    ContainerView {
        name: container.name.to_string(),
        state: state(&container.config.lifecycle, progress, status),
        health,
        detail: detail(progress, status, probe),
        image: ImageView {
            reference: image.reference.clone(),
            manifest: image.manifest.to_string(),
            root: image.root.to_string(),
            version: image.run.version.clone(),
        },
        pid: status.pid,
        restarts: status.restarts,
        addresses: addresses
            .iter()
            .flat_map(|addresses| addresses.all().map(|address| address.to_string()))
            .collect(),
        ports: container
            .config
            .ports
            .iter()
            .map(ToString::to_string)
            .collect(),
        started: status.started,
        labels: container.config.labels.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::desired_web;
    use super::*;
    use orlop_config::{Port, Protocol};

    fn status(active: &str, sub: &str, exit: Option<Exit>) -> UnitStatus {
        UnitStatus {
            active: active.into(),
            sub: sub.into(),
            exit,
            ..UnitStatus::default()
        }
    }

    #[test]
    fn every_state_of_a_unit_is_told_in_words_of_containers() {
        let ended = Some(Exit::Status(1));
        let handed = Progress::Handed;
        for (active, sub, exit, state) in [
            ("active", "running", None, ContainerState::Running),
            (
                "active",
                "exited",
                Some(Exit::Status(0)),
                ContainerState::Exited,
            ),
            ("activating", "start", None, ContainerState::Starting),
            (
                "activating",
                "auto-restart",
                ended,
                ContainerState::Restarting,
            ),
            (
                "activating",
                "auto-restart-queued",
                ended,
                ContainerState::Restarting,
            ),
            (
                "deactivating",
                "stop-post",
                ended,
                ContainerState::Restarting,
            ),
            ("failed", "failed", ended, ContainerState::Exited),
            ("failed", "failed", None, ContainerState::Failed),
            ("inactive", "dead", None, ContainerState::Exited),
        ] {
            assert_eq!(
                super::state(&Lifecycle::default(), &handed, &status(active, sub, exit)),
                state,
                "{active} {sub}"
            );
        }
        let none = UnitStatus::default();
        assert_eq!(
            super::state(&Lifecycle::default(), &Progress::Preparing, &none),
            ContainerState::Preparing
        );
        assert_eq!(
            super::state(&Lifecycle::default(), &Progress::Failed("x".into()), &none),
            ContainerState::Failed
        );
    }

    #[test]
    fn a_task_is_completed_scheduled_or_waits() {
        let well = Some(Exit::Status(0));
        let task = Lifecycle {
            kind: Kind::Task,
            ..Lifecycle::default()
        };
        let scheduled = Lifecycle {
            schedule: Some("daily".parse().unwrap()),
            ..task.clone()
        };
        let (handed, waiting) = (Progress::Handed, Progress::Waiting("x".into()));
        let failed = Progress::Failed("x".into());
        let none = UnitStatus::default();
        let (running, ended) = (
            status("active", "running", None),
            status("failed", "failed", Some(Exit::Status(1))),
        );
        let completed = status("active", "exited", well);
        let starting = status("activating", "start", None);
        let ending = status("deactivating", "stop-post", well);
        let again = status("activating", "auto-restart", Some(Exit::Status(1)));
        for (lifecycle, progress, status, expected) in [
            (&task, &handed, &completed, ContainerState::Completed),
            (&task, &handed, &running, ContainerState::Running),
            (&task, &handed, &ended, ContainerState::Exited),
            (&task, &waiting, &none, ContainerState::Waiting),
            (&scheduled, &handed, &none, ContainerState::Scheduled),
            (&scheduled, &handed, &ended, ContainerState::Scheduled),
            (&scheduled, &handed, &running, ContainerState::Running),
            (&scheduled, &handed, &starting, ContainerState::Scheduled),
            (&scheduled, &handed, &ending, ContainerState::Scheduled),
            (&scheduled, &handed, &again, ContainerState::Restarting),
            (&scheduled, &failed, &none, ContainerState::Failed),
        ] {
            assert_eq!(state(lifecycle, progress, status), expected, "{status:?}");
        }
        assert_eq!(detail(&waiting, &none, ""), "x");
    }

    #[test]
    fn the_detail_says_why() {
        let ended = status("activating", "auto-restart", Some(Exit::Status(7)));
        assert_eq!(detail(&Progress::Handed, &ended, "old"), "exit status 7");
        let killed = status("failed", "failed", Some(Exit::Signal(9)));
        assert_eq!(detail(&Progress::Handed, &killed, ""), "ended by signal 9");
        let running = UnitStatus {
            pid: Some(1),
            ..status("active", "running", None)
        };
        assert_eq!(
            detail(&Progress::Handed, &running, "status 503"),
            "status 503"
        );
        let failed = Progress::Failed("no space".into());
        assert_eq!(detail(&failed, &UnitStatus::default(), ""), "no space");
    }

    #[test]
    fn ports_are_told_as_the_toml_writes_them() {
        let mut container = desired_web().containers.remove(0);
        let first = container.config.ports[0];
        container.config.ports.push(Port {
            host_ip: Some("::1".parse().unwrap()),
            protocol: Protocol::Udp,
            ..first
        });
        let view = view(
            &container,
            None,
            &Progress::Handed,
            &UnitStatus::default(),
            HealthState::None,
            "",
        );
        assert_eq!(view.ports, ["8080:80/tcp", "[::1]:8080:80/udp"]);
        assert_eq!(view.image.version.as_deref(), Some("1.4"));
    }
}
