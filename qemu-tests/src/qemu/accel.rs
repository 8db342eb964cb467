//! Whether QEMU can use KVM here.
//!
//! That `/dev/kvm` opens says little: on some nested hosts an ordinary guest stops within its
//! firmware. So the firmware is booted once, without a disk, and has to get as far as saying that
//! there is nothing to boot. The answer is kept for as long as the host runs.

use super::firmware::Firmware;
use crate::scratch;
use crate::wait::wait_until;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Under KVM the firmware takes about a second.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// What OVMF's boot device selection says on the serial console when no device boots.
const PROBE_MARKER: &str = "BdsDxe";
/// Where the answer is kept, below the scratch folder.
const ANSWER_FILE: &str = "accel";

/// How QEMU runs the guest's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// By the host's processor.
    Kvm,
    /// By translation.
    Tcg,
}

impl Accel {
    /// The best one that works here. The first call after the host has started may take ten seconds.
    ///
    /// # Errors
    /// The host's boot id cannot be read, or the probe's files cannot be written.
    pub fn best() -> io::Result<Self> {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let base = scratch::base();
        fs::create_dir_all(&base)?;
        let path = base.join(ANSWER_FILE);
        if let Some(known) = fs::read_to_string(&path)
            .ok()
            .and_then(|a| Self::read(&a, &boot_id))
        {
            return Ok(known);
        }
        let found = if kvm_works(&base)? {
            Self::Kvm
        } else {
            Self::Tcg
        };
        log::info!("QEMU machines run under {found:?}");
        // Tests start side by side: each writes its own file, and the rename is the answer.
        let own = base.join(format!("{ANSWER_FILE}.{}", std::process::id()));
        fs::write(&own, format!("{found:?} {boot_id}"))?;
        fs::rename(&own, &path)?;
        Ok(found)
    }

    fn read(answer: &str, boot_id: &str) -> Option<Self> {
        match answer.split_once(' ')? {
            ("Kvm", id) if id == boot_id => Some(Self::Kvm),
            ("Tcg", id) if id == boot_id => Some(Self::Tcg),
            _ => None,
        }
    }

    /// The arguments that choose it. QEMU 7.2's translation of `cmpxchg16b` corrupts the kernel's
    /// slab lists, so under TCG the processor has none.
    pub(super) fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max,-cx16"],
        }
    }

    /// How many processors a machine gets that is to have `wanted`. Under TCG it is one: a kernel
    /// patches its own code while it boots, and with QEMU 7.2 another processor may still run into
    /// the breakpoint that stood there meanwhile, now and then ("Oops: int3").
    pub(super) fn processors(self, wanted: u32) -> u32 {
        match self {
            Self::Kvm => wanted,
            Self::Tcg => 1,
        }
    }
}

fn kvm_works(base: &Path) -> io::Result<bool> {
    if File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Ok(false);
    }
    let dir = tempfile::tempdir_in(base)?;
    let firmware = Firmware::with_vars(&dir.path().join("vars.fd")).map_err(io::Error::other)?;
    let serial = dir.path().join("serial.log");
    let mut probe = Command::new("qemu-system-x86_64")
        .args([
            "-machine",
            "q35",
            "-m",
            "256",
            "-nodefaults",
            "-no-user-config",
        ])
        .args(["-display", "none", "-serial"])
        .arg(format!("file:{}", serial.display()))
        .args(Accel::Kvm.arguments())
        .args(firmware.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let seen = wait_until(
        "the firmware's boot device selection",
        PROBE_DEADLINE,
        || {
            fs::read(&serial)
                .is_ok_and(|text| String::from_utf8_lossy(&text).contains(PROBE_MARKER))
                || matches!(probe.try_wait(), Ok(Some(_)))
        },
    );
    let ended_by_itself = probe.try_wait()?.is_some();
    if !ended_by_itself {
        probe.kill()?;
        probe.wait()?;
    }
    Ok(seen.is_ok() && !ended_by_itself)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_an_earlier_boot_of_the_host_does_not_count() {
        assert_eq!(Accel::read("Tcg a", "a"), Some(Accel::Tcg));
        assert_eq!(Accel::read("Kvm a", "b"), None);
        assert_eq!(Accel::read("", "b"), None);
    }
}
