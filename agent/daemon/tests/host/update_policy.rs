//! The update policy, with a registry whose tag moves.

use super::loop_in_place::{come_to, installed};
use super::{PATIENCE, ROOT, start};
use crate::os_image;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use orlop_api::{Event, EventKind, Phase, ReleaseRequest, Status, Trigger, VerdictView};
use orlop_config::Weekday;
use orlop_image::{Repositories, serve};
use orlopd::host::Host;
use orlopd::ops::Operations as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// A registry with one repository, `orlop/os`, whose tag `1` stands for what was moved there last.
struct Registry {
    images: TempDir,
    served: PathBuf,
    address: SocketAddr,
}

impl Registry {
    async fn start() -> Self {
        let images = tempfile::tempdir().unwrap();
        let served = images.path().join("served");
        fs::create_dir_all(served.join("blobs/sha256")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let repositories = Repositories::from([("orlop/os".to_owned(), served.clone())]);
        tokio::spawn(serve(listener, repositories, std::future::pending()));
        let registry = Self {
            images,
            served,
            address,
        };
        registry.move_tag("1");
        registry
    }

    /// Lets the tag stand for another version.
    fn move_tag(&self, version: &str) {
        os_image::make(self.images.path(), version);
        let layout = self.images.path().join(format!("os-{version}"));
        copy(
            &layout.join("blobs/sha256"),
            &self.served.join("blobs/sha256"),
        );
        fs::copy(layout.join("oci-layout"), self.served.join("oci-layout")).unwrap();
        // Whoever reads meanwhile gets the old index or the new one.
        let new = self.served.join("index.new");
        fs::copy(layout.join("index.json"), &new).unwrap();
        fs::rename(new, self.served.join("index.json")).unwrap();
    }

    /// A TOML that names the tag, with this `[update]`.
    fn toml(&self, update: &str) -> String {
        let image = format!("{}/orlop/os:1", self.address);
        format!(
            "schema = 1\n[os]\nimage = \"{image}\"\n\
             [update]\nevery = \"1s\"\n{update}\n[gate]\nhold = \"0s\"\ndeadline = \"3s\"\n"
        )
    }

    /// A settled node under such a TOML.
    async fn node(&self, update: &str) -> (TempDir, Host) {
        let (dir, paths) = installed(&self.toml(update)).await;
        let host = start(&paths, Phase::Idle).await;
        (dir, host)
    }
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

async fn status_with(host: &Host, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let looking = async {
        loop {
            let status = host.status().await;
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let status = timeout(PATIENCE, looking).await;
    match status {
        Ok(status) => status,
        Err(_) => panic!("no {what}: {:?}", host.status().await),
    }
}

fn staged_version(status: &Status) -> Option<&str> {
    status.staged.as_ref()?.os.version.as_deref()
}

/// Returns after the agent has looked at the registry twice more.
async fn two_more_looks(host: &Host) {
    for _ in 0..2 {
        let next = host.status().await.updates.unwrap().next_look;
        status_with(host, "further look", |status| {
            let updates = status.updates.as_ref().unwrap();
            updates.next_look > next && status.phase == Phase::Idle
        })
        .await;
    }
}

/// The next verdict of which `events` tells; they must be listened to before what leads to it.
async fn next_verdict(events: &mut BoxStream<'static, Event>) -> VerdictView {
    let verdict = async {
        loop {
            if let EventKind::Verdict { verdict } = events.next().await.unwrap().kind {
                return verdict;
            }
        }
    };
    timeout(PATIENCE, verdict).await.expect("a verdict")
}

#[tokio::test]
async fn policy_download_stages_what_the_tag_stands_for_now_and_waits() {
    let registry = Registry::start().await;
    let (_dir, host) = registry.node("policy = \"download\"").await;
    two_more_looks(&host).await;
    assert_eq!(host.generations().await.len(), 1, "nothing is new");
    registry.move_tag("2");
    let status = status_with(&host, "staged OS 2", |s| staged_version(s) == Some("2")).await;
    assert_eq!(status.updates.unwrap().policy, "download");
    two_more_looks(&host).await;
    let status = host.status().await;
    assert_eq!(status.current.map(|current| current.id), Some(1));
    assert_eq!(host.generations().await.len(), 2, "it is staged once");
    registry.move_tag("3");
    status_with(&host, "staged OS 3", |s| staged_version(s) == Some("3")).await;
    assert_eq!(host.generations().await.len(), 2, "OS 2 gave way");
}

#[tokio::test]
async fn policy_manual_looks_at_nothing() {
    let registry = Registry::start().await;
    let (_dir, host) = registry.node("policy = \"manual\"").await;
    let updates = host.status().await.updates.unwrap();
    assert_eq!(
        (updates.policy.as_str(), updates.next_look),
        ("manual", None)
    );
}

#[tokio::test]
async fn outside_of_its_window_the_agent_stages_and_says_when_it_will_switch() {
    let registry = Registry::start().await;
    // Yesterday, wherever the test runs and however long it takes.
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let yesterday = today.weekday().previous().to_monday_zero_offset();
    let day = Weekday::ALL[usize::try_from(yesterday).unwrap()].as_str();
    let window = format!(
        "policy = \"auto\"\nwindow = [{{ days = [\"{day}\"], from = \"01:00\", to = \"02:00\" }}]"
    );
    let (_dir, host) = registry.node(&window).await;
    registry.move_tag("2");
    let status = status_with(&host, "staged OS 2", |s| staged_version(s) == Some("2")).await;
    let opens = status.updates.unwrap().window_opens_local.unwrap();
    assert!(opens.ends_with(" 01:00 UTC"), "{opens}");
    two_more_looks(&host).await;
    let why = host.why().await;
    let waits = why.waiting_for.unwrap();
    let expected =
        format!("The window that opens at {opens}: the agent switches to generation 2 then; ");
    assert!(waits.starts_with(&expected), "{waits}");
    assert_eq!(
        host.status().await.current.map(|current| current.id),
        Some(1)
    );
}

#[tokio::test]
async fn policy_auto_switches_and_an_image_that_failed_is_not_tried_again_until_it_is_released() {
    let registry = Registry::start().await;
    let (_dir, host) = registry.node("policy = \"auto\"").await;
    // A node in a directory cannot restart its machine, so the switch to another OS fails.
    let mut events = host.events();
    registry.move_tag("2");
    let verdict = next_verdict(&mut events).await;
    assert!(
        matches!(verdict.trigger, Trigger::Switch { .. }),
        "{verdict:?}"
    );
    assert_eq!(verdict.generation, 2);
    come_to(&host, Phase::Idle).await;
    let held = host.status().await.held;
    assert_eq!((held.len(), held[0].generation), (1, 2));
    assert_eq!(host.why().await.held, held);
    two_more_looks(&host).await;
    assert_eq!(host.generations().await.len(), 2, "it is not tried again");

    let prefix = held[0].manifest["sha256:".len()..][..8].to_owned();
    let wrong = ReleaseRequest {
        digest: "0000".to_owned(),
    };
    let fault = host.release(wrong, ROOT).await.unwrap_err();
    assert!(fault.message.contains(&held[0].manifest), "{fault}");
    let release = ReleaseRequest { digest: prefix };
    assert_eq!(host.release(release, ROOT).await.unwrap(), held[0]);
    assert_eq!(
        next_verdict(&mut events).await.generation,
        3,
        "it is tried again"
    );
    come_to(&host, Phase::Idle).await;
    assert_eq!(host.status().await.held[0].manifest, held[0].manifest);

    registry.move_tag("3");
    assert_eq!(
        next_verdict(&mut events).await.generation,
        4,
        "another digest is tried"
    );
    come_to(&host, Phase::Idle).await;
    assert_eq!(host.status().await.held.len(), 2);
}
