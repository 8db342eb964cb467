//! Plans as text: what `--dry-run` prints.

use super::{Means, Otherwise, Plan, Step};
use crate::{GenerationId, NodeState, TrialStage, paths};
use orlop_config::Refresh;
use std::collections::BTreeSet;
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.purpose)?;
        writeln!(f, "  why: {}", self.why)?;
        if self.derived != Means::Nothing || self.used != Means::Nothing {
            write!(f, "  means: {}", self.derived)?;
            if self.used != self.derived && self.used != Means::Nothing {
                write!(f, ", carried out as a {}", self.used)?;
            }
            writeln!(f)?;
            let interrupts = match self.interrupts[..] {
                [] => "nothing".to_owned(),
                _ => self.interrupts.join("; "),
            };
            writeln!(f, "  interrupts: {interrupts}")?;
        }
        if !self.stays.is_empty() {
            let stays = self.stays.join(", ");
            writeln!(f, "  until the machine restarts: {stays} stays in force")?;
        }
        if self.steps.is_empty() {
            writeln!(f, "  nothing to do")?;
        }
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "  {number:2}. {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteConfig { path, .. } => write!(f, "write config {path}"),
            Self::WriteGeneration { path, generation } => {
                write!(f, "write generation {} to {path}", generation.id)
            }
            Self::RemoveGeneration { path, generation } => {
                write!(f, "forget generation {generation}: remove {path}")
            }
            Self::RemoveConfig { path } => write!(f, "remove config {path}"),
            Self::RemoveVerdict { path } => write!(f, "remove old verdict {path}"),
            Self::RecordState { path, state } => {
                write!(f, "record in {path}: ")?;
                state_words(state, f)
            }
            Self::RecordVerdict { path, verdict } => {
                let word = if verdict.good { "good" } else { "failed" };
                write!(
                    f,
                    "write verdict {path}: generation {} {word}",
                    verdict.generation
                )
            }
            Self::WriteUki { path, root, size } => {
                write!(
                    f,
                    "copy the UKI of image {} to {path} ({size} bytes)",
                    root.short()
                )
            }
            Self::WriteEntry { path, .. } => write!(f, "write boot entry {path}"),
            Self::RenameEntry { from, to } => write!(f, "rename boot entry {from} to {to}"),
            Self::RemoveEntry { path } => write!(f, "remove boot entry {path}"),
            Self::RemoveUki { path, .. } => write!(f, "remove UKI {path}"),
            Self::RenderEtc { path, refresh, .. } => {
                write!(f, "render /etc from {path}: ")?;
                refresh_words(refresh.as_ref(), f)
            }
            Self::ReplaceContainers {
                generation,
                stop,
                start,
            } => {
                write!(f, "containers as in generation {generation}:")?;
                units(f, " stop", stop)?;
                let comma = if stop.is_empty() || start.is_empty() {
                    ""
                } else {
                    ","
                };
                write!(f, "{comma}")?;
                units(f, " start", start)
            }
            Self::SwapRoot { root, otherwise } => {
                write!(f, "start userspace anew on image {}", root.short())?;
                match otherwise {
                    Otherwise::Fail => Ok(()),
                    Otherwise::Reboot => f.write_str(", or restart the machine"),
                }
            }
            Self::Reboot => f.write_str("restart the machine"),
        }
    }
}

fn refresh_words(refresh: Option<&BTreeSet<Refresh>>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(refresh) = refresh else {
        return f.write_str("restarts what the files that differ are for");
    };
    let words: Vec<_> = refresh.iter().map(ToString::to_string).collect();
    match words[..] {
        [] => f.write_str("restarts nothing"),
        _ => f.write_str(&words.join(", ")),
    }
}

fn units(f: &mut fmt::Formatter<'_>, verb: &str, names: &[String]) -> fmt::Result {
    if !names.is_empty() {
        f.write_str(verb)?;
    }
    names
        .iter()
        .try_for_each(|name| write!(f, " {}", paths::container_unit(name)))
}

fn state_words(state: &NodeState, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let id = |id: Option<GenerationId>| id.map_or("none".to_owned(), |id| id.to_string());
    write!(
        f,
        "current {}, staged {}",
        id(state.current),
        id(state.staged)
    )?;
    let Some(trial) = &state.trial else {
        return f.write_str(", no trial");
    };
    write!(f, ", trial {} ", trial.generation)?;
    match &trial.stage {
        TrialStage::Armed => write!(f, "armed (attempt {})", trial.attempts),
        TrialStage::Running => f.write_str("running"),
        TrialStage::Ending { verdict } if verdict.good => f.write_str("ends good"),
        TrialStage::Ending { .. } => f.write_str("ends failed"),
    }
}
