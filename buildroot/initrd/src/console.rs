//! Saying what happens, and giving up.

use orlop_initrd::options;
use rustix::system::RebootCommand;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// Kernel log levels, syslog(2).
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Warning = 4,
    Info = 6,
}

/// Writes a line to the kernel's log.
pub(crate) fn say(level: Level, text: &str) {
    let line = format!("<{}>orlop-initrd: {text}\n", level as u8);
    // Ignoring a failure: there is nobody left to tell.
    let _ignored = write_to(Path::new("/dev/kmsg"), &line);
}

/// An error with its causes, as one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A panic must end like any other failure, not in a kernel panic without a word.
pub(crate) fn reboot_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        give_up(&format!("internal error: {panic}"))
    }));
}

/// Says why on the console and in the kernel's log, and ends in a panic of the kernel: that keeps its
/// log, if the machine has a place for it, for whoever looks for the reason later. Then the kernel
/// waits so that the words can be read, and reboots.
pub(crate) fn give_up(why: &str) -> ! {
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let wait = options::panic_wait(&cmdline);
    let text = format!("cannot boot: {why}; rebooting in {} s", wait.as_secs());
    say(Level::Info, &text);
    // Ignoring a failure: without a console, the kernel's log has it.
    let _ignored = write_to(
        Path::new("/dev/console"),
        &format!("\r\norlop-initrd: {text}\r\n"),
    );
    rustix::fs::sync();
    // How long a panic lasts; a negative number is not at all. Where it cannot be set, `panic=` of
    // the command line is in force.
    let secs = match wait.as_secs() {
        0 => "-1".to_owned(),
        secs => secs.to_string(),
    };
    let set = write_to(Path::new("/proc/sys/kernel/panic"), &secs);
    if set.is_err() && !cmdline.contains("panic=") {
        std::thread::sleep(wait);
        // Returns only if the kernel refuses.
        let _refused = rustix::system::reboot(RebootCommand::Restart);
    }
    // The end of PID 1 is a panic.
    std::process::exit(1)
}

fn write_to(path: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}
