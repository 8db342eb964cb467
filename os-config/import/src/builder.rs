//! What is put together from the files: the draft, the names in it, and the notes.

use crate::draft::Table;
use crate::files::Files;
use crate::name::Names;
use crate::note::{Note, NoteKind, Place};
use crate::subnet::Subnets;

/// The kinds of things that have names.
#[derive(Debug, Default)]
pub(crate) struct AllNames {
    pub(crate) containers: Names,
    pub(crate) networks: Names,
    pub(crate) volumes: Names,
    pub(crate) secrets: Names,
}

/// What is put together from the files.
pub(crate) struct Builder<'a> {
    pub(crate) files: &'a dyn Files,
    /// The folder below `/var/srv` for what stood beside the file.
    pub(crate) project: String,
    pub(crate) root: Table,
    pub(crate) names: AllNames,
    pub(crate) notes: Vec<Note>,
    pub(crate) subnets: Subnets,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(files: &'a dyn Files, project: &str) -> Self {
        Self {
            files,
            project: project.to_owned(),
            root: Table::default(),
            names: AllNames::default(),
            notes: Vec::new(),
            subnets: Subnets::default(),
        }
    }

    /// A key is not in the TOML.
    pub(crate) fn left_out(&mut self, place: &Place, why: impl Into<String>) {
        self.notes.push(place.note(NoteKind::LeftOut, why));
    }

    /// A key means something else now.
    pub(crate) fn changed(&mut self, place: &Place, why: impl Into<String>) {
        self.notes.push(place.note(NoteKind::Changed, why));
    }

    /// A value is not what the key has in the format of the file.
    pub(crate) fn not_so(&mut self, place: &Place, expected: &str) {
        self.left_out(place, format!("its value is not {expected}"));
    }

    /// The name in the TOML for a name of the file; a note where it is another one.
    pub(crate) fn name(
        &mut self,
        names: impl FnOnce(&mut AllNames) -> &mut Names,
        text: &str,
        place: &Place,
    ) -> String {
        let (name, first) = names(&mut self.names).name(text);
        if first && name != text {
            self.changed(place, format!("its name is `{name}` now"));
        }
        name
    }

    /// A volume's name, declared.
    pub(crate) fn volume(&mut self, text: &str, place: &Place) -> String {
        let name = self.name(|names| &mut names.volumes, text, place);
        self.root.table("volume").table(&name);
        name
    }

    /// A secret's name, declared as a file of the node.
    pub(crate) fn secret(&mut self, text: &str, place: &Place, holds: &str) -> String {
        let name = self.name(|names| &mut names.secrets, text, place);
        let secrets = self.root.table("secret");
        if !secrets.has(&name) {
            secrets.table(&name).set("from", "file", place);
            let why = format!("put {holds} into /state/orlop/secrets/{name} on the node");
            self.changed(place, why);
        }
        name
    }
}
