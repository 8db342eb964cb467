//! What is done when the agent cannot stay up: systemd starts `orlopd note-failure` then, which is
//! not the agent and does as little as it can. It notes the failure; where a trial is under way, it
//! marks the trial's boot entry as used up, so that the next boot leads back.

use crate::booted;
use crate::chain::chain;
use crate::clock;
use crate::effects::{EffectError, Effects};
use crate::esp::{self, EspError};
use crate::paths::Paths;
use crate::records::{self, RecordError};
use crate::remains;
use orlop_core::boot::{AgentFailure, service_end, used_up};
use orlop_core::{BootId, Trial, VERDICT_LOG_LINES, paths as core_paths};
use std::fs;
use std::io;
use std::process::Command;

/// What has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// The trial is over: the machine has to be restarted.
    Restart,
    /// Nothing is on trial that a restart would end, or it has been tried: the containers go on
    /// without the agent, which is started again later.
    TryAgain,
}

/// The failure cannot be noted.
#[derive(Debug, thiserror::Error)]
pub enum NoteFailureError {
    /// The note, or the boot entry.
    #[error(transparent)]
    Effect(#[from] EffectError),
    /// The node state.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// The boot entries.
    #[error(transparent)]
    Esp(#[from] EspError),
    /// The boot entry cannot be read.
    #[error("cannot read boot entry {name}")]
    Entry {
        /// Its path.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Notes that the agent cannot stay up. `ended` says how it ended, as systemd has it.
///
/// # Errors
/// [`NoteFailureError`]: something is left undone; during a trial the machine has to be restarted
/// all the same, and the boot counter decides.
pub fn note(
    paths: &Paths,
    effects: &dyn Effects,
    ended: &str,
) -> Result<Follows, NoteFailureError> {
    let boot = booted::read(paths);
    let state = records::state(paths)?;
    let trial = state.as_ref().and_then(|state| state.trial.as_ref());
    let before = remains::gather(paths).agent;
    let generation = trial.map(|trial| trial.generation);
    let (root, boot_id) = match &boot {
        Ok(boot) => (Some(boot.booted.root.clone()), boot.booted.boot.clone()),
        Err(error) => {
            log::error!("{}", chain(error));
            let boot = booted::boot_id().map_or_else(|_| String::new(), |boot| boot.0);
            (None, BootId(boot))
        }
    };
    let mut note = AgentFailure::new(
        root.clone(),
        boot_id,
        generation,
        ended.to_owned(),
        clock::now(),
    );
    if paths.are_the_machines() {
        note.log = last_lines();
    }
    effects.write(
        &paths.place(core_paths::AGENT_FAILURE),
        &mut &*note.encode(),
    )?;
    let Some(trial) = trial else {
        return Ok(Follows::TryAgain);
    };
    let generations = records::generations(paths, &mut Vec::new());
    let tried = generations.get(&trial.generation);
    if tried.is_none_or(|tried| Some(&tried.os.root) != root.as_ref()) {
        // The old image runs, the switch away from it has not come about.
        return Ok(Follows::TryAgain);
    }
    use_up(paths, effects, trial)?;
    let noted_before = before.is_some_and(|before| before.generation == generation);
    // Without an entry the same image boots again; once is enough for its agent to see the note.
    Ok(if trial.entry.is_none() && noted_before {
        Follows::TryAgain
    } else {
        Follows::Restart
    })
}

/// Marks the trial's boot entry as used up: the new name first, as any change of an entry.
fn use_up(paths: &Paths, effects: &dyn Effects, trial: &Trial) -> Result<(), NoteFailureError> {
    let Some((from, to)) = used_up(trial, &esp::entries(paths)?) else {
        return Ok(());
    };
    let old = paths.place(&from);
    let content =
        fs::read(&old).map_err(|source| NoteFailureError::Entry { name: from, source })?;
    effects.write(&paths.place(&to), &mut &*content)?;
    Ok(effects.remove(&old)?)
}

/// How the agent ended, by what systemd passes to a unit that it starts because of another's failure.
pub fn how_it_ended() -> String {
    let of = |name| std::env::var(name).unwrap_or_default();
    service_end(
        &of("MONITOR_SERVICE_RESULT"),
        &of("MONITOR_EXIT_CODE"),
        &of("MONITOR_EXIT_STATUS"),
    )
}

/// The agent's last log lines; none where the journal cannot be asked.
fn last_lines() -> Vec<String> {
    let lines = VERDICT_LOG_LINES.to_string();
    let asked = Command::new("journalctl")
        .args(["--unit=orlopd.service", "--boot", "--output=cat", "--quiet"])
        .args(["--no-pager", "--lines", &lines])
        .output();
    match asked {
        Ok(output) => String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect(),
        Err(error) => {
            log::warn!("ignoring: cannot run journalctl: {error}");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Real;
    use orlop_config::{Digest, RootDigest};
    use orlop_core::boot::BootSequence;
    use orlop_core::{
        Generation, GenerationId, GenerationStatus, Means, NodeState, Origin, OsImage, Timestamp,
        TrialKind, TrialStage,
    };
    use std::collections::BTreeMap;
    use std::path::Path;

    const ENDED: &str = "it ended with exit status 101";

    fn root(os: &str) -> RootDigest {
        os.repeat(64).parse().unwrap()
    }

    fn generation(id: u64, os: &str) -> Generation {
        Generation {
            id: GenerationId(id),
            os: OsImage {
                reference: "r.example/os:1".into(),
                manifest: Digest::of(os.as_bytes()),
                root: root(os),
                version: os.to_owned(),
                boot: Digest::of(os.as_bytes()),
            },
            config: Digest::of(b"config"),
            containers: BTreeMap::new(),
            created: Timestamp(1),
            origin: Origin::Update,
        }
    }

    /// A node with OS `a`, on trial with OS `b` (or with `a` again, without an entry), booted into `os`.
    fn node(dir: &Path, entry: Option<BootSequence>, os: &str) -> Paths {
        let paths = Paths::under(dir);
        let tried = generation(2, if entry.is_some() { "b" } else { "a" });
        let mut state = NodeState::first(BootSequence(3));
        state.current = Some(GenerationId(1));
        state
            .generations
            .insert(GenerationId(1), GenerationStatus::Good);
        state
            .generations
            .insert(GenerationId(2), GenerationStatus::Trial);
        state.trial = Some(Trial {
            generation: GenerationId(2),
            kind: TrialKind::Update,
            fallback: Some(GenerationId(1)),
            stage: TrialStage::Armed,
            entry,
            tries: 3,
            boots: 0,
            attempts: 1,
            given_back: 0,
            means: Means::Reboot,
            confirm: None,
            boot: BootId("b1".to_owned()),
            armed: Timestamp(1),
            gate_started: None,
        });
        let write = |path: &str, bytes: &[u8]| {
            let path = paths.place(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write(core_paths::STATE, &state.encode());
        for generation in [generation(1, "a"), tried] {
            write(&core_paths::generation(generation.id), &generation.encode());
        }
        write(&core_paths::entry("orlop-1.conf"), b"one");
        write(&core_paths::entry("orlop-2+2-1.conf"), b"two");
        let word = format!("{{\"root\": \"{}\", \"verity\": false}}", root(os));
        fs::create_dir_all(paths.boot_json().parent().unwrap()).unwrap();
        fs::write(paths.boot_json(), word).unwrap();
        paths
    }

    fn entries(paths: &Paths) -> Vec<String> {
        let files = esp::entries(paths).unwrap();
        files.into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn an_agent_that_fails_on_trial_is_noted_and_its_entry_is_used_up() {
        let dir = tempfile::tempdir().unwrap();
        let paths = node(dir.path(), Some(BootSequence(2)), "b");
        // Once more where the machine could not be restarted.
        for _ in 0..2 {
            assert_eq!(note(&paths, &Real, ENDED).unwrap(), Follows::Restart);
            assert_eq!(entries(&paths), ["orlop-1.conf", "orlop-2+0-3.conf"]);
        }
        let noted = remains::gather(&paths).agent.unwrap();
        assert_eq!(noted.detail, ENDED);
        assert_eq!(noted.generation, Some(GenerationId(2)));
        assert_eq!(noted.root, Some(root("b")));
    }

    #[test]
    fn an_agent_that_fails_on_a_trial_of_the_same_image_restarts_the_machine_once() {
        let dir = tempfile::tempdir().unwrap();
        let paths = node(dir.path(), None, "a");
        assert_eq!(note(&paths, &Real, ENDED).unwrap(), Follows::Restart);
        assert_eq!(note(&paths, &Real, ENDED).unwrap(), Follows::TryAgain);
    }

    #[test]
    fn an_agent_that_fails_on_a_good_generation_restarts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // The switch is armed, and the old image still runs.
        let paths = node(dir.path(), Some(BootSequence(2)), "a");
        assert_eq!(note(&paths, &Real, ENDED).unwrap(), Follows::TryAgain);
        assert_eq!(entries(&paths), ["orlop-1.conf", "orlop-2+2-1.conf"]);
        // Nothing is on record at all.
        fs::remove_file(paths.place(core_paths::STATE)).unwrap();
        assert_eq!(note(&paths, &Real, ENDED).unwrap(), Follows::TryAgain);
        assert_eq!(remains::gather(&paths).agent.unwrap().generation, None);
    }
}
