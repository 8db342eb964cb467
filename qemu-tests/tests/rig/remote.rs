//! A person with the `orlop` command somewhere else on the network, who reaches nodes over TLS.

use super::node::{Node, Rig};
use super::operator::Said;
use orlop_api::Status;
use orlop_machines::{ApiAccess, fingerprint};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Where nodes' API listens unless told otherwise.
const PORT: u16 = 6443;

/// The operator, with keys of a CA that nodes are to trust.
pub(crate) struct Remote {
    dir: PathBuf,
    access: ApiAccess,
}

fn program() -> PathBuf {
    let tools = Path::new(env!("CARGO_BIN_EXE_orlop-machine")).parent();
    tools.unwrap().join("orlop")
}

impl Remote {
    pub(crate) fn new(rig: &Rig) -> Self {
        let dir = rig.dir("operator");
        fs::create_dir_all(&dir).unwrap();
        let access = ApiAccess::make(&program(), &dir.join("pki")).unwrap();
        Self { dir, access }
    }

    /// The `[api]` table that lets the operator in at this port.
    pub(crate) fn toml(&self, port: u16) -> String {
        let toml = self.access.toml().unwrap();
        toml.replace(&format!(":{PORT}\""), &format!(":{port}\""))
    }

    /// A file of the operator, by its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs `orlop` against a node at its usual port, as it was on its console when it came up.
    pub(crate) fn orlop(&self, node: &Node<'_>, arguments: &[&str]) -> Said {
        let output = node.inside_lan(|| self.command(node, arguments).output());
        output.unwrap().into()
    }

    pub(crate) fn status(&self, node: &Node<'_>) -> Status {
        let said = self.orlop(node, &["status", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        serde_json::from_str(&said.out).unwrap()
    }

    /// What happens on the node from now on.
    pub(crate) fn events(&self, node: &Node<'_>) -> Events {
        let mut child = node
            .inside_lan(|| {
                let mut command = self.command(node, &["events", "--json"]);
                command.stdout(Stdio::piped()).spawn()
            })
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Events { child, lines }
    }

    fn command(&self, node: &Node<'_>, arguments: &[&str]) -> Command {
        let console = node.machine.console();
        let mut command = Command::new(program());
        command.args(arguments).stdin(Stdio::null());
        let usual = self.access.environment(PORT, &console);
        assert!(
            fingerprint(&console).is_some(),
            "no fingerprint on the console:\n{console}"
        );
        let host: OsString = format!("{}:{PORT}", node.address()).into();
        command.envs(usual).env("ORLOP_HOST", host);
        command
    }
}

/// Lines of `orlop events`. Ends with this value.
pub(crate) struct Events {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Events {
    /// Every line until one of this kind, which is the last.
    pub(crate) fn until(&mut self, kind: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).unwrap();
            assert!(read > 0, "the events ended: {seen:#?}");
            let is_last = line.contains(&format!("\"event\":\"{kind}\""));
            seen.push(line);
            if is_last {
                return seen;
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // Where it has ended by itself there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
