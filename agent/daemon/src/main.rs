//! `orlopd`: the agent. `orlopd render` fills `/etc` early in the boot; without argument it is the
//! service.

mod service;

use orlopd::chain::chain;
use orlopd::effects::Real;
use orlopd::note_failure::{self, Follows};
use orlopd::paths::Paths;
use orlopd::{console, logging, render};
use std::process::{Command, ExitCode};
use std::sync::Arc;

/// Threads that wait for the network, systemd and timers. There is little to compute.
const WORKERS: usize = 2;
/// Threads for what blocks (syncs, mounts, unpacking) at the most; each is a stack and an arena.
const BLOCKING: usize = 8;
/// How long a thread for what blocks stays without work.
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(2);

/// Starts the agent again after a while.
const AGAIN_TIMER: &str = "orlop-agent-again.timer";

const USAGE: &str = "usage: orlopd [render | note-failure | --version]

Without argument: the agent, as systemd starts it.
render: write /etc from the node's TOML, early in the boot.
note-failure: what systemd starts when the agent cannot stay up.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => serve(),
        ["render"] => render_etc(),
        ["note-failure"] => note_failure(),
        ["--version"] => {
            println!("orlopd {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        ["--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("orlopd: cannot understand the arguments {arguments:?}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn render_etc() -> ExitCode {
    logging::start();
    match render::early(&Paths::node()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&chain(&error)),
    }
}

/// What systemd starts when the agent cannot stay up. A failure here is for systemd to follow up.
fn note_failure() -> ExitCode {
    logging::start();
    let ended = note_failure::how_it_ended();
    let (words, systemctl): (&str, &[&str]) =
        match note_failure::note(&Paths::node(), &Real, &ended) {
            Ok(Follows::Restart) => ("this ends the trial, the machine restarts", &["reboot"]),
            Ok(Follows::TryAgain) => ("it is started again soon", &["start", AGAIN_TIMER]),
            Err(error) => return fail(&chain(&error)),
        };
    console::say(&format!("the agent cannot stay up, {ended}; {words}"));
    match Command::new("systemctl").args(systemctl).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => fail(&format!(
            "cannot {}: systemctl: {status}",
            systemctl.join(" ")
        )),
        Err(error) => fail(&format!("cannot run systemctl: {error}")),
    }
}

fn serve() -> ExitCode {
    logging::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(KEEP_ALIVE)
        .thread_name("orlopd")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the agent's threads: {error}")),
    };
    match runtime.block_on(service::run(Paths::node(), Arc::new(Real))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&chain(&error)),
    }
}

fn fail(why: &str) -> ExitCode {
    log::error!("{why}");
    console::say(why);
    ExitCode::FAILURE
}
