//! Tests of the OCI runtime spec.

use super::super::fixture::{desired_web, name};
use super::super::identity::Identity;
use super::*;
use crate::id_range::IdRange;
use orlop_config::{Bind, ByteSize, NetworkMode, Ulimit};
use serde_json::json;
use std::path::Path;

fn given() -> Given {
    Given {
        identity: Identity {
            uid: 1000,
            gid: 1000,
            groups: vec![4],
        },
        ..Given::default()
    }
}

fn json(container: &DesiredContainer, given: &Given) -> Value {
    let mut value = spec(container, given, &Places::node()).unwrap();
    // Sets have no order of their own.
    for key in [
        "bounding",
        "effective",
        "permitted",
        "inheritable",
        "ambient",
    ] {
        if let Some(list) = value["process"]["capabilities"][key].as_array_mut() {
            list.sort_by_key(ToString::to_string);
        }
    }
    value
}

fn changed(change: impl FnOnce(&mut orlop_config::Container)) -> Value {
    let mut container = desired_web().containers.remove(0);
    change(&mut container.config);
    json(&container, &given())
}

fn namespaces_of(spec: &Value) -> Vec<String> {
    let all = spec["linux"]["namespaces"].as_array().unwrap();
    let one = |namespace: &Value| match namespace["path"].as_str() {
        Some(path) => format!("{} {path}", namespace["type"].as_str().unwrap()),
        None => namespace["type"].as_str().unwrap().to_owned(),
    };
    all.iter().map(one).collect()
}

#[test]
fn the_spec_is_as_recorded() {
    let mut value = changed(|_| ());
    // Recorded in seccomp.rs.
    value["linux"]["seccomp"].take();
    insta::assert_json_snapshot!(value);
}

#[test]
fn the_cgroup_is_below_the_units() {
    assert_eq!(
        cgroup("orlop-container-web.service"),
        Path::new("/orlop.slice/orlop-containers.slice/orlop-container-web.service/payload")
    );
}

#[test]
fn a_network_is_its_own_or_the_hosts_or_anothers_and_only_its_own_gets_sysctls() {
    let own = changed(|_| ());
    assert!(namespaces_of(&own).contains(&"network /run/netns/orlop-web".to_owned()));
    assert_eq!(own["linux"]["sysctl"].as_object().unwrap().len(), 2);
    let host = changed(|c| c.security.host.extend([HostRight::Network]));
    assert!(
        !namespaces_of(&host)
            .iter()
            .any(|kind| kind.starts_with("network"))
    );
    assert_eq!(host["linux"]["sysctl"], json!({}));
    let beside = changed(|c| c.network = Some(NetworkMode::Container(name("db"))));
    assert!(namespaces_of(&beside).contains(&"network /run/netns/orlop-db".to_owned()));
    assert_eq!(beside["linux"]["sysctl"], json!({}));
}

#[test]
fn the_hosts_processes_are_seen_by_who_has_the_right_alone() {
    let with = changed(|c| c.security.host.extend([HostRight::Pid]));
    assert!(!namespaces_of(&with).contains(&"pid".to_owned()));
    assert!(namespaces_of(&with).contains(&"ipc".to_owned()));
}

#[test]
fn what_is_masked_is_what_the_config_leaves_and_adds() {
    let spec = changed(|config| {
        config.security.mask.insert("/proc/version".to_owned());
        for path in ["/proc/kcore", "/proc/irq"] {
            config.security.unmask.insert(path.to_owned());
        }
        config.process.umask = Some(0o027);
    });
    let paths =
        |key: &str| -> Vec<String> { serde_json::from_value(spec["linux"][key].clone()).unwrap() };
    let masked = paths("maskedPaths");
    assert!(masked.contains(&"/proc/version".to_owned()));
    assert!(masked.contains(&"/proc/keys".to_owned()));
    assert!(!masked.contains(&"/proc/kcore".to_owned()));
    assert_eq!(
        paths("readonlyPaths"),
        ["/proc/bus", "/proc/fs", "/proc/sys", "/proc/sysrq-trigger"]
    );
    assert_eq!(spec["process"]["user"]["umask"], 0o027);
}

