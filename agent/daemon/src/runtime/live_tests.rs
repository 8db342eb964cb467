//! What is told of containers while they come, run and go.

use super::super::desired::Desired;
use super::super::fixture::{desired_web, name};
use super::super::instance::Slot;
use super::super::member::members;
use super::super::plan::Plan;
use super::*;

fn running(pid: u32) -> UnitStatus {
    let (active, sub) = ("active".into(), "running".into());
    UnitStatus {
        active,
        sub,
        pid: Some(pid),
        ..UnitStatus::default()
    }
}

fn desire(live: &Live, desired: &Desired, wishes: Wishes) {
    let members = members(&Plan::default(), desired);
    live.desire(&members, &Leased::new(), wishes);
}

/// One whose next instance comes up, and that one.
fn succeeding() -> (Live, Instance) {
    let live = live();
    let first = Instance::first(&name("web"));
    live.set_status(&first, running(1));
    live.set_monitors(|_, _, _| tokio::spawn(std::future::pending()));
    live.set_health(&first, 1, HealthState::Healthy, "");
    let mut members = members(&Plan::default(), &desired_web());
    let mut next = members[0].clone();
    next.container.slot = Slot::Second;
    next.role = Role::Comes;
    members.push(next);
    live.desire(&members, &Leased::new(), Wishes::new());
    live.conclude(&Outcomes::from([(name("web"), Outcome::Succeeding)]));
    live.set_monitors(|_, _, _| tokio::spawn(std::future::pending()));
    live.set_status(&first.sibling(), running(2));
    (live, first.sibling())
}

#[tokio::test]
async fn while_the_next_instance_comes_up_the_container_runs_and_is_not_healthy() {
    let (live, next) = succeeding();
    let view = live.views().remove(0);
    assert_eq!(live.views().len(), 1);
    let seen = (view.state, view.health, view.pid);
    assert_eq!(
        seen,
        (ContainerState::Running, HealthState::Starting, Some(1))
    );
    assert_eq!(view.detail, "the next instance comes up: running");
    live.set_health(&next, 2, HealthState::Healthy, "");
    assert_eq!(live.views()[0].health, HealthState::Starting);
    assert_eq!(live.coming(&next).unwrap().health, HealthState::Healthy);
    assert_eq!(live.serving(&name("web")), next.sibling());
    live.take_over(&next);
    let view = live.views().remove(0);
    assert_eq!((view.health, view.pid), (HealthState::Healthy, Some(2)));
    assert_eq!(live.serving(&name("web")), next);
    assert_eq!(live.coming(&next), None);
}

#[tokio::test]
async fn one_whose_next_instance_never_was_well_has_failed_and_serves_on() {
    let (live, next) = succeeding();
    live.give_up(&next, "status 503".into());
    let view = live.views().remove(0);
    assert_eq!((view.state, view.pid), (ContainerState::Failed, Some(1)));
    assert_eq!(view.detail, "status 503; the instance before it serves on");
    assert!(live.running(&next.sibling()).is_some());
    desire(&live, &desired_web(), Wishes::new());
    assert_eq!(live.views()[0].state, ContainerState::Running);
}

fn live() -> Live {
    let live = Live::new();
    desire(&live, &desired_web(), Wishes::new());
    live
}

#[tokio::test]
async fn a_restart_begins_with_unknown_health_and_a_late_answer_does_not_count() {
    let live = live();
    live.set_monitors(|_, _, _| tokio::spawn(std::future::pending()));
    let web = Instance::first(&name("web"));
    live.set_status(&web, running(1));
    live.set_health(&web, 1, HealthState::Healthy, "");
    assert_eq!(live.views()[0].health, HealthState::Healthy);
    live.set_status(&web, running(2));
    assert_eq!(live.views()[0].health, HealthState::Starting);
    live.set_health(&web, 1, HealthState::Healthy, "");
    assert_eq!(live.views()[0].health, HealthState::Starting);
}

