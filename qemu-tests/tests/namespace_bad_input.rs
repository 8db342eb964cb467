//! Bad input on real nodes: what is wrong is told with what to do next, and nothing is changed.

#[cfg(test)]
mod rig;

use orlop_api::{FaultKind, GenerationStatus, JobId, JobState, Phase};
use orlop_image::LayoutLayer;
use orlop_machines::Registry;
use rig::built::{damage, image_of};
use rig::node::{Node, READY, Rig, os_layout};
use rig::operator::Said;
use rig::tap::Tap;
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

/// A TOML with three errors.
const THREE_ERRORS: &str = r#"schema = 1

[gate]
hold = "2 hours"

[container.web]
image = "r.example/web:1"
networks = ["frnot"]
restrat = "always"

[net.front]
subnet = "10.88.1.0/24"
"#;

/// What `orlop config apply` says of it.
const THREE_ERRORS_SHOWN: &str = r#"error: cannot read "2 hours" as a duration: a blank stands behind the number
 --> node.toml:4:8
  |
4 | hold = "2 hours"
  |        ^^^^^^^^^
  |
  = help: write whole numbers with `d`, `h`, `m`, `s` or `ms`, such as "30s" or "1h30m"

error: there is no network `frnot`
 --> node.toml:8:13
  |
8 | networks = ["frnot"]
  |             ^^^^^^^
  |
  = help: did you mean `front`?

error: unknown key `restrat` in `[container.web]`
 --> node.toml:9:1
  |
9 | restrat = "always"
  | ^^^^^^^
  |
  = help: did you mean `restart`?

cannot use node.toml: 3 problems
"#;

/// The same on the console and in `status`.
const THREE_ERRORS_TOLD: [&str; 4] = [
    "cannot use node.toml: 3 problems",
    "line 4, column 8: cannot read \"2 hours\" as a duration: a blank stands behind the number \
     (write whole numbers with `d`, `h`, `m`, `s` or `ms`, such as \"30s\" or \"1h30m\")",
    "line 8, column 13: there is no network `frnot` (did you mean `front`?)",
    "line 9, column 1: unknown key `restrat` in `[container.web]` (did you mean `restart`?)",
];

/// Bytes of an OS image that come before its registry dies: less than half of it.
const HALF_WAY: u64 = 12 << 20;
/// For a registry that is gone: the waits between six tries are 15.5 seconds in all.
const GIVE_UP: Duration = Duration::from_secs(60);

fn said(code: i32, err: &str) -> Said {
    Said {
        code: Some(code),
        out: String::new(),
        err: err.to_owned(),
    }
}

#[test]
fn a_bad_first_toml_is_safe_mode_with_every_line_told_and_a_good_one_brings_the_node_up() {
    let rig = Rig::new();
    let node = rig.node("safe", "1", THREE_ERRORS);
    let status = node.wait_status("safe mode", |status| status.phase == Phase::SafeMode);
    assert_eq!(status.current, None);
    for problem in THREE_ERRORS_TOLD {
        assert!(
            status.problems.iter().any(|told| told == problem),
            "{status:?}"
        );
    }
    for (number, problem) in THREE_ERRORS_TOLD.iter().enumerate() {
        let mode = if number == 0 { "safe mode: " } else { "" };
        let line = format!("orlop: {mode}{problem}");
        // What is written to a console takes a moment to get out of it.
        let shown = node.machine.wait(&line, READY, || {
            let console = node.machine.console();
            match console.lines().any(|shown| shown.trim_end() == line) {
                true => Ok(()),
                false => Err("not on the console".to_owned()),
            }
        });
        shown.unwrap();
    }

    let bad = node.put("bad.toml", THREE_ERRORS);
    let before = node.records();
    assert_eq!(
        node.orlop(&["config", "apply", &bad]),
        said(3, THREE_ERRORS_SHOWN)
    );
    assert_eq!(node.records(), before);
    let fault = node.fault("/v1/config/apply", &json!({ "config": THREE_ERRORS }));
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (FaultKind::Config, THREE_ERRORS_TOLD[0])
    );
    assert_eq!(fault.hints, THREE_ERRORS_TOLD[1..]);

    let good = node.put("good.toml", &rig.config("1"));
    let applied = node.orlop(&["config", "apply", "--wait", &good]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let current = node.wait_idle().current.unwrap();
    assert_eq!((current.id, current.status), (1, GenerationStatus::Good));
    assert_eq!(node.wait_web("/"), "hello from 1\n");

    let before = node.records();
    assert_eq!(
        node.orlop(&["config", "apply", &bad]),
        said(3, THREE_ERRORS_SHOWN)
    );
    assert_eq!(node.records(), before);
}

