//! The steps that plans are made of.

use crate::{Generation, GenerationId, NodeState, Verdict};
use orlop_config::{Digest, Refresh, RootDigest};
use std::collections::BTreeSet;

/// One thing that the executor does. Every step may be done again after it was done or half done,
/// and then leaves the same behind. A step that writes a file returns only when the file and its
/// directory entry are durable; the file appears whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a TOML.
    WriteConfig {
        /// Where to.
        path: String,
        /// The text; its digest is in the path.
        text: String,
    },
    /// Writes a generation's file ([`Generation::encode`]).
    WriteGeneration {
        /// Where to.
        path: String,
        /// What.
        generation: Box<Generation>,
    },
    /// Removes a generation's file, if it is there; the node state no longer lists it. What only it
    /// used in the store is garbage then.
    RemoveGeneration {
        /// Which.
        path: String,
        /// Whose.
        generation: GenerationId,
    },
    /// Removes a TOML that no generation on record has any more, if it is there.
    RemoveConfig {
        /// Which.
        path: String,
    },
    /// Removes an old verdict's file, if it is there.
    RemoveVerdict {
        /// Which.
        path: String,
    },
    /// Writes the state file ([`NodeState::encode`]).
    RecordState {
        /// Where to.
        path: String,
        /// What.
        state: Box<NodeState>,
    },
    /// Writes a verdict's file ([`Verdict::encode`]).
    RecordVerdict {
        /// Where to.
        path: String,
        /// What.
        verdict: Box<Verdict>,
    },
    /// Copies an OS image's UKI from the store to the ESP.
    WriteUki {
        /// Where to.
        path: String,
        /// The OS image's root, by which the store finds the UKI.
        root: RootDigest,
        /// Its size in bytes.
        size: u64,
    },
    /// Writes a boot entry.
    WriteEntry {
        /// Where to.
        path: String,
        /// The whole content.
        content: String,
    },
    /// Renames a boot entry; done already where `from` is gone and `to` is there.
    RenameEntry {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// Removes a boot entry, if it is there.
    RemoveEntry {
        /// Which.
        path: String,
    },
    /// Removes a UKI that no boot entry names any more, if it is there.
    RemoveUki {
        /// Which.
        path: String,
        /// Whose.
        root: RootDigest,
    },
    /// Renders `/etc` from a TOML and restarts what depends on what changed.
    RenderEtc {
        /// The TOML's file.
        path: String,
        /// Its digest.
        config: Digest,
        /// What has to be told of it; none where the TOMLs could not be compared, and the files that
        /// turn out to differ decide.
        refresh: Option<BTreeSet<Refresh>>,
    },
    /// Makes the containers those of a generation. The ones that are not named go on running.
    ReplaceContainers {
        /// The generation whose images and config they get.
        generation: GenerationId,
        /// Names of those to stop, if they run.
        stop: Vec<String>,
        /// Names of those to start, if they do not run as they should.
        start: Vec<String>,
    },
    /// Starts userspace anew on another OS image, under the kernel that runs; the containers go on.
    /// The last step of a plan.
    SwapRoot {
        /// The image's root file system.
        root: RootDigest,
        /// What to do where its root cannot be made or systemd refuses.
        otherwise: Otherwise,
    },
    /// Restarts the machine. The last step of a plan.
    Reboot,
}

/// What follows from a live swap that cannot be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The step fails: the new image is to blame, and the machine goes on as it was.
    Fail,
    /// The machine restarts instead: there must be a way back.
    Reboot,
}

/// What state the machine is in after a plan's last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It runs on.
    Here,
    /// It is going down, for a restart of the machine or of its userspace.
    Rebooting,
}
