//! `orlop-terminal` holds the far end of a container's terminal, or of its input, for as long as the container lives.
//!
//! `start` is the front of the OCI runtime in a container's unit: it leaves a process behind that holds the far end, and
//! becomes the runtime itself. That process reads the terminal at all times, writes what it reads to the unit's journal, and
//! serves a socket at which others join: they get the output and give input. `drain` waits until it has written down the
//! last words of a container that has ended. Why a process of its own: docs/adr/0021-terminals-of-containers.md.
//!
//! One thread and one poll loop: there is one such process for each container with a terminal.

mod attacher;
mod drain;
mod failure;
mod far_end;
mod hold;
mod journal;
mod launch;
mod watched;

use failure::Failure;
use launch::{Kind, Launch};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
orlop-terminal start terminal|input FOLDER PID-FILE PROGRAM [ARGUMENT]...
orlop-terminal drain FOLDER";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[OsString]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments
        .iter()
        .take(2)
        .filter_map(|word| word.to_str())
        .collect();
    match (words.as_slice(), arguments) {
        (["drain", _], [_, folder]) => {
            drain::drain(Path::new(folder));
            Ok(())
        }
        (["start", kind], [_, _, folder, pid_file, program, rest @ ..]) => {
            let launch = Launch {
                kind: Kind::parse(kind).ok_or(Failure::Usage)?,
                folder: Path::new(folder),
                pid_file: Path::new(pid_file),
                program,
                arguments: rest,
            };
            match launch::start(&launch)? {}
        }
        _ => Err(Failure::Usage),
    }
}