#[tokio::test]
async fn a_probe_wakes_when_its_container_runs_and_not_only_when_its_process_is_there() {
    let live = live();
    let web = Instance::first(&name("web"));
    let mut woken = None;
    live.set_monitors(|_, _, _| tokio::spawn(std::future::pending()));
    for entry in live.lock().values() {
        woken = Some(Arc::clone(&entry.wake));
    }
    let woken = woken.unwrap();
    let starting = UnitStatus {
        active: "activating".into(),
        sub: "start-post".into(),
        ..running(2)
    };
    live.set_status(&web, starting);
    assert_eq!(live.running(&web), None);
    // What has woken it until now does not count.
    drop(tokio::time::timeout(std::time::Duration::ZERO, woken.notified()).await);
    live.set_status(&web, running(2));
    assert!(live.running(&web).is_some());
    // A permit is there, so this does not wait.
    let waited = tokio::time::timeout(std::time::Duration::from_secs(5), woken.notified());
    waited.await.unwrap();
}

#[test]
fn one_that_was_stopped_says_so_and_by_whom() {
    let live = live();
    let wish = Wish {
        by: "uid 0".into(),
        at: 7,
        generation: 0,
    };
    let wishes = Wishes::from([(name("web"), wish)]);
    desire(&live, &desired_web(), wishes);
    live.conclude(&Outcomes::new());
    let view = live.views().remove(0);
    assert_eq!(view.state, ContainerState::Stopped);
    assert_eq!(view.detail, "stopped by uid 0");
    desire(&live, &desired_web(), Wishes::new());
    assert_eq!(live.views()[0].state, ContainerState::Preparing);
}

#[test]
fn the_newest_results_of_a_probe_are_kept() {
    let live = live();
    let web = Instance::first(&name("web"));
    live.set_status(&web, running(1));
    live.set_health(&web, 1, HealthState::Healthy, "");
    for n in 0..PROBES_KEPT {
        live.set_health(&web, 1, HealthState::Healthy, &format!("status 50{n}"));
    }
    let probes = live.known(&web.container).unwrap().probes;
    assert_eq!(probes.len(), PROBES_KEPT);
    let first = (probes[0].pass, probes[0].detail.as_str());
    assert_eq!(first, (false, "status 500"));
}

#[test]
fn one_with_a_probe_is_never_shown_as_one_without() {
    let live = live();
    assert_eq!(live.views()[0].health, HealthState::Starting);
    live.set_status(&Instance::first(&name("web")), running(1));
    assert_eq!(live.views()[0].health, HealthState::Starting);
}

#[test]
fn how_a_process_ended_is_known_until_another_has_started() {
    let live = live();
    let web = Instance::first(&name("web"));
    let killed = |started, exit| UnitStatus {
        started: Some(started),
        exit: Some(exit),
        ..UnitStatus::default()
    };
    let first = killed(1, Exit::Signal(9));
    assert_eq!(live.known_end(&web, &first), None);
    live.set_status(&web, killed(1, Exit::OutOfMemory));
    assert_eq!(live.known_end(&web, &first), Some(Exit::OutOfMemory));
    let second = killed(2, Exit::Signal(9));
    assert_eq!(live.known_end(&web, &second), None);
    live.set_status(&web, running(1));
    assert_eq!(live.known_end(&web, &first), None);
}

#[test]
fn each_change_is_told_once() {
    let live = live();
    let mut changes = live.subscribe();
    live.set_status(&Instance::first(&name("web")), running(1));
    live.set_status(&Instance::first(&name("web")), running(1));
    assert_eq!(changes.try_recv().unwrap().state, ContainerState::Running);
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn a_probe_task_begins_anew_where_the_probe_or_the_runtime_is_another() {
    let live = live();
    let spawned = std::cell::Cell::new(0);
    let mut desired = desired_web();
    let mut probes_after = |change: &dyn Fn(&mut orlop_config::Container)| {
        change(&mut desired.containers[0].config);
        desire(&live, &desired, Wishes::new());
        live.set_monitors(|_, _, _| {
            spawned.set(spawned.get() + 1);
            tokio::spawn(std::future::pending())
        });
        spawned.get()
    };
    assert_eq!(probes_after(&|_| ()), 1);
    assert_eq!(probes_after(&|_| ()), 1);
    assert_eq!(probes_after(&|web| web.runtime = OciRuntime::Runc), 2);
    assert_eq!(probes_after(&|web| web.health = None), 2);
}

#[tokio::test]
async fn a_probe_task_ends_with_its_container() {
    let live = live();
    let (dropped, gone) = tokio::sync::oneshot::channel::<()>();
    let dropped = Mutex::new(Some(dropped));
    live.set_monitors(|_, _, _| {
        let held = dropped.lock().unwrap().take();
        tokio::spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        })
    });
    desire(&live, &Desired::default(), Wishes::new());
    assert!(gone.await.is_err());
}