#[test]
fn images_that_are_unknown_or_not_what_their_digest_says_are_refused_and_change_nothing() {
    let rig = Rig::new();
    let node = rig.node("images", "1", &rig.config("1"));
    node.wait_idle();
    let before = node.records();
    let registry = rig.registry.name_for_machines();
    for unknown in ["orlop/os:9", "test/app:9"] {
        let image = rig.image(unknown);
        let stage = node.orlop(&["update", "stage", &image]);
        let expected = format!(
            "error: cannot find image {image}: registry {registry} does not have it\n\
             hint: check the name and the tag, and that the image has been pushed\n"
        );
        assert_eq!(
            (stage.code, stage.error()),
            (Some(7), expected.as_str()),
            "{stage:?}"
        );
    }

    rig.push_os("2");
    let (image, built) = (rig.image("orlop/os:2"), image_of(&os_layout(), "2"));
    let (manifest, layer) = (&built.manifest, &built.layers[0].digest);
    let (got, whole) = damage(&rig.registry_blob(layer));
    let stage = node.orlop(&["update", "stage", &image]);
    let expected = format!(
        "error: cannot trust layer 1 of 2 (blob) of {image}@{manifest}: expected {layer}, got {got}\n\
         hint: nothing of it is used; push the image again, or pull it from another registry\n"
    );
    assert_eq!(
        (stage.code, stage.error()),
        (Some(5), expected.as_str()),
        "{stage:?}"
    );
    assert_eq!(node.records(), before);
    assert_eq!(node.wait_idle().staged, None);

    // Nothing bad is kept, such as a part of the layer.
    fs::write(rig.registry_blob(layer), whole).unwrap();
    node.job("/v1/update/stage", &json!({ "os": image }));
    assert_eq!(node.status().staged.unwrap().os.manifest, manifest.as_str());
}

#[test]
fn a_registry_that_dies_half_way_is_named_in_time_and_the_same_stage_goes_on_where_it_stopped() {
    let mut rig = Rig::new();
    let folder = rig.dir("mortal");
    let mut mortal = Registry::start(&folder).unwrap();
    mortal.push(&os_layout(), "2", "orlop/os").unwrap();
    let tap = Tap::before(mortal.address());
    rig.also_reach.push(tap.port());
    let registry = tap.name_for_machines();
    let allow = format!("[registry.\"{registry}\"]\nplain_http = true\n");
    let node = rig.node("half", "1", &(rig.config("1") + &allow));
    node.wait_idle();
    let before = node.records();

    let image = format!("{registry}/orlop/os:2");
    tap.hold_after(HALF_WAY);
    let begun = node.orlop(&["update", "stage", "--no-wait", &image]);
    assert_eq!(
        begun,
        Said {
            code: Some(0),
            out: "job 1\n".into(),
            err: String::new()
        }
    );
    tap.wait_held(GIVE_UP);
    assert_second_stage_is_refused(&node);

    mortal.kill();
    let died = Instant::now();
    tap.cut();
    let ended = node.api().wait_job(JobId(1), GIVE_UP).unwrap();
    assert!(died.elapsed() < GIVE_UP, "{:?}", died.elapsed());
    let JobState::Failed { fault } = &ended.state else {
        panic!("{ended:?}")
    };
    let built = image_of(&os_layout(), "2");
    let (manifest, layer) = (&built.manifest, &built.layers[0]);
    let partial = rig.dir("half/state/store/orlop/partial");
    let kept = |layer: &LayoutLayer| {
        let file = partial.join(layer.digest.hex()).metadata();
        file.map_or(0, |file| file.len())
    };
    let (come, size) = (kept(layer), layer.size_bytes);
    // Both layers come at once; neither is shorter than what was let through.
    let both = come + kept(&built.layers[1]);
    assert!((HALF_WAY / 2..=HALF_WAY).contains(&both), "{both}");
    let expected = format!(
        "cannot fetch layer 1 of 2 of {image}@{manifest}: registry {registry} stopped at \
         {come} of {size} bytes and did not go on in 6 attempts: "
    );
    assert!(fault.message.starts_with(&expected), "{ended:?}");
    let rest = "; what has come is kept, and a new pull goes on there";
    assert!(fault.message.ends_with(rest), "{ended:?}");
    assert_eq!(fault.kind, FaultKind::Transient);
    assert_eq!(fault.hints, ["try again when the registry is back"]);
    assert_eq!(node.records(), before);
    assert_eq!(node.wait_idle().staged, None);

    let back = Registry::start(&folder).unwrap();
    tap.lead_to(back.address());
    let passed = tap.passed();
    node.job("/v1/update/stage", &json!({ "os": image }));
    assert_eq!(node.status().staged.unwrap().os.manifest, manifest.as_str());
    let (all, fetched) = (built.size_bytes, tap.passed() - passed);
    assert!(
        fetched < all - both + (1 << 20),
        "{fetched} of {all}, {both} were there"
    );
}

