//! Which cuts are tried, and what each of them leaves on the disk.

use crate::Outcome;
use crate::disk::{Disk, SECTOR_BYTES};
use crate::random::Random;
use crate::recording::Recording;
use crate::window::{Pending, Window, apply};
use orlop_machines::disk_log::{Action, Entry};
use std::ops::Range;
use std::path::Path;

/// Which of the writes that may be lost are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Right after a flush: nothing that it covers, everything that it does not.
    AtFlush,
    /// All, at the moment at which the operator was told something.
    All,
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
    /// The recording's phase that it falls into.
    pub(crate) phase: usize,
}

/// The cuts of a recording, by interval: each flush's own last.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) cuts: Vec<Cut>,
}

/// What an interval between two flushes has.
struct Interval {
    /// Where each write that may be lost is in the log.
    positions: Vec<u64>,
    /// Where the flush is that ends it.
    flush: Option<u64>,
    /// Where it begins and ends in the log.
    extent: Range<u64>,
}

impl Plan {
    /// A cut at every flush of a recording and at the beginning of each phase, and about `between` more
    /// at random places, more of them where more is written.
    pub(crate) fn of(recording: &Recording, between: usize, seed: u64) -> Outcome<Self> {
        let about = &recording.about;
        let intervals = scan(&recording.log)?;
        let weight = |interval: &Interval| {
            usize::try_from(usize::BITS - interval.positions.len().leading_zeros()).unwrap_or(0)
        };
        let total = intervals.iter().map(weight).sum::<usize>().max(1);
        let mut cuts: Vec<Cut> = Vec::new();
        let mut passed = 0;
        for (number, interval) in intervals.iter().enumerate() {
            let mut add = |writes, loss, phase| {
                let id = cuts.len();
                cuts.push(Cut {
                    id,
                    interval: number,
                    writes,
                    loss,
                    phase,
                });
            };
            for (phase, about) in about.phases.iter().enumerate() {
                if interval.extent.contains(&about.from) {
                    let passed = |position: &u64| *position <= about.from;
                    let writes = interval.positions.iter().filter(|p| passed(p)).count();
                    add(writes, Loss::All, phase);
                }
            }
            let mut random = Random::new(seed, number as u64);
            let before = passed * between / total;
            passed += weight(interval);
            for _ in before..passed * between / total {
                let writes = 1 + random.below(interval.positions.len());
                let loss = BETWEEN[random.below(BETWEEN.len())];
                add(writes, loss, about.phase_at(interval.positions[writes - 1]));
            }
            if let Some(position) = interval.flush {
                add(0, Loss::AtFlush, about.phase_at(position));
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
                Loss::AtFlush | Loss::All | Loss::AllButLast => false,
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
            Loss::AtFlush | Loss::All if !last.entry.durable => Ok(()),
            Loss::Torn | Loss::HalfAndTorn => tear(disk, &last.entry, &mut random),
            _ => apply(disk, &last.entry),
        }
    }
}

fn scan(log: &Path) -> Outcome<Vec<Interval>> {
    let mut window = Window::open(log)?;
    let mut intervals = Vec::new();
    loop {
        let start = window.position();
        let flush = window.next_flush()?;
        intervals.push(Interval {
            positions: window
                .pending
                .iter()
                .map(|pending| pending.position)
                .collect(),
            flush: flush.map(|flush| flush.position),
            // The last one has the log's end, too.
            extent: start..flush.map_or(u64::MAX, |flush| flush.position),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::BLOCK;
    use std::fs::File;

    /// Which of four writes, of two sectors each in a block of its own, are on the disk; a torn one is
    /// there by half.
    fn left(loss: Loss, id: usize) -> [usize; 4] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        File::create(&path)
            .unwrap()
            .set_len(4 * BLOCK as u64)
            .unwrap();
        let mut disk = Disk::open(&path).unwrap();
        let write = |number: u64| Pending {
            entry: Entry {
                action: Action::Write(vec![1; 1024]),
                durable: false,
                batch: number,
                offset: number * BLOCK as u64,
                length: 1024,
            },
            position: number,
        };
        let pending: Vec<_> = (0..4).map(write).collect();
        let plan = Plan {
            seed: 5,
            cuts: Vec::new(),
        };
        let cut = Cut {
            id,
            interval: 0,
            writes: 4,
            loss,
            phase: 0,
        };
        plan.carry_out(&cut, &pending, &mut disk).unwrap();
        [0, 1, 2, 3].map(|number| {
            let mut data = [0; 1024];
            disk.read(number * BLOCK as u64, &mut data).unwrap();
            data.iter().filter(|byte| **byte == 1).count() / SECTOR_BYTES
        })
    }

    #[test]
    fn each_loss_leaves_what_it_says() {
        assert_eq!(left(Loss::All, 1), [0; 4]);
        assert_eq!(left(Loss::Nothing, 1), [2; 4]);
        assert_eq!(left(Loss::AllButLast, 1), [0, 0, 0, 2]);
        for id in 0..20 {
            let one = left(Loss::One, id);
            assert_eq!((one[3], one.iter().sum::<usize>()), (2, 6));
            assert_eq!(left(Loss::Torn, id)[..3], [2; 3]);
            assert_eq!(left(Loss::HalfAndTorn, id), left(Loss::HalfAndTorn, id));
        }
        let torn: Vec<_> = (0..20).map(|id| left(Loss::Torn, id)[3]).collect();
        assert!(
            [0, 1].iter().all(|sectors| torn.contains(sectors)),
            "{torn:?}"
        );
        let halves: Vec<_> = (0..20).map(|id| left(Loss::Half, id)).collect();
        assert!(halves.iter().any(|left| left[0] == 0) && halves.iter().any(|left| left[0] == 2));
    }
}
