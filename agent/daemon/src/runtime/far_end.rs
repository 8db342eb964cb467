//! The process that holds the far end of a container's terminal, or of its input: what a unit says of it
//! (docs/adr/0021-terminals-of-containers.md). Pure, but for the copy of its program.

use super::desired::DesiredContainer;
use super::error::StepError;
use super::places::Places;
use super::run_copy;
use std::path::Path;

/// The terminal's first size, until somebody joins: that of the terminals which programs were written for.
pub(super) const FIRST_ROWS: u64 = 24;
pub(super) const FIRST_COLUMNS: u64 = 80;
/// The kind of terminal that programs are told of, if nobody says another: what people join with can do as much.
pub(super) const TERM: &str = "xterm";

/// Whether `container` has such a process.
pub(super) fn is_held(container: &DesiredContainer) -> bool {
    container.config.process.tty || container.config.process.stdin
}

/// So many processes of its unit are not the container's own.
pub(super) fn processes(container: &DesiredContainer) -> u32 {
    u32::from(is_held(container))
}

/// The command that starts the OCI runtime by `program` with `subcommand`, and the holder before it where there is one.
pub(super) fn command(
    container: &DesiredContainer,
    places: &Places,
    program: &str,
    subcommand: &str,
) -> String {
    if !is_held(container) {
        return format!("{program} {subcommand}");
    }
    let instance = &container.instance();
    let (kind, console) = match container.config.process.tty {
        true => {
            let socket = places.console_socket(instance);
            (
                "terminal",
                format!(" --console-socket={}", socket.display()),
            )
        }
        false => ("input", String::new()),
    };
    format!(
        "{} start {kind} {} {} {program} {subcommand}{console}",
        places.terminal_copy().display(),
        places.bundle(instance).display(),
        places.pid_file(instance).display(),
    )
}

/// Lines of the unit that let the last words be told before systemd kills what is left.
pub(super) fn last_words(container: &DesiredContainer, places: &Places) -> String {
    if !is_held(container) {
        return String::new();
    }
    let drain = format!(
        "-{} drain {}",
        places.terminal_copy().display(),
        places.bundle(&container.instance()).display()
    );
    // The one where it has ended by itself, the other where it was told to.
    format!("ExecStop={drain}\nExecStopPost={drain}\n")
}

/// Sees to it that its program is there, where `container` needs it. Blocking.
///
/// # Errors
/// Where the OS has none, or the copy cannot be written.
pub(super) fn provide(container: &DesiredContainer, places: &Places) -> Result<(), StepError> {
    if !is_held(container) {
        return Ok(());
    }
    let of_os: &Path = &places.os_terminal;
    run_copy::provide(of_os, &places.terminal_copy())
}
