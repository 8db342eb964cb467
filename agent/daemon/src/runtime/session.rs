//! A command in a container for somebody who is connected: its input, its output, how it ends.

use super::command::Running;
use super::containers::{Runtime, blocking};
use super::error::{RuntimeError, Step, StepError};
use super::execute::oci_runtime;
use super::identity::{Accounts, Identity};
use super::instance::Instance;
use super::observe::read_text;
use super::places::Places;
use super::terminal::{ConsoleSocket, Terminal};
use crate::ops::Session;
use futures_util::FutureExt as _;
use orlop_api::ExecRequest;
use orlop_initrd::atomic_write::atomic_write;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::Command;

type Output = Option<Box<dyn AsyncRead + Send + Unpin>>;

const PRIVATE_FILE: u32 = 0o600;
/// What shells add to a signal's number for an exit status.
const BY_SIGNAL: i32 = 128;
/// How the OCI runtime's own failure is told where it has no status.
const NO_STATUS: u8 = 255;

/// Of a bundle's spec, what a command takes over. Typed as a whole, the spec would make the program a tenth larger.
#[derive(Deserialize)]
struct Spec {
    process: Process,
}

/// `process` of the OCI runtime specification.
type Process = Map<String, Value>;

/// The file that tells the OCI runtime what to run; it goes with this.
struct Description(PathBuf);

impl Drop for Description {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            log::debug!(error:% = error; "ignoring that {} stays", self.0.display());
        }
    }
}

impl Runtime {
    /// Starts a command in a container that runs, with the container's own environment, rights and limits.
    /// It is killed when the session is dropped.
    ///
    /// # Errors
    /// `Unknown`; `NotNow` where it does not run; in step `Exec`.
    pub async fn open_session(
        &self,
        name: &str,
        request: ExecRequest,
    ) -> Result<Session, RuntimeError> {
        let name = self.known(name)?;
        let instance = self.inner.live.serving(&name);
        if self.inner.live.running(&instance).is_none() {
            return Err(RuntimeError::NotNow {
                verb: "run a command in",
                container: name,
                why: "it does not run".to_owned(),
            });
        }
        let runtime = self.inner.live.oci_runtime(&name);
        let of = || RuntimeError::of(&name, Step::Exec);
        let program = oci_runtime(runtime).map_err(of())?;
        let (places, owned) = (self.inner.executor.places.clone(), instance.clone());
        let (with_input, with_terminal) = (request.stdin, request.terminal.is_some());
        let description = blocking(move || describe(&places, &owned, &request))
            .await
            .map_err(of())?;
        let state = self.inner.executor.places.runtime_state(runtime);
        let mut command = Command::new(&program);
        command
            .arg(format!("--root={}", state.display()))
            .args(["exec", "--process"])
            .arg(&description.0);
        let console =
            with_terminal.then(|| ConsoleSocket::bind(&description.0.with_extension("sock")));
        let console = console.transpose().map_err(of())?;
        if let Some(console) = &console {
            command.arg("--console-socket").arg(console.path());
        }
        let piped = |wanted| match wanted {
            true => Stdio::piped(),
            false => Stdio::null(),
        };
        command
            .arg(instance.to_string())
            // The container's user becomes the owner of what this is, which must not be the host's /dev/null.
            .stdin(Stdio::piped())
            .stdout(piped(!with_terminal))
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let child = command
            .spawn()
            .map_err(|source| StepError::Run { program, source })
            .map_err(of())?;
        let mut running = Running(child);
        if !with_input || with_terminal {
            drop(running.0.stdin.take());
        }
        let terminal = match &console {
            Some(console) => terminal_of(console, &mut running).await.map_err(of())?,
            None => None,
        };
        Ok(session(running, description, terminal))
    }
}

/// The terminal of a command; none where it has ended before it had one, and says why.
async fn terminal_of(
    console: &ConsoleSocket,
    running: &mut Running,
) -> Result<Option<Terminal>, StepError> {
    tokio::select! {
        biased;
        terminal = console.terminal() => terminal.map(Some),
        // How it has ended is asked for again.
        _ = running.0.wait() => Ok(None),
    }
}

fn session(mut running: Running, description: Description, terminal: Option<Terminal>) -> Session {
    let child = &mut running.0;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut stdin, mut stdout): (Option<Box<dyn AsyncWrite + Send + Unpin>>, Output) = (
        stdin.map(|pipe| Box::new(pipe) as _),
        stdout.map(|pipe| Box::new(pipe) as _),
    );
    let terminal = terminal.map(|terminal| {
        stdin = Some(Box::new(terminal.input));
        stdout = Some(Box::new(terminal.output));
        terminal.handle
    });
    let ended = async move {
        let _kept = description;
        running.0.wait().await.map(exit_status)
    };
    Session {
        stdin,
        stdout,
        terminal,
        stderr: stderr.map(|pipe| Box::new(pipe) as _),
        ended: ended.boxed(),
    }
}

