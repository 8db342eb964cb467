//! One step of a plan, carried out. Each may be done again after it was done or half done.

use super::Switch;
use crate::effects::{EffectError, Effects};
use crate::paths::Paths;
use orlop_api::Fault;
use orlop_config::{Digest, Refresh, RootDigest};
use orlop_core::{GenerationId, Otherwise, Step};
use orlop_image::Store;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What plans do to the running machine, besides files.
pub trait Running: Send + Sync {
    /// Renders `/etc` from the TOML with this digest, and tells what depends on what changed: the
    /// members of `refresh`, and whatever else turns out to.
    fn render_etc(
        &self,
        config: &Digest,
        refresh: &BTreeSet<Refresh>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Makes the containers those of a generation.
    fn replace_containers(
        &self,
        generation: GenerationId,
        stop: &[String],
        start: &[String],
    ) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Starts userspace anew on another OS image, in good order; the containers go on. Returns when
    /// that has begun.
    fn swap_root(&self, root: &RootDigest) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Restarts the machine, in good order. Returns when that has begun.
    fn reboot(&self) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// A step that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A change of a file.
    #[error(transparent)]
    Effect(#[from] EffectError),
    /// The store's copy of a boot file.
    #[error("cannot read the boot file {} in the store", .path.display())]
    Uki {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A boot entry that was to be renamed.
    #[error("cannot rename boot entry {} to {}", .from.display(), .to.display())]
    Rename {
        /// From.
        from: PathBuf,
        /// To.
        to: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The running machine.
    #[error("{0}")]
    Running(Fault),
    /// The agent's own thread.
    #[error("cannot finish a change of files: its thread ended early")]
    Thread(#[source] tokio::task::JoinError),
}

/// Carries out `step`.
pub(super) async fn carry_out<R: Running>(
    step: &Step,
    switch: &Switch<R>,
) -> Result<(), StepError> {
    log::debug!("step {step:?}");
    let running = &switch.running;
    match step {
        Step::RenderEtc {
            config, refresh, ..
        } => {
            let refresh = refresh.clone().unwrap_or_default();
            let rendered = running.render_etc(config, &refresh).await;
            rendered.map_err(StepError::Running)
        }
        Step::ReplaceContainers {
            generation,
            stop,
            start,
        } => running
            .replace_containers(*generation, stop, start)
            .await
            .map_err(StepError::Running),
        Step::SwapRoot { root, otherwise } => match (running.swap_root(root).await, otherwise) {
            (Err(fault), Otherwise::Reboot) => {
                log::warn!("restarting the machine instead: {fault}");
                running.reboot().await.map_err(StepError::Running)
            }
            (outcome, _) => outcome.map_err(StepError::Running),
        },
        Step::Reboot => running.reboot().await.map_err(StepError::Running),
        Step::WriteConfig { .. }
        | Step::WriteGeneration { .. }
        | Step::RemoveGeneration { .. }
        | Step::RemoveConfig { .. }
        | Step::RemoveVerdict { .. }
        | Step::RecordState { .. }
        | Step::RecordVerdict { .. }
        | Step::WriteUki { .. }
        | Step::WriteEntry { .. }
        | Step::RenameEntry { .. }
        | Step::RemoveEntry { .. }
        | Step::RemoveUki { .. } => {
            let (step, effects) = (step.clone(), Arc::clone(&switch.effects));
            let (paths, store) = (switch.paths.clone(), switch.store.clone());
            // Syncs of a slow disk must not hold up the front doors.
            tokio::task::spawn_blocking(move || change_files(&step, &*effects, &paths, &store))
                .await
                .map_err(StepError::Thread)?
        }
    }
}

fn change_files(
    step: &Step,
    effects: &dyn Effects,
    paths: &Paths,
    store: &Store,
) -> Result<(), StepError> {
    let write = |path: &str, bytes: &[u8]| -> Result<(), StepError> {
        Ok(effects.write(&paths.place(path), &mut &*bytes)?)
    };
    match step {
        Step::WriteConfig { path, text } => write(path, text.as_bytes()),
        Step::WriteGeneration { path, generation } => write(path, &generation.encode()),
        Step::RecordState { path, state } => write(path, &state.encode()),
        Step::RecordVerdict { path, verdict } => write(path, &verdict.encode()),
        Step::WriteEntry { path, content } => write(path, content.as_bytes()),
        Step::WriteUki { path, root, size } => {
            write_uki(effects, &store.uki_path(root), &paths.place(path), *size)
        }
        Step::RenameEntry { from, to } => {
            rename_entry(effects, &paths.place(from), &paths.place(to))
        }
        Step::RemoveEntry { path }
        | Step::RemoveUki { path, .. }
        | Step::RemoveGeneration { path, .. }
        | Step::RemoveConfig { path }
        | Step::RemoveVerdict { path } => Ok(effects.remove(&paths.place(path))?),
        // Not files: carried out by `carry_out`.
        Step::RenderEtc { .. }
        | Step::ReplaceContainers { .. }
        | Step::SwapRoot { .. }
        | Step::Reboot => Ok(()),
    }
}

/// A named UKI is never written again: it gets its name when it is complete. One of another size is
/// what a damaged file system left, and cannot boot.
fn write_uki(effects: &dyn Effects, from: &Path, to: &Path, size: u64) -> Result<(), StepError> {
    match fs::metadata(to) {
        Ok(meta) if meta.len() == size => return Ok(()),
        Ok(meta) => log::warn!(
            found = meta.len(), expected = size;
            "{} is damaged and is written again", to.display()
        ),
        Err(_) => {}
    }
    let mut file = File::open(from).map_err(|source| StepError::Uki {
        path: from.to_owned(),
        source,
    })?;
    Ok(effects.write(to, &mut file)?)
}

/// Gives a boot entry another name. FAT can lose a file whose rename is cut short, so the new name
/// is written first, as a file of its own, and the old one goes when that is on disk. In between
/// both start the same UKI.
fn rename_entry(effects: &dyn Effects, from: &Path, to: &Path) -> Result<(), StepError> {
    match fs::read(from) {
        Ok(content) => {
            effects.write(to, &mut &*content)?;
            Ok(effects.remove(from)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => Ok(()),
        Err(source) => Err(StepError::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::Real;

    #[test]
    fn a_rename_cut_in_half_is_finished_and_a_finished_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (
            dir.path().join("orlop-7+2-1.conf"),
            dir.path().join("orlop-7.conf"),
        );
        fs::write(&from, "title x\n").unwrap();
        fs::write(&to, "title x\n").unwrap();
        for _ in 0..2 {
            rename_entry(&Real, &from, &to).unwrap();
            assert!(!from.exists());
            assert_eq!(fs::read_to_string(&to).unwrap(), "title x\n");
        }
    }

    #[test]
    fn an_entry_that_is_nowhere_cannot_be_renamed() {
        let dir = tempfile::tempdir().unwrap();
        let error = rename_entry(&Real, &dir.path().join("a"), &dir.path().join("b")).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot rename boot entry "),
            "{error}"
        );
    }

    #[test]
    fn a_complete_uki_is_not_written_again_and_a_damaged_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("store.efi"), dir.path().join("esp.efi"));
        fs::write(&from, "new uki").unwrap();
        fs::write(&to, "old uki").unwrap();
        write_uki(&Real, &from, &to, 7).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "old uki");
        fs::write(&to, "half").unwrap();
        write_uki(&Real, &from, &to, 7).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "new uki");
    }
}
