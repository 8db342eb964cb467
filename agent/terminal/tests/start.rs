//! The program as a container's unit runs it, with a shell in the place of the OCI runtime.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_orlop-terminal");
const LONG: Duration = Duration::from_secs(20);
/// `drain` gives up then.
const LONGEST_DRAIN: Duration = Duration::from_secs(2);

fn start(dir: &Path, script: &str) -> Child {
    Command::new(PROGRAM)
        .args(["start", "input"])
        .arg(dir)
        .arg(dir.join("pid"))
        .args(["sh", "-c", script])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn join(dir: &Path) -> UnixStream {
    let mut stream = UnixStream::connect(dir.join("attach.sock")).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"i");
    stream
}

#[test]
fn the_runtime_is_the_process_that_was_started_and_its_status_is_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(
        dir.path(),
        "echo $$; read -r line; echo \"got $line\"; exit 7",
    );
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), child.id().to_string());
    let mut stream = join(dir.path());
    let socket = dir.path().join("attach.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    stream.write_all(b"hello\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "got hello");
    assert_eq!(child.wait().unwrap().code(), Some(7));
    // There is no other process to go on with: it ends, and so does everybody's connection.
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(lines.next().is_none());
    let drained = Command::new(PROGRAM).arg("drain").arg(dir.path()).status();
    assert!(drained.unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn it_goes_on_with_the_process_that_the_runtime_has_written_down() {
    let dir = tempfile::tempdir().unwrap();
    // The pid file of a run before must not be taken for this one's.
    std::fs::write(dir.path().join("pid"), "1").unwrap();
    let script = "test ! -e pid || exit 3; exec 3<&0; \
                  { read -r line <&3; echo \"got $line\"; read -r line <&3; } & echo $! > pid";
    let mut child = start(dir.path(), script);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut stream = join(dir.path());
    stream.write_all(b"hello\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "got hello");
    // While the main process runs there is nothing to wait for.
    let begin = Instant::now();
    let mut drain = Command::new(PROGRAM);
    drain.arg("drain").arg(dir.path());
    assert!(drain.env("MAINPID", "1").status().unwrap().success());
    assert!(begin.elapsed() < LONGEST_DRAIN, "it has waited");
    // And after its end this waits for ours.
    let mut drain = drain.env_remove("MAINPID").spawn().unwrap();
    stream.write_all(b"end\n").unwrap();
    assert!(drain.wait().unwrap().success());
    assert!(!dir.path().join("attach.sock").exists());
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_program_that_cannot_be_run_is_said_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .args(["start", "terminal"])
        .arg(dir.path())
        .arg(dir.path().join("pid"))
        .arg("/missing/crun")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        said.starts_with("error: cannot run /missing/crun: No such file"),
        "{said}"
    );
    assert!(!dir.path().join("attach.sock").exists());
    let usage = Command::new(PROGRAM).arg("stop").output().unwrap();
    let said = String::from_utf8(usage.stderr).unwrap();
    assert!(said.contains("orlop-terminal drain FOLDER"), "{said}");
}
