//! A door to a node in memory, and the command run against it.

use crate::node::MemoryNode;
use orlopd::front::{ApiServer, ServerOptions, pki};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::process::Command;

pub(crate) struct Door {
    pub(crate) dir: TempDir,
    pub(crate) node: Arc<MemoryNode>,
    pub(crate) server: ApiServer,
}

impl Door {
    pub(crate) fn new(node: MemoryNode) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let node = Arc::new(node);
        let identity = pki::load_or_make(&dir.path().join("node-pki"), "edge-17").unwrap();
        let options = ServerOptions::new(dir.path().join("api.sock"), identity);
        let server = ApiServer::start(Arc::clone(&node), options).unwrap();
        Self { dir, node, server }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.node.asked.lock().unwrap().clone()
    }

    /// The command with the local socket, in the door's directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = orlop(arguments);
        command
            .env("ORLOP_SOCKET", self.path("api.sock"))
            .current_dir(self.dir.path());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        shown(&self.command(arguments).output().await.unwrap())
            .replace(&self.dir.path().display().to_string(), "DIR")
    }
}

/// The command with nothing of the test's own environment that could change what it prints.
pub(crate) fn orlop(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orlop"));
    command.args(arguments).env_clear().kill_on_drop(true);
    command
}

/// Everything that a caller sees.
pub(crate) fn shown(output: &Output) -> String {
    format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        output
            .status
            .code()
            .map_or("by signal".to_owned(), |code| code.to_string()),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}
