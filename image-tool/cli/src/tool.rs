//! Running other programs for what they alone can do: file systems, module indexes.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::process::{Command, Output, Stdio};

/// A program that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("cannot run {program}")]
    Run { program: String, source: io::Error },
    #[error("cannot {purpose}: {program} failed ({status}): {message}")]
    Failed {
        program: String,
        purpose: &'static str,
        status: std::process::ExitStatus,
        message: String,
    },
}

impl ToolError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Run { program, source } if source.kind() == io::ErrorKind::NotFound => Some(
                format!("install what this needs: make setup ({program} is missing)"),
            ),
            _ => None,
        }
    }
}

/// Runs a program with `input` on its standard input; its output is shown only if it fails.
pub(crate) fn run(
    purpose: &'static str,
    program: &str,
    args: &[impl AsRef<OsStr>],
    input: &str,
) -> Result<(), ToolError> {
    let failed = |source| ToolError::Run {
        program: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .args(args)
        // Debian keeps some of them out of an ordinary user's path.
        .env(
            "PATH",
            format!(
                "{}:/usr/sbin:/sbin",
                std::env::var("PATH").unwrap_or_default()
            ),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading its input says why itself.
        let _ignored = stdin.write_all(input.as_bytes());
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let message = [stderr, stdout].concat();
    let message = String::from_utf8_lossy(&message).trim().replace('\n', "; ");
    Err(ToolError::Failed {
        program: program.to_owned(),
        purpose,
        status,
        message,
    })
}
