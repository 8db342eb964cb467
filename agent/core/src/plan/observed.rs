//! What a plan starts from.

use crate::boot::{Booted, EntryFile};
use crate::confirmation::Moment;
use crate::{CheckSeen, Generation, GenerationId, NodeState, Timestamp, Uptime};
use orlop_config::{Digest, NodeConfig, RootDigest};
use std::collections::{BTreeMap, BTreeSet};

/// The node as it is, read anew before each plan.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The node state; [`NodeState::first`] where there is no file yet.
    pub state: NodeState,
    /// Every generation on record.
    pub generations: BTreeMap<GenerationId, Generation>,
    /// What was booted.
    pub booted: Booted,
    /// For how long the machine has been up.
    pub uptime: Uptime,
    /// The EFI system partition.
    pub esp: Esp,
    /// Sizes in bytes of the UKIs that the store has, by root.
    pub uki_sizes: BTreeMap<RootDigest, u64>,
    /// TOMLs that could be read, by digest. With both that differ the plan knows which containers a
    /// new config touches; without, it replaces all.
    pub configs: BTreeMap<Digest, NodeConfig>,
    /// What the gate at work last saw; empty where none is.
    pub checks: Vec<CheckSeen>,
    /// Every TOML on record, by digest.
    pub config_files: BTreeSet<Digest>,
    /// Every verdict on record: its number, and the generation that it is about.
    pub verdicts: BTreeMap<u32, GenerationId>,
}

impl Observed {
    /// This moment, by both clocks.
    pub(crate) fn moment(&self, now: Timestamp) -> Moment<'_> {
        Moment {
            boot: &self.booted.boot,
            uptime: self.uptime,
            now,
        }
    }
}

/// The EFI system partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Esp {
    /// Files in `/efi/loader/entries`.
    pub entries: Vec<EntryFile>,
    /// UKIs in `/efi/EFI/orlop` and their sizes in bytes.
    pub ukis: BTreeMap<RootDigest, u64>,
    /// Bytes free.
    pub free: u64,
}

/// What the agent's owner, not the node's TOML, decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How often a new OS image may boot without a verdict.
    pub tries: u32,
    /// How often a switch is begun again when the boot loader does not start the new entry.
    pub switch_attempts: u32,
    /// How often a trial gets lost tries back; the machine may be wrong in telling a power loss.
    pub give_backs: u32,
    /// Bytes of the ESP that stay free: for the renames and directory entries of a switch.
    pub esp_reserve: u64,
    /// How many verdicts stay on record, besides the newest of each generation.
    pub keep_verdicts: usize,
}

impl Default for Policy {
    /// 3 tries, 5 attempts, 8 times tries given back, 1 MiB, 100 verdicts: a few hundred kilobytes, and
    /// more trials than anybody looks back at.
    fn default() -> Self {
        Self {
            tries: 3,
            switch_attempts: 5,
            give_backs: 8,
            esp_reserve: 1 << 20,
            keep_verdicts: 100,
        }
    }
}
