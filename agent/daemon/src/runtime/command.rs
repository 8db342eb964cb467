//! Runs another program to its end, with a time limit and a bound on what it may say.

use super::descendants;
use super::error::StepError;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// So much of each of a program's outputs is kept; the rest is read and dropped.
const OUTPUT_KEPT: u64 = 2048;

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// The beginning of what it said, errors first, in one line, where it failed.
    pub(super) said: String,
}

/// A program under way. Dropped before it has ended, it is killed with everything that it started.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // First those below: where their parent is gone, nobody knows any more whose they are.
        if let Some(pid) = self.0.id() {
            descendants::kill_below(pid);
        }
    }
}

/// Runs `program` with `stdin` as its input. It is killed, with everything that it started, when it
/// takes longer than `limit`, and when the future is dropped.
///
/// # Errors
/// `Run` where it cannot be started, `Timeout`; how it ends is not looked at.
pub(super) async fn run<A: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
    stdin: &[u8],
    limit: Duration,
) -> Result<Ended, StepError> {
    let fail = |source| StepError::Run {
        program: program.to_owned(),
        source,
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(fail)?;
    let mut running = Running(child);
    let child = &mut running.0;
    let mut input = child.stdin.take();
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let work = async {
        if let Some(pipe) = &mut input {
            // One that ends without reading everything is judged by its status.
            match pipe.write_all(stdin).await {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        drop(input);
        // Not read to its end: a program that leaves a child behind with the pipe must not hold
        // us up after it ended itself.
        let reading = tokio::spawn(async {
            let (errors, output) = tokio::join!(read_bounded(errors), read_bounded(output));
            let parts = [errors, output];
            parts
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join(" | ")
        });
        let status = child.wait().await?;
        if status.success() {
            return Ok((status, String::new()));
        }
        let text = tokio::time::timeout(DRAIN_LIMIT, reading).await;
        Ok((status, text.ok().and_then(Result::ok).unwrap_or_default()))
    };
    match tokio::time::timeout(limit, work).await {
        Ok(Ok((status, said))) => Ok(Ended { status, said }),
        Ok(Err(source)) => Err(fail(source)),
        Err(_) => Err(StepError::Timeout {
            what: program.display().to_string(),
            limit,
        }),
    }
}

/// How long the output of a program that has failed is waited for.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

async fn read_bounded(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> String {
    let Some(pipe) = pipe else {
        return String::new();
    };
    let mut kept = Vec::new();
    let mut head = pipe.take(OUTPUT_KEPT);
    // What cannot be read is as good as not said.
    let _ = head.read_to_end(&mut kept).await;
    let mut rest = head.into_inner();
    tokio::spawn(async move { tokio::io::copy(&mut rest, &mut tokio::io::sink()).await });
    let text = String::from_utf8_lossy(&kept);
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" | ")
}

/// As [`run`], and anything but exit status 0 is an error.
pub(super) async fn run_well<A: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
    stdin: &[u8],
    limit: Duration,
) -> Result<(), StepError> {
    let ended = run(program, arguments, stdin, limit).await?;
    if ended.status.success() {
        return Ok(());
    }
    let program = program.to_owned();
    Err(StepError::Ended {
        program,
        status: ended.status,
        said: ended.said,
    })
}

/// More than the rules of a node with as many containers as it can have, each with many ports.
const MOST_OUTPUT: u64 = 8 << 20;

/// What `program` prints; none where it fails. It is killed when it takes longer than `limit`.
///
/// # Errors
/// `Run` where it cannot be started, `Timeout`, `TooLong`.
pub(super) async fn output<A: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
    limit: Duration,
) -> Result<Option<Vec<u8>>, StepError> {
    let fail = |source| StepError::Run {
        program: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(fail)?;
    let mut said = Vec::new();
    let work = async {
        if let Some(pipe) = child.stdout.take() {
            pipe.take(MOST_OUTPUT + 1).read_to_end(&mut said).await?;
        }
        child.wait().await
    };
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(_)) if said.len() as u64 > MOST_OUTPUT => Err(StepError::TooLong {
            program: program.to_owned(),
            limit: MOST_OUTPUT,
        }),
        Ok(Ok(status)) => Ok(status.success().then_some(said)),
        Ok(Err(source)) => Err(fail(source)),
        Err(_) => Err(StepError::Timeout {
            what: program.display().to_string(),
            limit,
        }),
    }
}

/// The first of `places` where there is a file.
pub(super) fn find(name: &'static str, places: &[&str]) -> Result<PathBuf, StepError> {
    let found = places.iter().map(Path::new).find(|path| path.is_file());
    let missing = || StepError::NoProgram {
        name,
        places: places.join(", "),
    };
    found.map(Path::to_owned).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    async fn sh(script: &str, limit: Duration) -> Result<Ended, StepError> {
        run(Path::new("/bin/sh"), ["-c", script], b"in\n", limit).await
    }

    #[tokio::test]
    async fn status_and_errors_are_told() {
        let ended = sh("read x; echo more; echo \"got $x\" >&2; exit 3", LONG)
            .await
            .unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(ended.said, "got in | more");
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed() {
        let error = sh("exec sleep 60", Duration::from_millis(50))
            .await
            .unwrap_err();
        assert!(matches!(error, StepError::Timeout { .. }));
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_what_it_started() {
        // The shell waits for its child; the pipe is closed when both are gone.
        let (reader, writer) = std::io::pipe().unwrap();
        let script = "sh -c 'sleep 61; :' <&0; :";
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdout(Stdio::from(writer))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = child.id().unwrap();
        let running = Running(child);
        let grandchildren = || descendants::count_below(pid);
        while grandchildren() < 2 {
            tokio::task::yield_now().await;
        }
        drop(running);
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = reader;
            std::io::Read::read_to_end(&mut reader, &mut Vec::new())
        });
        let read = tokio::time::timeout(LONG, read).await;
        assert_eq!(read.unwrap().unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn one_that_talks_without_end_fills_no_memory() {
        let ended = sh("head -c 4000000 /dev/zero | tr '\\0' x >&2; exit 1", LONG)
            .await
            .unwrap();
        assert_eq!(ended.said.len() as u64, OUTPUT_KEPT);
    }

    #[tokio::test]
    async fn one_that_leaves_a_child_behind_does_not_hold_us_up() {
        let begin = std::time::Instant::now();
        sh("sleep 5 & exit 0", LONG).await.unwrap();
        assert!(begin.elapsed() < Duration::from_secs(4));
    }
}
