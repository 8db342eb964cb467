//! The table of a run.

use crate::Outcome;
use crate::boots::Booted;
use crate::cuts::{Loss, Plan};
use crate::recording::Recording;
use crate::run::CheckedCut;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What surrounds the table in the document.
const BEGIN: &str = "<!-- power cuts: begin -->\n";
/// The end of it.
const END: &str = "<!-- power cuts: end -->";
/// Failures that are printed.
const SHOWN: usize = 20;

/// A row.
#[derive(Clone, Debug, Default)]
struct Row {
    flushes: usize,
    between: usize,
    distinct: BTreeSet<(u64, u64)>,
    failures: usize,
    booted: usize,
    not_booted: usize,
}

impl Row {
    fn text(&self, name: &str) -> String {
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} |\n",
            self.flushes,
            self.between,
            self.distinct.len(),
            self.failures,
            self.booted,
            self.not_booted,
        )
    }
}

/// The table of a run, and whether nothing failed.
pub(crate) fn table(
    recording: &Recording,
    plan: &Plan,
    found: &[CheckedCut],
    booted: &[Booted],
    took: Duration,
) -> Outcome<(String, bool)> {
    let phases = &recording.about.phases;
    let mut rows = vec![Row::default(); phases.len()];
    let mut all = Row::default();
    for cut in found {
        for row in [&mut rows[cut.cut.phase], &mut all] {
            match cut.cut.loss {
                Loss::AtFlush => row.flushes += 1,
                _ => row.between += 1,
            }
            row.distinct.insert(cut.identity);
            row.failures += usize::from(!cut.checked.failures.is_empty());
        }
    }
    for boot in booted {
        for row in [&mut rows[boot.phase], &mut all] {
            row.booted += 1;
            row.not_booted += usize::from(boot.failure.is_some());
        }
    }
    let mib = fs::metadata(&recording.log)?.len() >> 20;
    let mut text = format!(
        "Recorded: {mib} MiB of writes and flushes; images {}. Seed {}; all cuts checked in {:.0} s.\n\n\
         | phase | cuts at a flush | cuts between | different disks | failures | booted in QEMU | of these failed |\n\
         |---|---|---|---|---|---|---|\n",
        recording.about.images,
        plan.seed,
        took.as_secs_f64(),
    );
    for (phase, row) in phases
        .iter()
        .zip(&rows)
        .filter(|(_, row)| !row.distinct.is_empty())
    {
        text.push_str(&row.text(&phase.name));
    }
    writeln!(text, "{}", all.text("**all**"))?;
    let mut boots: BTreeMap<&str, usize> = BTreeMap::new();
    for cut in found {
        *boots
            .entry(cut.checked.decision.unwrap_or("none"))
            .or_default() += 1;
    }
    let boots: Vec<_> = boots
        .iter()
        .map(|(what, count)| format!("{what}: {count}"))
        .collect();
    writeln!(
        text,
        "What the agent takes the boot after the cut for: {}.",
        boots.join("; ")
    )?;
    Ok((text, all.failures + all.not_booted == 0))
}

/// Prints what is wrong, a few cuts of it.
pub(crate) fn print_failures(recording: &Recording, found: &[CheckedCut]) {
    let bad = found.iter().filter(|cut| !cut.checked.failures.is_empty());
    for cut in bad.take(SHOWN) {
        let phase = &recording.about.phases[cut.cut.phase];
        println!("cut {} in {}, {:?}:", cut.cut.id, phase.name, cut.cut);
        for failure in &cut.checked.failures {
            println!("    {failure}");
        }
    }
}

/// Puts the table into a document, between its markers.
pub(crate) fn write(document: &Path, table: &str) -> Outcome<()> {
    let text = fs::read_to_string(document)
        .map_err(|error| format!("cannot read {}: {error}", document.display()))?;
    let places = text
        .find(BEGIN)
        .zip(text.find(END))
        .filter(|(begin, end)| begin < end);
    let (begin, end) =
        places.ok_or_else(|| format!("{} has no {}", document.display(), BEGIN.trim()))?;
    let new = [
        &text[..begin + BEGIN.len()],
        "\n",
        table,
        "\n",
        &text[end..],
    ]
    .concat();
    Ok(fs::write(document, new)?)
}
