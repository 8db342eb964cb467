//! Why a device of the Container Device Interface cannot be had.

use orlop_config::CdiDevice;
use std::path::PathBuf;

/// The most devices that a message names.
const NAMED: usize = 16;

/// What is wrong with a device that a container asks for, or with the spec that describes it.
#[derive(Debug, thiserror::Error)]
pub enum CdiError {
    /// No spec describes it.
    #[error("cannot find CDI device {device}: {}", absent(known, dirs, unread))]
    Absent {
        /// Which.
        device: CdiDevice,
        /// What there is.
        known: Vec<String>,
        /// Where specs are looked for.
        dirs: Vec<PathBuf>,
        /// Specs that cannot be read, each with why.
        unread: Vec<String>,
    },
    /// Two specs of the same folder describe it.
    #[error("cannot choose CDI device {device}: {} and {} both describe it", first.display(), second.display())]
    Twice {
        /// Which.
        device: CdiDevice,
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// What its spec says of it cannot be had here.
    #[error("cannot give {what} of CDI device {device}, which {} says it needs: {why}", path.display())]
    Refused {
        /// Which device.
        device: CdiDevice,
        /// Which part of its spec.
        what: String,
        /// The spec.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

fn absent(known: &[String], dirs: &[PathBuf], unread: &[String]) -> String {
    let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    let dirs = dirs.join(", ");
    let mut text = match known.split_at_checked(NAMED) {
        _ if known.is_empty() => format!("there is none in {dirs}"),
        Some((first, rest)) if !rest.is_empty() => {
            format!(
                "in {dirs} there are {} and {} more",
                first.join(", "),
                rest.len()
            )
        }
        _ => format!("in {dirs} there are {}", known.join(", ")),
    };
    for why in unread {
        text.push_str("; ");
        text.push_str(why);
    }
    text
}