/// While job 1 stages.
fn assert_second_stage_is_refused(node: &Node<'_>) {
    let second = node.orlop(&["update", "stage"]);
    let expected = "error: cannot stage: job 1 (stage) is running\n\
                    hint: wait until it ends (`orlop status`) or cancel it\n";
    assert_eq!(second, said(6, expected));
    let status = node.status();
    let job = status.job.map(|job| job.id);
    assert_eq!((status.phase, job), (Phase::Staging, Some(JobId(1))));
}

#[test]
fn images_that_skopeo_pushed_to_docker_registry_are_staged_by_their_digests_and_kept() {
    let rig = Rig::new();
    rig.push_os("2");
    let apps = os_layout().join("../app");
    rig.registry.push(&apps, "2", "orlop/app").unwrap();
    let node = rig.node("skopeo", "1", &rig.config("1"));
    node.wait_idle();
    let (old, new) = (rig.image("test/app:1"), rig.image("orlop/app:2"));
    let config = node.put("two.toml", &rig.config("1").replace(&old, &new));
    let stage = node.orlop(&[
        "update",
        "stage",
        &rig.image("orlop/os:2"),
        "--config",
        &config,
    ]);
    assert_eq!(stage.code, Some(0), "{stage:?}");
    node.switch("/v1/update/apply", &json!({}));
    let verdict = node.wait_verdict(2);
    assert!(verdict.good, "{verdict:?}");
    let current = node.wait_idle().current.unwrap();
    assert_eq!((current.id, current.status), (2, GenerationStatus::Good));
    let web = &current.containers["web"];
    for (pulled, layout) in [(&current.os, &os_layout()), (web, &apps)] {
        assert_eq!(pulled.manifest, image_of(layout, "2").manifest.as_str());
    }
    assert_eq!(node.wait_web("/"), "hello from 2\n");
}

#[test]
fn callers_without_the_right_are_refused_at_the_socket_and_over_tls() {
    let rig = Rig::new();
    let node = rig.node("callers", "1", &rig.config("1"));
    node.wait_idle();
    let nobody = ["systemd-run", "--quiet", "--pipe", "--wait", "--uid=nobody"];
    let status = [&nobody[..], &["orlop", "status"]].concat();
    let expected = "error: cannot reach the agent at /run/orlop/api.sock: Permission denied (os \
                    error 13)\nhint: ask as root or join the group orlop\n";
    assert_eq!(node.say(&status), said(8, expected));

    for pki in ["/run/pki", "/run/other"] {
        assert_eq!(node.orlop(&["pki", "init", pki]).code, Some(0));
        for role in ["reader", "admin"] {
            let client = ["pki", "client", pki, "--name", role, "--role", role];
            assert_eq!(node.orlop(&client).code, Some(0));
        }
    }
    let ca = node.read("/run/pki/ca.pem");
    let api = format!("[api]\nlisten = \"0.0.0.0:6443\"\nclients = \"\"\"\n{ca}\n\"\"\"\n");
    let config = node.put("api.toml", &(rig.config("1") + &api));
    let applied = node.orlop(&["config", "apply", "--wait", &config]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let console = node
        .machine
        .wait_for_console("fingerprint", 0, GIVE_UP)
        .unwrap();
    let fingerprint = orlop_machines::fingerprint(&console).unwrap();
    let remote = |pki: &str, role: &str, command: &[&str]| {
        let (cert, key) = (format!("{pki}/{role}.pem"), format!("{pki}/{role}.key"));
        let to = ["--host", "127.0.0.1", "--fingerprint", fingerprint];
        let keys = ["--cert", cert.as_str(), "--key", key.as_str()];
        node.orlop(&[&to[..], &keys, command].concat())
    };
    assert_eq!(remote("/run/pki", "admin", &["status"]).code, Some(0));
    let stranger = "error: cannot talk to 127.0.0.1:6443: it refuses our certificate (DecryptError)\n\
                    hint: use a certificate from the CA that the node's [api] clients names\n";
    assert_eq!(
        remote("/run/other", "admin", &["status"]),
        said(8, stranger)
    );
    assert_eq!(remote("/run/pki", "reader", &["status"]).code, Some(0));
    let before = node.records();
    let reader = "error: cannot let certificate CN=reader do this: its role is reader, this needs \
                  operator\nhint: use a certificate whose subject has O=orlop:operator\n";
    assert_eq!(remote("/run/pki", "reader", &["rollback"]), said(8, reader));
    assert_eq!(node.records(), before);
}
