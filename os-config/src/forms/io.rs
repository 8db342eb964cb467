//! Disks and how fast they may be used: `"/dev/vda"`, `"10 MiB/s"`.

use super::Problem;
use super::published::is_mount_path;
use super::quantity::size;
use crate::limits::MIN_IO_RATE;
use crate::model::ByteSize;

const DEV: &str = "/dev/";

/// The path of a block device. What udev names devices by, and nothing that means more in a unit of systemd.
pub(crate) fn disk(text: &str) -> Result<String, Problem> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.:+=@/-".contains(&b);
    if text.starts_with(DEV) && is_mount_path(text) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not a disk of the host"))
        .help("write its path below `/dev`, such as \"/dev/vda\" or \"/dev/disk/by-label/data\""))
}

/// Bytes a second.
pub(crate) fn rate(text: &str) -> Result<ByteSize, Problem> {
    let Some(per_second) = text.strip_suffix("/s") else {
        let problem = Problem::new(format!("`{text}` does not say in which time"));
        return Err(problem.help("write it with `/s` at its end, such as \"10 MiB/s\""));
    };
    let rate = size(per_second)?;
    if rate.0 < MIN_IO_RATE {
        let least = ByteSize(MIN_IO_RATE);
        return Err(
            Problem::new(format!("a container does not get on with {rate}/s"))
                .help(format!("write at least \"{least}/s\"")),
        );
    }
    Ok(rate)
}