fn exit_status(status: ExitStatus) -> u8 {
    let by_signal = || status.signal().map(|signal| signal + BY_SIGNAL);
    let number = status.code().or_else(by_signal);
    number
        .and_then(|number| u8::try_from(number).ok())
        .unwrap_or(NO_STATUS)
}

/// Writes what is to be run: the container's own process, with what the request changes.
fn describe(
    places: &Places,
    instance: &Instance,
    request: &ExecRequest,
) -> Result<Description, StepError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let path = places.spec(instance);
    let text = read_text(&path)?.unwrap_or_default();
    let spec: Spec =
        serde_json::from_str(&text).map_err(|source| StepError::Format { path, source })?;
    let mut process = spec.process;
    change(&mut process, request);
    if let Some(user) = &request.user {
        set_user(
            &mut process,
            Accounts::read(&places.rootfs(instance))?.resolve(user)?,
        );
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = places.bundle(instance).join(format!("exec-{count}.json"));
    let bytes = serde_json::to_vec(&process).expect("a part of what was read serialises");
    atomic_write(&path, &bytes, PRIVATE_FILE).map_err(StepError::file("write", &path))?;
    Ok(Description(path))
}

fn change(process: &mut Process, request: &ExecRequest) {
    process.insert("args".into(), json!(request.command));
    process.insert("terminal".into(), request.terminal.is_some().into());
    if let Some(size) = request.terminal {
        let size = json!({ "height": size.rows, "width": size.columns });
        process.insert("consoleSize".into(), size);
    }
    if let Some(workdir) = &request.workdir {
        process.insert("cwd".into(), workdir.as_str().into());
    }
    let old = process.get("env").and_then(Value::as_array);
    let mut env = old.cloned().unwrap_or_default();
    for line in &request.env {
        let name = line.split('=').next().unwrap_or_default();
        env.retain(|old| old.as_str().and_then(|old| old.split('=').next()) != Some(name));
        env.push(line.as_str().into());
    }
    process.insert("env".into(), env.into());
}

fn set_user(process: &mut Process, identity: Identity) {
    let old = process.get("user").and_then(Value::as_object);
    let mut user = old.cloned().unwrap_or_default();
    user.insert("uid".into(), identity.uid.into());
    user.insert("gid".into(), identity.gid.into());
    user.insert("additionalGids".into(), identity.groups.into());
    process.insert("user".into(), user.into());
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[test]
    fn the_command_has_what_the_container_has_but_for_what_is_asked_for() {
        let process = json!({
            "args": ["/app"], "env": ["PATH=/bin", "MODE=fast"], "cwd": "/app", "noNewPrivileges": true,
            "user": {"uid": 0, "gid": 0, "umask": 18},
        });
        let mut process = process.as_object().unwrap().clone();
        let request = ExecRequest {
            command: vec!["/bin/ls".into()],
            env: vec!["MODE=slow".into()],
            ..ExecRequest::default()
        };
        change(&mut process, &request);
        let groups = vec![20];
        let identity = Identity {
            uid: 7,
            gid: 8,
            groups,
        };
        set_user(&mut process, identity);
        let expected = json!({
            "args": ["/bin/ls"], "env": ["PATH=/bin", "MODE=slow"], "cwd": "/app", "noNewPrivileges": true,
            "user": {"uid": 7, "gid": 8, "umask": 18, "additionalGids": [20]}, "terminal": false,
        });
        assert_eq!(Value::from(process), expected);
    }

    #[test]
    fn a_description_goes_with_its_session() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let web = Instance::first(&name("web"));
        std::fs::create_dir_all(places.bundle(&web)).unwrap();
        let spec = serde_json::to_vec(&oci_spec::runtime::Spec::default()).unwrap();
        std::fs::write(places.spec(&web), spec).unwrap();
        let request = ExecRequest {
            command: vec!["/bin/ls".into()],
            ..ExecRequest::default()
        };
        let description = describe(&places, &web, &request).unwrap();
        let path = description.0.clone();
        assert!(path.exists());
        drop(description);
        assert!(!path.exists());
    }

    #[test]
    fn a_signal_is_told_as_shells_do() {
        assert_eq!(exit_status(ExitStatus::from_raw(9)), 137);
        assert_eq!(exit_status(ExitStatus::from_raw(3 << 8)), 3);
    }
}
