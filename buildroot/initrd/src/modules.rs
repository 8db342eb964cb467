//! Kernel modules in the initrd: which there are, what they need, and which devices want them.

use crate::modalias;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The directory of modules in the initrd: their files as the kernel's package has them, and
/// [`LIST_FILE`].
pub const MODULES_DIR: &str = "/modules";

/// Tells the kernel to decompress the file itself, linux/module.h.
const MODULE_INIT_COMPRESSED_FILE: i32 = 4;

/// Name of the list in [`MODULES_DIR`].
pub const LIST_FILE: &str = "list";

/// A module that is in the initrd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Name of its file in [`MODULES_DIR`].
    pub file: String,
    /// The modules that it needs, in the order of loading.
    pub needed: Vec<String>,
}

/// The modules of an initrd. As text, one item a line: `module NAME FILE NEEDED…`, `always NAME`,
/// `alias PATTERN NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleList {
    /// The modules by name.
    pub modules: BTreeMap<String, Module>,
    /// Modules that every machine needs.
    pub always: BTreeSet<String>,
    /// Patterns of devices and the module that drives them.
    pub aliases: BTreeSet<(String, String)>,
}

/// A list that cannot be used, or a module that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The list could not be read.
    #[error("cannot read the list of modules {path}")]
    ReadList {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is none.
    #[error("cannot read the list of modules: line {line} is {text:?}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A module that is named has no line of its own.
    #[error("cannot load the module {name}: it is not in the initrd")]
    Unknown {
        /// The module.
        name: String,
    },
    /// The module could not be opened.
    #[error("cannot open the module {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel does not take it.
    #[error("cannot load the module {name}")]
    Load {
        /// The module.
        name: String,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for ModuleList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, module) in &self.modules {
            write!(f, "module {name} {}", module.file)?;
            for need in &module.needed {
                write!(f, " {need}")?;
            }
            writeln!(f)?;
        }
        for name in &self.always {
            writeln!(f, "always {name}")?;
        }
        for (pattern, name) in &self.aliases {
            writeln!(f, "alias {pattern} {name}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for ModuleList {
    type Err = ModuleError;

    fn from_str(text: &str) -> Result<Self, ModuleError> {
        let mut list = Self::default();
        for (number, line) in text.lines().enumerate() {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("module"), Some(name), Some(file)) => {
                    let needed = words.map(str::to_owned).collect();
                    list.modules.insert(
                        name.to_owned(),
                        Module {
                            file: file.to_owned(),
                            needed,
                        },
                    );
                }
                (Some("always"), Some(name), None) => {
                    list.always.insert(name.to_owned());
                }
                (Some("alias"), Some(pattern), Some(name)) => {
                    list.aliases.insert((pattern.to_owned(), name.to_owned()));
                }
                _ => {
                    return Err(ModuleError::Line {
                        line: number + 1,
                        text: line.to_owned(),
                    });
                }
            }
        }
        Ok(list)
    }
}

/// Loads modules of a list into the running kernel.
#[derive(Debug)]
pub struct Loader {
    dir: PathBuf,
    list: ModuleList,
    loaded: BTreeSet<String>,
}

impl Loader {
    /// Reads the list in `dir`.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn open(dir: &Path) -> Result<Self, ModuleError> {
        let path = dir.join(LIST_FILE);
        let text =
            fs::read_to_string(&path).map_err(|source| ModuleError::ReadList { path, source })?;
        Ok(Self {
            dir: dir.to_owned(),
            list: text.parse()?,
            loaded: BTreeSet::new(),
        })
    }

    /// Loads what every machine needs.
    ///
    /// # Errors
    /// At the first module that the kernel does not take.
    pub fn load_always(&mut self) -> Result<(), ModuleError> {
        for name in self.list.always.clone() {
            self.load(&name)?;
        }
        Ok(())
    }

    /// Loads the drivers of the devices that are there now and have none. Devices that their
    /// loading brings to light want another call. Returns the names of the modules that are new.
    ///
    /// # Errors
    /// At the first module that the kernel does not take.
    pub fn load_for_devices(&mut self) -> Result<Vec<String>, ModuleError> {
        let mut wanted = BTreeSet::new();
        for alias in device_aliases() {
            let drivers = self
                .list
                .aliases
                .iter()
                .filter(|(p, _)| modalias::matches(p, &alias));
            wanted.extend(drivers.map(|(_, name)| name.clone()));
        }
        wanted.retain(|name| !self.loaded.contains(name));
        for name in &wanted {
            self.load(name)?;
        }
        Ok(wanted.into_iter().collect())
    }

    fn load(&mut self, name: &str) -> Result<(), ModuleError> {
        let needed = self.module(name)?.needed.clone();
        for name in needed.iter().map(String::as_str).chain([name]) {
            if !self.loaded.contains(name) {
                insert(&self.dir.join(&self.module(name)?.file), name)?;
                self.loaded.insert(name.to_owned());
            }
        }
        Ok(())
    }

    fn module(&self, name: &str) -> Result<&Module, ModuleError> {
        let module = self.list.modules.get(name);
        module.ok_or_else(|| ModuleError::Unknown {
            name: name.to_owned(),
        })
    }
}

fn insert(path: &Path, name: &str) -> Result<(), ModuleError> {
    let file = File::open(path).map_err(|source| ModuleError::Open {
        path: path.to_owned(),
        source,
    })?;
    let plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = if plain {
        0
    } else {
        MODULE_INIT_COMPRESSED_FILE
    };
    match rustix::system::finit_module(&file, c"", flags) {
        // Already there is as good.
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(ModuleError::Load {
            name: name.to_owned(),
            source: errno.into(),
        }),
    }
}

/// The modaliases of all devices. One that cannot be read has no driver to look for.
fn device_aliases() -> Vec<String> {
    let list = |dir: &Path| {
        fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
    };
    list(Path::new("/sys/bus"))
        .flat_map(|bus| list(&bus.join("devices")))
        .filter_map(|device| fs::read_to_string(device.join("modalias")).ok())
        .map(|alias| alias.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_modules_is_read_back_as_written() {
        let text = "module erofs erofs.ko.xz libcrc32c\nmodule libcrc32c libcrc32c.ko\nalways erofs\n\
                    alias virtio:d00000002v* virtio_blk\n";
        let list: ModuleList = text.parse().unwrap();
        assert_eq!(list.modules["erofs"].needed, ["libcrc32c"]);
        assert_eq!(list.to_string(), text);
    }

    #[test]
    fn a_damaged_list_names_its_line() {
        let error = "module a a.ko\nalways\n".parse::<ModuleList>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the list of modules: line 2 is \"always\""
        );
    }

    #[test]
    fn a_module_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(LIST_FILE), "always erofs\n").unwrap();
        let error = Loader::open(dir.path()).unwrap().load_always().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot load the module erofs: it is not in the initrd"
        );
    }
}
