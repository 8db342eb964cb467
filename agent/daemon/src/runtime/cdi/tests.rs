//! Specs on disk, and what comes of them.

use super::super::fixture::desired_web;
use super::super::given::Given;
use super::super::places::Places;
use super::super::spec;
use super::spec::Spec;
use orlop_config::{CdiDevice, Container, VolumeMount};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

const GPU: &str = r#"
cdiVersion: 0.7.0
kind: vendor.com/gpu
containerEdits:
  env: [VENDOR_VISIBLE=void]
  additionalGids: [0, 44]
  mounts:
    - hostPath: /proc/version
      containerPath: /usr/lib/vendor
      options: [ro, nosuid]
  hooks:
    - hookName: createContainer
      path: /proc/self/exe
      args: [hook, --link]
      timeout: 5
devices:
  - name: "0"
    containerEdits:
      deviceNodes:
        - path: /dev/vendor0
          hostPath: /dev/null
          permissions: rw
        - path: /dev/vendorctl
          type: c
          major: 195
          minor: 255
          fileMode: 0660
          uid: 3
          permissions: none
  - name: "1"
    containerEdits: {env: [SECOND=1]}
"#;

fn write(root: &TempDir, file: &str, text: &str) {
    let path = root.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn web(names: &[&str]) -> Container {
    let mut config = desired_web().containers.remove(0).config;
    let devices = names.iter().map(|name| CdiDevice::new(name).unwrap());
    config.storage.cdi = devices.collect();
    config
}

fn given(root: &TempDir, config: &Container) -> Result<Given, String> {
    let mut given = Given::default();
    given.identity.uid = 1000;
    let added = given.add_cdi(&Places::under(root.path()), config);
    // The folder is another one at each run.
    let plain = |text: String| text.replace(root.path().to_str().unwrap(), "");
    added.map_err(|error| plain(error.to_string()))?;
    Ok(given)
}

#[test]
fn a_device_brings_what_it_needs_and_what_all_of_its_kind_need_once() {
    let root = tempfile::tempdir().unwrap();
    write(&root, "run/cdi/vendor.yaml", GPU);
    let mut container = desired_web().containers.remove(0);
    container.config = web(&["vendor.com/gpu=1", "vendor.com/gpu=0"]);
    let given = given(&root, &container.config).unwrap();
    let spec = spec::spec(&container, &given, &Places::node()).unwrap();
    let env = spec["process"]["env"].as_array().unwrap();
    for line in ["VENDOR_VISIBLE=void", "SECOND=1"] {
        assert!(env.contains(&json!(line)), "{line} in {env:?}");
    }
    assert_eq!(spec["process"]["user"]["additionalGids"], json!([44]));
    let mounts = spec["mounts"].as_array().unwrap();
    let mount = mounts
        .iter()
        .find(|one| one["destination"] == "/usr/lib/vendor");
    let expected = json!({
        "destination": "/usr/lib/vendor", "type": "bind", "source": "/proc/version",
        "options": ["ro", "nosuid", "rbind"],
    });
    assert_eq!(mount, Some(&expected));
    let hook =
        json!([{"path": "/proc/self/exe", "args": ["hook", "--link"], "env": [], "timeout": 5}]);
    assert_eq!(spec["hooks"]["createContainer"], hook);
    let devices = spec["linux"]["devices"].as_array().unwrap();
    assert_eq!(devices[0]["path"], "/dev/vendor0");
    let numbers = |device: &Value| (device["major"].clone(), device["minor"].clone());
    // Those of /dev/null; its owner is the container's user, where the spec does not say.
    assert_eq!(numbers(&devices[0]), (json!(1), json!(3)));
    assert_eq!(devices[0]["uid"], json!(1000));
    assert_eq!(numbers(&devices[1]), (json!(195), json!(255)));
    assert_eq!(
        (&devices[1]["fileMode"], &devices[1]["uid"]),
        (&json!(0o660), &json!(3))
    );
    // One that may be used and one that may not.
    let rules = spec["linux"]["resources"]["devices"].as_array().unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(
        (&rules[1]["access"], &rules[1]["minor"]),
        (&json!("rw"), &json!(3))
    );
    assert_eq!(
        given.cdi.host_paths().collect::<Vec<_>>(),
        [Path::new("/proc/version")]
    );
}

#[test]
fn a_later_folder_goes_before_an_earlier_one_and_within_one_nothing_does() {
    let root = tempfile::tempdir().unwrap();
    let spec = |value: &str| {
        format!(
            r#"{{"cdiVersion": "0.5.0", "kind": "a/b", "devices": [
                {{"name": "x", "containerEdits": {{"env": ["FROM={value}"]}}}}]}}"#
        )
    };
    let config = web(&["a/b=x"]);
    for dir in ["etc", "state/orlop", "run"] {
        write(&root, &format!("{dir}/cdi/a.json"), &spec(dir));
        assert_eq!(given(&root, &config).unwrap().env["FROM"], dir);
    }
    write(&root, "state/orlop/cdi/b.json", &spec("other"));
    assert_eq!(given(&root, &config).unwrap().env["FROM"], "run");
    write(&root, "run/cdi/b.yaml", &spec("other"));
    let said = given(&root, &config).unwrap_err();
    assert_eq!(
        said,
        "cannot choose CDI device a/b=x: /run/cdi/a.json and /run/cdi/b.yaml both describe it"
    );
}

