//! Boots of a namespace machine.

use super::engine::{Engine, EngineError, pull_plug};
use super::event::{Event, send};
use crate::boot_loader::choose_boot;
use crate::cgroup::Cgroup;
use crate::lan;
use crate::namespace::{BootPlan, BootRoot, Console, LaunchEvent};
use crate::process::ProcessId;
use crate::spec::{CONSOLE_FILE, MachineSpec, NamespaceSpec, RootSource};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

/// The signal that makes systemd power off, as systemd(1) tells: `SIGRTMIN+4`.
const POWER_OFF_SIGNAL: &str = "RTMIN+4";

/// A namespace machine.
#[derive(Debug)]
pub(super) struct NamespaceEngine {
    name: String,
    dir: PathBuf,
    namespace: NamespaceSpec,
    cgroup: Cgroup,
    console: Console,
    launcher: Option<Child>,
}

impl NamespaceEngine {
    /// Makes what all boots of the machine share, and moves the calling thread, which must be the
    /// process's only one, into the machine's network.
    pub(super) fn new(
        spec: &MachineSpec,
        namespace: &NamespaceSpec,
        own: ProcessId,
    ) -> Result<Self, EngineError> {
        if let Some(port) = &namespace.lan {
            lan::join(port)?;
        }
        let cgroup = Cgroup::make(&spec.name, own)?;
        let console = Console::open(&spec.dir.join(CONSOLE_FILE))?;
        Ok(Self {
            name: spec.name.clone(),
            dir: spec.dir.clone(),
            namespace: namespace.clone(),
            cgroup,
            console,
            launcher: None,
        })
    }

    fn plan(&self) -> Result<BootPlan, EngineError> {
        let root = match &self.namespace.root {
            RootSource::Tree(tree) => BootRoot::Tree(tree.clone()),
            RootSource::Node(disk) => {
                let choice = choose_boot(disk)?;
                log::info!("booting {} by {}", choice.root, choice.entry);
                BootRoot::Image {
                    disk: disk.clone(),
                    choice,
                }
            }
        };
        Ok(BootPlan {
            name: self.name.clone(),
            dir: self.dir.clone(),
            cgroup: self.cgroup.path().to_owned(),
            terminal: self.console.terminal().to_owned(),
            lan: self.namespace.lan.clone(),
            root,
        })
    }

    fn reap(&mut self) {
        if let Some(mut launcher) = self.launcher.take() {
            // A launcher that has ended by itself cannot be killed, and need not be.
            if let Err(error) = launcher.kill().and_then(|()| launcher.wait().map(drop)) {
                log::warn!("ignoring: cannot wait for the launcher: {error}");
            }
        }
    }
}

impl Engine for NamespaceEngine {
    fn boot(&mut self, boot: u32, events: &Sender<Event>) -> Result<String, EngineError> {
        self.reap();
        let plan = self.plan()?;
        let path = plan.write().map_err(EngineError::Plan)?;
        let mut launcher = Command::new("/proc/self/exe")
            .arg("launch")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| EngineError::Start {
                what: "the launcher",
                source,
            })?;
        let told = launcher.stdout.take();
        self.launcher = Some(launcher);
        let events = events.clone();
        thread::spawn(move || relay(told, boot, &events));
        Ok(match plan.root {
            BootRoot::Tree(tree) => tree.display().to_string(),
            BootRoot::Image { choice, .. } => choice.root.to_string(),
        })
    }

    fn press_power_button(&mut self, init: Option<i32>) -> Result<(), EngineError> {
        let init = init.ok_or(EngineError::NoInit)?;
        // nix and std know no real-time signals.
        let output = Command::new("kill")
            .args(["-s", POWER_OFF_SIGNAL, &init.to_string()])
            .output()
            .map_err(|source| EngineError::Start {
                what: "kill",
                source,
            })?;
        if output.status.success() {
            return Ok(());
        }
        Err(EngineError::PowerButton(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }

    fn cut(&mut self, init: Option<i32>) -> Result<(), EngineError> {
        pull_plug(init.ok_or(EngineError::NoInit)?)
    }

    fn clean_up(&mut self) -> Result<(), EngineError> {
        // Init dies with its launcher, and everything in its pid namespace with it.
        self.reap();
        Ok(self.cgroup.destroy()?)
    }

    fn cgroup(&self) -> Option<PathBuf> {
        Some(self.cgroup.path().to_owned())
    }
}

/// Passes on what the launcher tells. Where it ends without a word, the reason is in the log.
fn relay(told: Option<ChildStdout>, boot: u32, events: &Sender<Event>) {
    let lines = told
        .map(|out| BufReader::new(out).lines())
        .into_iter()
        .flatten();
    for line in lines.map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(LaunchEvent::Init(pid)) => send(events, Event::Init { boot, pid }),
            Ok(LaunchEvent::Ended(end)) => return send(events, Event::Ended { boot, end }),
            Err(error) => log::warn!("ignoring: the launcher said {line:?}: {error}"),
        }
    }
    let why = "the launcher failed, see supervisor.log".to_owned();
    send(events, Event::Failed { boot, why });
}