#[test]
fn one_that_is_privileged_is_not_filtered_masked_or_bounded() {
    let spec = changed(|c| c.security.privileged = true);
    assert!(spec["linux"].get("seccomp").is_none());
    assert_eq!(spec["linux"]["maskedPaths"], json!([]));
    assert_eq!(spec["process"]["noNewPrivileges"], json!(false));
    assert_eq!(
        spec["linux"]["resources"]["devices"][0]["allow"],
        json!(true)
    );
    let bounding = spec["process"]["capabilities"]["bounding"]
        .as_array()
        .unwrap();
    assert!(bounding.contains(&json!("CAP_SYS_ADMIN")));
    // A program that is not root's holds nothing by it.
    assert_eq!(spec["process"]["capabilities"]["effective"], json!([]));
}

#[test]
fn mounts_come_parents_first_and_secrets_are_files_of_the_bundle() {
    let mut container = desired_web().containers.remove(0);
    container.config.storage.binds.push(Bind {
        host: "/mnt/a".into(),
        path: "/var/lib/data/inside".into(),
        read_only: true,
        propagation: orlop_config::Propagation::Rslave,
    });
    let storage = &mut container.config.storage;
    storage.tmpfs.insert("/var/lib".into(), ByteSize(1 << 20));
    storage.shm_size = Some(ByteSize(8 << 20));
    let file = (
        PathBuf::from("/run/orlop/containers/web/secrets/0"),
        "/var/key".to_owned(),
    );
    let given = Given {
        files: vec![file],
        ..given()
    };
    let spec = json(&container, &given);
    let mounts = spec["mounts"].as_array().unwrap();
    let targets: Vec<&str> = mounts
        .iter()
        .filter_map(|m| m["destination"].as_str())
        .collect();
    let ours = [
        "/var/key",
        "/var/lib",
        "/var/lib/data",
        "/var/lib/data/inside",
    ];
    assert!(targets.ends_with(&ours), "{targets:?}");
    let of = |target: &str| &mounts[targets.iter().position(|t| *t == target).unwrap()];
    assert!(
        of("/dev/shm")["options"]
            .as_array()
            .unwrap()
            .contains(&json!("size=8192k"))
    );
    assert!(
        of("/var/key")["options"]
            .as_array()
            .unwrap()
            .contains(&json!("ro"))
    );
    assert!(
        of("/var/lib/data/inside")["options"]
            .as_array()
            .unwrap()
            .contains(&json!("rro"))
    );
}

#[test]
fn an_init_is_mounted_over_whatever_is_on_dev_so_that_it_can_be_run() {
    let spec = changed(|c| {
        c.process.init = true;
        c.storage.tmpfs.insert("/dev".into(), ByteSize(1 << 20));
    });
    let mut last = spec["mounts"].as_array().unwrap().iter();
    let last = last.rfind(|m| {
        m["destination"]
            .as_str()
            .is_some_and(|at| at.starts_with("/dev"))
    });
    let last = last.unwrap();
    assert_eq!(last["destination"], json!("/dev/init"));
    assert_eq!(last["source"], json!("/run/orlop/init"));
    assert_eq!(
        last["options"],
        json!(["bind", "ro", "nosuid", "nodev", "rprivate"])
    );
}