#[test]
fn what_cannot_be_had_is_said_with_what_there_is_and_where() {
    let root = tempfile::tempdir().unwrap();
    let mut said = vec![given(&root, &web(&["a/b=x"])).unwrap_err()];
    write(&root, "etc/cdi/vendor.yaml", GPU);
    write(&root, "run/cdi/broken.json", "{");
    write(&root, "run/cdi/README", "no spec");
    said.push(given(&root, &web(&["vendor.com/gpu=2"])).unwrap_err());
    write(&root, "run/cdi/open.json", "{}");
    let open = root.path().join("run/cdi/open.json");
    fs::set_permissions(open, fs::Permissions::from_mode(0o666)).unwrap();
    said.push(given(&root, &web(&["a/b=x"])).unwrap_err());
    fs::remove_dir_all(root.path().join("run/cdi")).unwrap();
    let mut taken = web(&["vendor.com/gpu=1"]);
    taken.volumes.push(VolumeMount {
        path: "/usr/lib/vendor".to_owned(),
        ..taken.volumes[0].clone()
    });
    said.push(given(&root, &taken).unwrap_err());
    for edits in [
        r#"{"intelRdt": {"closID": "x"}}"#,
        r#"{"netDevices": [{"hostInterfaceName": "eth1", "name": "eth0"}]}"#,
        r#"{"deviceNodes": [{"path": "/dev/p", "type": "p"}]}"#,
        r#"{"deviceNodes": [{"path": "/dev/not-there"}]}"#,
        r#"{"deviceNodes": [{"path": "/dev/x", "hostPath": "/proc/version"}]}"#,
        r#"{"deviceNodes": [{"path": "/dev/null", "type": "b"}]}"#,
        r#"{"mounts": [{"hostPath": "/not/there", "containerPath": "/x"}]}"#,
        r#"{"hooks": [{"hookName": "poststop", "path": "/not/there"}]}"#,
    ] {
        let spec = format!(
            r#"{{"cdiVersion": "1.1.0", "kind": "a/b", "devices": [{{"name": "x", "containerEdits": {edits}}}]}}"#
        );
        write(&root, "run/cdi/a.json", &spec);
        said.push(given(&root, &web(&["a/b=x"])).unwrap_err());
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_spec_that_is_none_is_refused_with_why() {
    let spec = |version: &str, kind: &str, name: &str, edits: &str| {
        format!(
            r#"{{"cdiVersion": "{version}", "kind": "{kind}", "devices": [{{"name": "{name}", "containerEdits": {edits}}}]}}"#
        )
    };
    let edits = |edits: &str| spec("0.6.0", "a/b", "x", edits);
    let device = r#"{"name": "x", "containerEdits": {}}"#;
    let mut said = String::new();
    for text in [
        "".to_owned(),
        "[]".to_owned(),
        spec("2.0.0", "a/b", "x", "{}"),
        spec("0.6.0", "ab", "x", "{}"),
        spec("0.6.0", "a/b", "x=", "{}"),
        r#"{"cdiVersion": "0.6.0", "kind": "a/b", "devices": []}"#.to_owned(),
        format!(r#"{{"cdiVersion": "0.6.0", "kind": "a/b", "devices": [{device}, {device}]}}"#),
        edits(r#"{"devices": []}"#),
        edits(r#"{"env": ["=x"]}"#),
        edits(r#"{"deviceNodes": [{"path": "dev/x"}]}"#),
        edits(r#"{"deviceNodes": [{"path": "/dev/x", "type": "x"}]}"#),
        edits(r#"{"deviceNodes": [{"path": "/dev/x", "permissions": "rx"}]}"#),
        edits(r#"{"deviceNodes": [{"path": "/dev/x", "major": -1}]}"#),
        edits(r#"{"mounts": [{"hostPath": "/x", "containerPath": "/a/../.."}]}"#),
        edits(r#"{"mounts": [{"hostPath": "/x", "containerPath": "/"}]}"#),
        edits(r#"{"mounts": [{"containerPath": "/x"}]}"#),
        edits(r#"{"hooks": [{"hookName": "onExit", "path": "/x"}]}"#),
        edits(r#"{"hooks": [{"hookName": "poststop", "path": "x"}]}"#),
        edits(r#"{"hooks": [{"hookName": "poststop", "path": "/x", "timeout": 0}]}"#),
    ] {
        let why = Spec::read(Path::new("a.json"), &text).unwrap_err();
        said.push_str(&format!("{why}\n"));
    }
    insta::assert_snapshot!(said);
}
