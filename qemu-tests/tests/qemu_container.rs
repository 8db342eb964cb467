//! What only a kernel with its own control groups shows of containers.

#[cfg(test)]
mod rig;

use orlop_api::{ContainerDetail, ContainerState};
use rig::limits::{percent_of_processor, stats_of, wait_view};
use rig::qemu::{Node, QemuRig, expect_good};
use std::fs;

/// Tasks of the sample app itself, and of its OCI runtime.
const OWN_TASKS: u32 = 24;
const LIMIT: u32 = 64;
const TOKEN: &str = "from the machine's own credentials";

#[test]
fn a_container_has_its_credential_and_cannot_take_more_than_its_limits_nor_open_a_device_it_made() {
    let mut rig = QemuRig::new();
    let token = rig.path("token");
    fs::write(&token, TOKEN).unwrap();
    let credential = "orlop.secret.token".to_owned();
    rig.credentials.insert(credential, token);
    let node = rig.boot(&rig.disk());
    let started = node.wait_web("/started").body;
    let made = checks::fork_without_end(&node);
    println!("without a limit of its own: {made} tasks");
    assert!(made > LIMIT, "{made}");
    expect_good(&node.wait_idle(), 1, "1");
    assert_eq!(node.wait_web("/started").body, started);

    let keys = format!(
        "pids = {LIMIT}\ncapabilities = {{ add = [\"mknod\"] }}\n\
         secrets = {{ \"/run/token\" = \"token\" }}\n"
    );
    let secret = "[secret.token]\nfrom = \"credential\"\n";
    let image = rig.image("test/app", "1");
    let wasteful = |name: &str, what: &str, limit: &str| {
        format!(
            "[container.{name}]\nimage = \"{image}\"\nessential = false\nrestart = \"never\"\n{limit}\n\
             args = [\"--waste\", \"{what}\"]\n"
        )
    };
    let greedy = wasteful("greedy", "memory", "memory = \"32 MiB\"");
    let busy = wasteful("busy", "processor", "cpus = 0.5");
    let config = rig.config_file_with(&keys, &[secret, &greedy, &busy].concat());
    node.orlop(&["config", "apply", config.to_str().unwrap()]);
    let status = node.wait_status("generation 2", |status| {
        status.trial.is_none() && status.current.as_ref().is_some_and(|view| view.id == 2)
    });
    expect_good(&status, 2, "1");
    let made = checks::fork_without_end(&node);
    println!("of {LIMIT}: {made} tasks");
    assert_eq!(node.wait_web("/file/run/token").body, TOKEN);
    let device = node.wait_web("/try/device");
    let refused = "made, but not opened: Operation not permitted";
    assert!(device.body.starts_with(refused), "{}", device.body);
    assert!((LIMIT - OWN_TASKS..LIMIT).contains(&made), "{made}");
    memory_is_limited(&node);
    let percent = percent_of_processor(&node, "busy");
    assert!((20..60).contains(&percent), "{percent}");
    expect_good(&node.wait_idle(), 2, "1");
}

/// The one that takes too much is killed and says so; nobody else notices.
fn memory_is_limited(node: &Node) {
    let greedy = wait_view(node, "greedy", |view| view.state == ContainerState::Exited);
    assert_eq!(greedy.detail, "out of memory: killed by the kernel");
    let detail = node.orlop(&["--json", "container", "inspect", "greedy"]);
    let detail: ContainerDetail = serde_json::from_str(&detail).expect("a container is JSON");
    assert_eq!(detail.last_exit.as_deref(), Some("out of memory"));
    assert_eq!(stats_of(node, "web").oom_kills, Some(0));
    assert_eq!(stats_of(node, "web").pids_max, Some(u64::from(LIMIT)));
}

/// What the scenario looks at.
#[cfg(test)]
mod checks {
    use super::rig::qemu::Node;

    /// How many tasks `web` could make.
    pub(super) fn fork_without_end(node: &Node) -> u32 {
        let answer = node.wait_web("/try/fork");
        let refused = "Resource temporarily unavailable (os error 11): after ";
        let made = answer.body.strip_prefix(refused);
        let made = made.and_then(|rest| rest.strip_suffix(" tasks\n")?.parse().ok());
        made.unwrap_or_else(|| panic!("{}: {}", answer.status, answer.body))
    }
}