#[test]
fn limits_devices_and_environment_are_in_the_spec() {
    let mut container = desired_web().containers.remove(0);
    let limit = Ulimit { soft: 5, hard: 9 };
    container
        .config
        .process
        .ulimits
        .insert("nofile".into(), limit);
    let device = HostDevice {
        path: "/dev/serial".into(),
        is_block: false,
        major: 188,
        minor: 1,
        mode: 0o660,
        uid: 0,
        gid: 20,
        access: "rw".into(),
    };
    let given = Given {
        devices: vec![device],
        env: [("TOKEN".to_owned(), "x".to_owned())].into(),
        ..given()
    };
    let spec = json(&container, &given);
    let rlimit = json!([{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 9}]);
    assert_eq!(spec["process"]["rlimits"], rlimit);
    assert_eq!(spec["linux"]["devices"][0]["major"], json!(188));
    let rules = &spec["linux"]["resources"]["devices"];
    assert_eq!(rules[0]["allow"], json!(false));
    assert_eq!(
        (&rules[1]["allow"], &rules[1]["minor"]),
        (&json!(true), &json!(1))
    );
    assert!(
        spec["process"]["env"]
            .as_array()
            .unwrap()
            .contains(&json!("TOKEN=x"))
    );
}

#[test]
fn a_patch_changes_the_spec_and_one_that_breaks_it_is_refused() {
    let patch = r#"{"process":{"oomScoreAdj":500},"hostname":null}"#;
    let spec = changed(|c| c.security.spec_patch = Some(patch.into()));
    assert_eq!(spec["process"]["oomScoreAdj"], json!(500));
    assert!(spec.get("hostname").is_none());
    let mut container = desired_web().containers.remove(0);
    container.config.security.spec_patch = Some(r#"{"process":7}"#.into());
    let refused = super::spec(&container, &given(), &Places::node());
    assert!(matches!(refused, Err(StepError::Patch(_))));
}

#[test]
fn a_user_namespace_is_named_by_its_path_and_what_is_on_disk_is_mapped() {
    let container = desired_web().containers.remove(0);
    let mut given = given();
    given.ids = IdRange::from(524_288);
    given.files = vec![("/run/orlop/containers/web/files/0".into(), "/etc/a".into())];
    let spec = json(&container, &given);
    let user = "user /run/orlop/containers/web/userns".to_owned();
    assert!(namespaces_of(&spec).contains(&user), "{spec}");
    assert_eq!(spec["linux"]["uidMappings"], Value::Null);
    let mapped = |path: &str| {
        let mounts = spec["mounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["destination"] == path);
        let options = mount.unwrap()["options"].as_array().unwrap();
        options.contains(&json!("idmap"))
    };
    for path in ["/var/lib/data", "/etc/hosts", "/etc/a"] {
        assert!(mapped(path), "{path}");
    }
    let groups = &spec["linux"]["sysctl"]["net.ipv4.ping_group_range"];
    assert_eq!(groups, "0 65535");
}

#[test]
fn shared_ipc_is_named_by_its_path_in_the_specs_of_all_who_share_it() {
    let mut container = desired_web().containers.remove(0);
    for (whose, userns) in [("web", "web"), ("db", "db")] {
        container.common.ipc = Some(Instance::first(&name(whose)));
        container.common.userns = Some(Instance::first(&name(userns)));
        let mut given = given();
        given.ids = IdRange::from(524_288);
        let spec = json(&container, &given);
        let namespaces = namespaces_of(&spec);
        for (kind, file) in [("ipc", "ipcns"), ("user", "userns")] {
            let expected = format!("{kind} /run/orlop/containers/{whose}/{file}");
            assert!(namespaces.contains(&expected), "{namespaces:?}");
        }
        assert!(namespaces.contains(&"network /run/netns/orlop-web".to_owned()));
        let mounts = spec["mounts"].as_array().unwrap();
        let shm: Vec<_> = mounts
            .iter()
            .filter(|mount| mount["destination"] == "/dev/shm")
            .collect();
        assert_eq!(shm.len(), 1);
        assert_eq!(
            shm[0]["source"],
            format!("/run/orlop/containers/{whose}/shm")
        );
        let options = shm[0]["options"].as_array().unwrap();
        assert!(!options.contains(&json!("idmap")), "{options:?}");
    }
}
