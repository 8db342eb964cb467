//! Every limit of what a TOML may hold, in one place.

use std::time::Duration;

/// The longest TOML, in bytes. It is held in memory whole and kept per generation; the largest
/// node that was thought of (256 containers) needs a fifth of it.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;

/// The most containers on a node: each costs a unit, a network namespace and an overlay mount.
pub const MAX_CONTAINERS: usize = 256;

/// The most problems reported at once; the rest are counted.
pub const MAX_DIAGNOSTICS: usize = 100;

/// The most checks of a gate: each is polled about once a second.
pub const MAX_CHECKS: usize = 64;

/// The longest `gate.hold` and `gate.deadline`: a trial that takes longer blocks every other switch.
pub const MAX_TRIAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest time of a health probe's keys.
pub const MAX_PROBE: Duration = Duration::from_secs(60 * 60);

/// How many generations stay on record where the TOML does not say. A generation costs a few kilobytes
/// and what of its images no other one has; eight of them, each with an OS image that shares nothing,
/// are about a gigabyte, and go back over a week of daily updates.
pub const DEFAULT_KEEP_GENERATIONS: usize = 8;

/// The fewest generations that may be kept: the one that runs and the one to go back to.
pub const MIN_KEEP_GENERATIONS: u64 = 2;

/// The most generations that may be kept: all are read at each switch.
pub const MAX_KEEP_GENERATIONS: u64 = 200;

/// The longest host name, in bytes (Linux, `HOST_NAME_MAX`).
pub const MAX_HOST_NAME: usize = 64;

/// The smallest limit of a volume: room for a few blocks of a file system.
pub const MIN_VOLUME_BYTES: u64 = 64 * 1024;
/// The smallest memory limit: below it the runtime itself is killed before the container starts
/// (the figure is Docker's).
pub const MIN_MEMORY_BYTES: u64 = 6 * 1024 * 1024;

/// The slowest limit of a disk, in bytes a second: a page.
pub const MIN_IO_RATE: u64 = 4096;
/// The most operations a second that a limit of a disk may name (Linux, block/blk-throttle.c: `UINT_MAX`).
pub const MAX_IO_OPS: u64 = u32::MAX as u64;
/// The most disks that a container has limits for.
pub const MAX_IO_DEVICES: usize = 64;

/// The ends of `oom_score_adj` (Linux, `OOM_SCORE_ADJ_MAX`).
pub const LAST_OOM_SCORE: i64 = 1000;
/// The lowest `oom_score_adj` of a container without `privileged`: the agent has -900.
pub const MIN_OOM_SCORE: i64 = -800;

/// The most processors that a limit may name.
pub const MAX_CPUS: f64 = 1024.0;

/// The smallest share of a processor: one percent, the step of systemd's `CPUQuota=`.
pub const MIN_CPUS: f64 = 0.01;

/// The smallest packet of a container network: what IPv6 asks for (RFC 8200, section 5).
pub const MIN_MTU: u64 = 1280;

/// The largest packet of a container network (Linux, `ETH_MAX_MTU`).
pub const MAX_MTU: u64 = 65_535;

/// The most ports that one `ports` entry publishes, and the most of one container: each is looked
/// up in a map of the kernel's.
pub const MAX_PUBLISHED: usize = 4096;

/// The longest name of an interface: IFNAMSIZ without its final NUL (Linux).
pub const MAX_INTERFACE: usize = 15;

/// The most further names of a container in one network.
pub const MAX_ALIASES: usize = 32;

/// The largest limit of processes (Linux, `PID_MAX_LIMIT` on 64 bits).
pub const MAX_PIDS: u64 = 4_194_304;

/// The shortest and the longest `update.every`: a node is not to flood a registry, and one that is
/// to look less often than this is one to be told (`policy = "manual"`).
pub const MIN_POLL: Duration = Duration::from_secs(1);
/// See [`MIN_POLL`].
pub const MAX_POLL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The most maintenance windows: four a day of the week.
pub const MAX_WINDOWS: usize = 28;

/// The most restarts within an hour that a limit may name: with the shortest waits a container could
/// not be started more often.
pub const MAX_RESTARTS: u64 = 10_000;

/// The shortest and the longest time between a container's stop signal and SIGKILL.
pub const STOP_TIMES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10 * 60);

/// The shortest and the longest wait before a restart.
pub const RESTART_WAITS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60 * 60);

/// The longest text of a secret, in bytes: systemd's own limit of a credential (systemd.exec(5)).
pub const MAX_SECRET_BYTES: u64 = 1024 * 1024;
