//! A talk with whoever sits at the input: who and where it runs, and each line repeated, until one is `end`.

use nix::sys::signal::{SigSet, Signal};
use std::io::{self, BufRead, IsTerminal, Write};
use std::thread;

/// What the last line of a talk is, and how it ends then.
const END: &str = "end";
const END_STATUS: i32 = 3;
/// The line that is answered by so many.
const FLOOD: &str = "flood";
const FLOOD_LINES: u32 = 50_000;

pub(crate) fn talk() -> io::Result<()> {
    let mut sizes = SigSet::empty();
    sizes.add(Signal::SIGWINCH);
    sizes.thread_block()?;
    let directory = std::env::current_dir()?;
    let terminal = match io::stdin().is_terminal() {
        true => format!("terminal {}", size()?),
        false => "no terminal".to_owned(),
    };
    say(&format!(
        "{terminal}, user {}, in {}",
        nix::unistd::geteuid(),
        directory.display()
    ))?;
    thread::spawn(move || {
        while sizes.wait().is_ok() {
            let told = size().and_then(|size| say(&format!("size {size}")));
            if told.is_err() {
                return;
            }
        }
    });
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line == FLOOD {
            for number in 0..FLOOD_LINES {
                say(&format!("flood {number}"))?;
            }
        }
        if line == END {
            say("bye")?;
            std::process::exit(END_STATUS);
        }
        say(&format!("heard {line}"))?;
    }
    say("no more")
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn size() -> io::Result<String> {
    let size = rustix::termios::tcgetwinsize(io::stdin())?;
    Ok(format!("{}x{}", size.ws_row, size.ws_col))
}
