//! What each step leaves on the disk and the ESP.

use super::Node;
use orlop_core::boot::EntryFile;
use orlop_core::{NodeState, Step, Verdict};

impl Node {
    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::WriteConfig { path, .. } => {
                let hex = path.rsplit('/').next().unwrap().trim_end_matches(".toml");
                self.configs
                    .insert(format!("sha256:{hex}").parse().unwrap());
            }
            Step::WriteGeneration { generation, .. } => {
                assert!(
                    self.configs.contains(&generation.config),
                    "a name before its content"
                );
                self.generations
                    .insert(generation.id, (**generation).clone());
            }
            Step::RemoveGeneration { generation, .. } => {
                self.generations.remove(generation);
            }
            Step::RecordState { state, .. } => {
                self.state = Some(NodeState::decode(&state.encode()).unwrap());
            }
            Step::RecordVerdict { verdict, .. } => {
                let read = Verdict::decode(&verdict.encode()).unwrap();
                self.verdicts.insert(verdict.number, read);
            }
            Step::WriteUki { root, size, .. } => {
                assert!(*size <= self.esp.free, "the ESP is full");
                self.esp.free -= size;
                self.esp.ukis.insert(root.clone(), *size);
            }
            Step::RemoveUki { root, .. } => {
                self.esp.free += self.esp.ukis.remove(root).unwrap_or_default();
            }
            Step::WriteEntry { path, content } => {
                let name = file_name(path);
                self.esp.entries.retain(|file| file.name != name);
                self.esp.entries.push(EntryFile {
                    name,
                    content: content.clone(),
                });
            }
            Step::RenameEntry { from, to } => {
                let (from, to) = (file_name(from), file_name(to));
                for file in self.esp.entries.iter_mut().filter(|file| file.name == from) {
                    file.name.clone_from(&to);
                }
            }
            Step::RemoveEntry { path } => {
                let name = file_name(path);
                self.esp.entries.retain(|file| file.name != name);
            }
            Step::RemoveConfig { path } => {
                self.configs
                    .retain(|config| orlop_core::paths::config(config) != *path);
            }
            Step::RemoveVerdict { .. } => {}
            Step::RenderEtc { config, .. } => assert!(self.configs.contains(config)),
            Step::ReplaceContainers { generation, .. } => {
                assert!(self.generations.contains_key(generation));
            }
            Step::SwapRoot { .. } | Step::Reboot => {}
        }
    }
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}
