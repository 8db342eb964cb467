//! Containers of the sample app with further keys, and looks at what became of them.

use super::node::{Node, Rig, SWITCH};
use orlop_api::ContainerView;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// A container of the sample app, with more keys.
pub(crate) fn container(rig: &Rig, name: &str, keys: &str) -> String {
    let image = rig.image("test/app:1");
    format!("\n[container.{name}]\nimage = \"{image}\"\n{keys}\n")
}

/// The TOML of [`Rig::config`] with more.
pub(crate) fn config(rig: &Rig, more: &[String]) -> String {
    format!("{}{}", rig.config("1"), more.concat())
}

pub(crate) fn apply(node: &Node<'_>, config: &str) {
    node.switch("/v1/config/apply", &json!({ "config": config }));
}

pub(crate) fn views(node: &Node<'_>) -> Vec<ContainerView> {
    node.api().get("/v1/containers").unwrap()
}

pub(crate) fn wait_view(
    node: &Node<'_>,
    name: &str,
    what: &str,
    wanted: impl Fn(&ContainerView) -> bool,
) -> ContainerView {
    let found = node.machine.wait(what, SWITCH, || {
        let views: Vec<ContainerView> = node
            .api()
            .get("/v1/containers")
            .map_err(|error| format!("{error:?}"))?;
        let view = views.into_iter().find(|view| view.name == name);
        view.filter(&wanted)
            .ok_or_else(|| format!("{name} is not there, or not so"))
    });
    found.unwrap_or_else(|error| panic!("{error}\n{:?}\n{}", views(node), node.journal()))
}

/// Waits until the container that is published on `port` answers with 200.
pub(crate) fn wait_answer(node: &Node<'_>, port: u16, path: &str) -> String {
    let answer = node
        .machine
        .wait("an answer", SWITCH, || match node.ask(port, path) {
            Ok(answer) if answer.status.is_success() => Ok(answer.body),
            other => Err(format!("{other:?}")),
        });
    answer.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()))
}

/// The first process of a container, how often systemd has started it again, and when.
pub(crate) fn process_of(node: &Node<'_>, name: &str) -> String {
    let unit = format!("orlop-container-{name}.service");
    let properties = "--property=MainPID,NRestarts,ActiveEnterTimestampMonotonic";
    node.run(&["systemctl", "show", properties, &unit])
}

/// How often the task `name` has ended well.
pub(crate) fn runs_of(node: &Node<'_>, name: &str) -> usize {
    let identifier = format!("--identifier={name}");
    let log = node.run(&["journalctl", "--no-pager", "--output=cat", &identifier]);
    log.matches("ends with status 0").count()
}

/// Waits until the task `name` has ended well so often.
pub(crate) fn wait_runs(node: &Node<'_>, name: &str, wanted: usize) {
    let came = node.machine.wait("a task that comes again", SWITCH, || {
        match runs_of(node, name) {
            runs if runs < wanted => Err(format!("{runs} runs")),
            _ => Ok(()),
        }
    });
    came.unwrap_or_else(|error| panic!("{error}\n{}", node.journal()));
}

/// What a container says of one of its files.
pub(crate) fn file(node: &Node<'_>, port: u16, path: &str) -> String {
    node.ask(port, &format!("/file{path}")).unwrap().body
}

/// A field of `/proc/self/status` or `/proc/self/limits`.
pub(crate) fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} in {text}")).trim()
}

/// Where the test sees a file of the node.
pub(crate) fn outside(node: &Node<'_>, path: &str) -> PathBuf {
    let init = node.machine.status().unwrap().init.unwrap();
    PathBuf::from(format!("/proc/{init}/root{path}"))
}

/// Every file below `folder` that holds one of `secrets`.
pub(crate) fn holders(folder: &Path, secrets: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            if path.file_name().is_none_or(|name| name != "rootfs") {
                holders(&path, secrets, found);
            }
        // A namespace is a file that has no content.
        } else if metadata.is_file()
            && path
                .file_name()
                .is_none_or(|name| name != "userns" && name != "ipcns")
        {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            if secrets.iter().any(|secret| text.contains(secret)) {
                found.push(path);
            }
        }
    }
}
