//! PID 1 of the initrd: finds the state partition, mounts the root that the kernel command line
//! names, and hands over to systemd. What fails is said on the console; then the machine reboots,
//! so that the boot loader's counter can fall back to another entry.

mod boot;
mod console;

use std::process::ExitCode;

fn main() -> ExitCode {
    // What follows mounts over the system's directories and reboots when it fails.
    if std::process::id() != 1 {
        eprintln!(
            "error: cannot run orlop-initrd as an ordinary program: it is PID 1 of the initrd"
        );
        return ExitCode::FAILURE;
    }
    console::reboot_on_panic();
    let error = match boot::boot() {
        Err(error) => error,
        Ok(never) => match never {},
    };
    console::give_up(&console::chain(&error))
}
