//! Which cuts are tried, and what each of them leaves on the disk.

use crate::Outcome;
use crate::disk::{Disk, SECTOR_BYTES};
use crate::random::Random;
use crate::window::{Pending, Window, apply};
use orlop_machines::disk_log::{Action, Entry};
use std::path::Path;

/// Which of the writes that may be lost are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Right after a flush: nothing that it covers, everything that it does not.
    AtFlush,
    /// None: a disk without a cache.
    Nothing,
    /// About half of them.
    Half,
    /// Most of them.
    Most,
    /// All but the last.
    AllButLast,
    /// One of those before the last.
    One,
    /// None, but the last is torn.
    Torn,
    /// About half of them, and the last is torn.
    HalfAndTorn,
}

/// Those between flushes.
const BETWEEN: [Loss; 7] = [
    Loss::Nothing,
    Loss::Half,
    Loss::Most,
    Loss::AllButLast,
    Loss::One,
    Loss::Torn,
    Loss::HalfAndTorn,
];

/// A moment at which the power goes, and what is lost then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Its number in the plan.
    pub(crate) id: usize,
    /// How many flushes came before it.
    pub(crate) interval: usize,
    /// How many writes that may be lost the disk had got.
    pub(crate) writes: usize,
    pub(crate) loss: Loss,
    /// Where it is in the log, in bytes.
    pub(crate) position: u64,
}

/// The cuts of a recording, by interval: each flush's own last.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) cuts: Vec<Cut>,
}

/// What an interval between two flushes has.
struct Interval {
    positions: Vec<u64>,
    flush: Option<u64>,
}

impl Plan {
    /// A cut at every flush of a log, and about `between` more at random places between them, more of
    /// them where more is written.
    pub(crate) fn of(log: &Path, between: usize, seed: u64) -> Outcome<Self> {
        let intervals = scan(log)?;
        let weight = |interval: &Interval| {
            usize::try_from(usize::BITS - interval.positions.len().leading_zeros()).unwrap_or(0)
        };
        let total = intervals.iter().map(weight).sum::<usize>().max(1);
        let mut cuts = Vec::new();
        let mut passed = 0;
        for (number, interval) in intervals.iter().enumerate() {
            let mut random = Random::new(seed, number as u64);
            let before = passed * between / total;
            passed += weight(interval);
            for _ in before..passed * between / total {
                let writes = 1 + random.below(interval.positions.len());
                cuts.push(Cut {
                    id: cuts.len(),
                    interval: number,
                    writes,
                    loss: BETWEEN[random.below(BETWEEN.len())],
                    position: interval.positions[writes - 1],
                });
            }
            if let Some(position) = interval.flush {
                cuts.push(Cut {
                    id: cuts.len(),
                    interval: number,
                    writes: 0,
                    loss: Loss::AtFlush,
                    position,
                });
            }
        }
        Ok(Self { seed, cuts })
    }

    /// How many flushes there are.
    pub(crate) fn flushes(&self) -> usize {
        self.cuts
            .iter()
            .filter(|cut| cut.loss == Loss::AtFlush)
            .count()
    }

    /// Does to a disk what a cut leaves of these writes, which are all that may be lost.
    pub(crate) fn carry_out(&self, cut: &Cut, pending: &[Pending], disk: &mut Disk) -> Outcome<()> {
        let mut random = Random::new(self.seed ^ 1, cut.id as u64);
        let Some((last, earlier)) = pending[..cut.writes.min(pending.len())].split_last() else {
            return Ok(());
        };
        let spared = random.below(earlier.len().max(1));
        for (number, pending) in earlier.iter().enumerate() {
            let there = match cut.loss {
                Loss::AtFlush | Loss::AllButLast => false,
                Loss::Nothing | Loss::Torn => true,
                Loss::Half | Loss::HalfAndTorn => random.coin(),
                Loss::Most => random.below(8) == 0,
                Loss::One => number != spared,
            };
            if there || pending.entry.durable {
                apply(disk, &pending.entry)?;
            }
        }
        match cut.loss {
            Loss::AtFlush => Ok(()),
            Loss::Torn | Loss::HalfAndTorn => tear(disk, &last.entry, &mut random),
            _ => apply(disk, &last.entry),
        }
    }
}

fn scan(log: &Path) -> Outcome<Vec<Interval>> {
    let mut window = Window::open(log)?;
    let mut intervals = Vec::new();
    loop {
        let flush = window.next_flush()?;
        intervals.push(Interval {
            positions: window
                .pending
                .iter()
                .map(|pending| pending.position)
                .collect(),
            flush: flush.map(|flush| flush.position),
        });
        match flush {
            Some(flush) => drop(window.settle(flush)),
            None => return Ok(intervals),
        }
    }
}

/// Carries out a part of the sectors of a request: the first ones, or any.
fn tear(disk: &mut Disk, entry: &Entry, random: &mut Random) -> Outcome<()> {
    let sectors = usize::try_from(entry.length)? / SECTOR_BYTES;
    let (first, any) = (random.below(sectors.max(1)), random.coin());
    for sector in 0..sectors {
        if if any { random.coin() } else { sector < first } {
            let at = sector * SECTOR_BYTES;
            let offset = entry.offset + at as u64;
            match &entry.action {
                Action::Write(data) => disk.write(offset, &data[at..at + SECTOR_BYTES])?,
                Action::Zeroes | Action::Discard => disk.zero(offset, SECTOR_BYTES as u64)?,
                Action::Flush | Action::PowerOn => {}
            }
        }
    }
    Ok(())
}
