//! Kernel, its modules, and the initrd.

use super::recipe::{InitrdSection, KernelSection, Patterns, RecipeError};
use super::select::copy;
use super::tree::{Content, Node, Tree};
use crate::tool::{self, ToolError};
use cpio::newc;
use orlop_initrd::modules::{LIST_FILE, MODULES_DIR, Module, ModuleList};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};

/// The kernel's own lists, which depmod works from.
const SOURCE_FILES: [&str; 3] = [
    "modules.builtin",
    "modules.builtin.modinfo",
    "modules.order",
];

/// What depmod makes, and modprobe and udev read.
const INDEX_FILES: [&str; 8] = [
    "modules.alias.bin",
    "modules.builtin.alias.bin",
    "modules.builtin.bin",
    "modules.dep.bin",
    "modules.devname",
    "modules.softdep",
    "modules.symbols.bin",
    "modules.weakdep",
];

/// Level of the initrd's compression. It is small, so the best.
const ZSTD_LEVEL: i32 = 19;

/// A kernel that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KernelError {
    #[error("cannot find the kernel: the packages have {found} files boot/vmlinuz-*, expected one")]
    NotOne { found: usize },
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error("cannot put the module {name} into the initrd: the kernel's package does not have it")]
    NoModule { name: String },
    #[error("cannot index the kernel modules")]
    Scratch(#[source] io::Error),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error("cannot write the initrd")]
    Initrd(#[source] io::Error),
}

impl KernelError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Tool(error) => error.hint(),
            _ => None,
        }
    }
}

/// The kernel of the packages and its modules.
#[derive(Debug)]
pub(crate) struct Kernel<'a> {
    base: &'a Tree,
    /// `uname -r`.
    pub(crate) release: String,
    /// The bzImage.
    pub(crate) image: Vec<u8>,
    /// What each module file needs, both below the module directory; in the order of loading.
    needed: BTreeMap<String, Vec<String>>,
}

impl<'a> Kernel<'a> {
    /// Finds the kernel among the packages.
    pub(crate) fn find(base: &'a Tree) -> Result<Self, KernelError> {
        let kernels: Vec<&str> = base
            .files()
            .filter_map(|(path, _)| path.strip_prefix("boot/vmlinuz-"))
            .collect();
        let [release] = kernels[..] else {
            return Err(KernelError::NotOne {
                found: kernels.len(),
            });
        };
        let dep = read_text(base, &format!("usr/lib/modules/{release}/modules.dep"))?;
        Ok(Self {
            base,
            release: release.to_owned(),
            image: read(base, &format!("boot/vmlinuz-{release}"))?,
            needed: dep.lines().filter_map(parse_dep).collect(),
        })
    }

    /// Copies the modules that the recipe wants, with what they need, to the image.
    pub(crate) fn copy_modules(
        &self,
        kernel: &KernelSection,
        image: &mut Tree,
    ) -> Result<(), KernelError> {
        let patterns = Patterns::new(&kernel.modules)?;
        let wanted = self
            .needed
            .iter()
            .filter(|(file, _)| patterns.matches(file));
        let files: BTreeSet<&str> = wanted
            .flat_map(|(file, needed)| needed.iter().chain([file]).map(String::as_str))
            .collect();
        for file in files {
            copy(self.base, &self.module_path(file), image);
        }
        Ok(())
    }

    /// Makes the lists that modprobe and udev read anew, for the modules that the image has: those of
    /// the package name modules that are not there.
    pub(crate) fn index_modules(&self, image: &mut Tree) -> Result<(), KernelError> {
        let scratch = tempfile::tempdir().map_err(KernelError::Scratch)?;
        let dir = format!("usr/lib/modules/{}/", self.release);
        let sources = SOURCE_FILES.iter().map(|file| self.module_path(file));
        let modules = image.files().map(|(path, _)| path.to_owned());
        for path in sources.chain(modules.filter(|path| path.starts_with(&dir))) {
            let target = scratch
                .path()
                .join("lib/modules")
                .join(&self.release)
                .join(&path[dir.len()..]);
            target
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&target, self.base.read(&path)?))
                .map_err(KernelError::Scratch)?;
        }
        let args = [
            "-b".as_ref(),
            scratch.path().as_os_str(),
            self.release.as_ref(),
        ];
        tool::run("index the kernel modules", "depmod", &args, "")?;
        for file in INDEX_FILES {
            let made = scratch
                .path()
                .join("lib/modules")
                .join(&self.release)
                .join(file);
            // Older versions of depmod do not make all of them.
            if made.exists() {
                let content = fs::read(&made).map_err(KernelError::Scratch)?;
                image.insert(
                    &self.module_path(file),
                    Node::file(Content::Bytes(content), 0o644),
                );
            }
        }
        Ok(())
    }

    /// The initrd: `init`, and the modules of the recipe. Returns a compressed cpio archive.
    pub(crate) fn initrd(
        &self,
        recipe: &InitrdSection,
        init: &[u8],
    ) -> Result<Vec<u8>, KernelError> {
        let files: BTreeMap<String, &str> = self
            .needed
            .keys()
            .map(|file| (module_name(file), file.as_str()))
            .collect();
        let mut list = ModuleList {
            always: recipe.always.iter().cloned().collect(),
            aliases: self.aliases(&recipe.drivers)?,
            ..ModuleList::default()
        };
        let mut content = BTreeMap::new();
        for name in recipe.always.iter().chain(&recipe.drivers) {
            let file = files
                .get(name)
                .ok_or_else(|| KernelError::NoModule { name: name.clone() })?;
            for file in self.needed[*file].iter().map(String::as_str).chain([*file]) {
                let needed = self.needed.get(file).into_iter().flatten();
                let needed = needed.map(|file| module_name(file)).collect();
                let base_name = file.rsplit('/').next().unwrap_or(file).to_owned();
                content.insert(base_name.clone(), read(self.base, &self.module_path(file))?);
                list.modules.insert(
                    module_name(file),
                    Module {
                        file: base_name,
                        needed,
                    },
                );
            }
        }
        content.insert(LIST_FILE.to_owned(), list.to_string().into_bytes());
        archive(init, &content).map_err(KernelError::Initrd)
    }

    /// The devices that the drivers are for.
    fn aliases(&self, drivers: &[String]) -> Result<BTreeSet<(String, String)>, KernelError> {
        let text = read_text(self.base, &self.module_path("modules.alias"))?;
        let parse = |line: &str| {
            let (pattern, module) = line.strip_prefix("alias ")?.rsplit_once(' ')?;
            let wanted = drivers.iter().any(|driver| driver == module) && !pattern.contains(' ');
            wanted.then(|| (pattern.to_owned(), module.to_owned()))
        };
        Ok(text.lines().filter_map(parse).collect())
    }

    fn module_path(&self, file: &str) -> String {
        format!("usr/lib/modules/{}/{file}", self.release)
    }
}

/// A line of modules.dep: what a file needs, the first last.
fn parse_dep(line: &str) -> Option<(String, Vec<String>)> {
    let (file, needed) = line.split_once(':')?;
    let needed = needed
        .split_ascii_whitespace()
        .rev()
        .map(str::to_owned)
        .collect();
    Some((file.to_owned(), needed))
}

/// The name that the kernel gives the module in a file.
fn module_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name).replace('-', "_")
}

fn read(base: &Tree, path: &str) -> Result<Vec<u8>, KernelError> {
    base.read(path).map_err(|source| KernelError::Read {
        path: path.to_owned(),
        source,
    })
}

fn read_text(base: &Tree, path: &str) -> Result<String, KernelError> {
    String::from_utf8(read(base, path)?).map_err(|e| KernelError::Read {
        path: path.to_owned(),
        source: io::Error::other(e),
    })
}

/// The console is in the archive so that the kernel gives it to `init` as standard output.
fn archive(init: &[u8], modules: &BTreeMap<String, Vec<u8>>) -> io::Result<Vec<u8>> {
    let out = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    let modules_dir = MODULES_DIR.trim_start_matches('/');
    let dir = |name: &str| newc::Builder::new(name).mode(0o040_755).nlink(2);
    let mut out = dir("dev").write(out, 0).finish()?;
    let console = newc::Builder::new("dev/console")
        .mode(0o020_600)
        .rdev_major(5)
        .rdev_minor(1);
    out = console.write(out, 0).finish()?;
    out = dir(modules_dir).write(out, 0).finish()?;
    for (name, content) in modules {
        out = file(&format!("{modules_dir}/{name}"), 0o100_644, content, out)?;
    }
    out = file("init", 0o100_755, init, out)?;
    newc::trailer(out)?.finish()
}

fn file<W: io::Write>(name: &str, mode: u32, content: &[u8], out: W) -> io::Result<W> {
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    let mut writer = newc::Builder::new(name).mode(mode).write(out, length);
    writer.write_all(content)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    const MODULES: &str = "usr/lib/modules/6.12";

    fn base() -> Tree {
        let mut tree = Tree::default();
        let mut put = |path: &str, text: &str| {
            tree.insert(path, Node::file(Content::Bytes(text.into()), 0o644));
        };
        put("boot/vmlinuz-6.12", "kernel");
        put(
            &format!("{MODULES}/modules.dep"),
            "kernel/ahci.ko.xz: kernel/libahci.ko.xz kernel/scsi-mod.ko.xz\n\
             kernel/libahci.ko.xz: kernel/scsi-mod.ko.xz\nkernel/scsi-mod.ko.xz:\nkernel/other.ko:\n",
        );
        put(
            &format!("{MODULES}/modules.alias"),
            "# Aliases\nalias pci:v1d* ahci\nalias pci:v2d* other\nalias a b ahci\n",
        );
        for file in ["ahci.ko.xz", "libahci.ko.xz", "scsi-mod.ko.xz", "other.ko"] {
            put(&format!("{MODULES}/kernel/{file}"), file);
        }
        tree
    }

    #[test]
    fn an_initrd_has_its_modules_what_they_need_and_their_devices() {
        let base = base();
        let kernel = Kernel::find(&base).unwrap();
        let recipe = InitrdSection {
            always: vec![],
            drivers: vec!["ahci".to_owned()],
        };
        let initrd = kernel.initrd(&recipe, b"program").unwrap();
        assert_eq!(initrd, kernel.initrd(&recipe, b"program").unwrap());
        let mut archive = Vec::new();
        zstd::Decoder::new(&*initrd)
            .unwrap()
            .read_to_end(&mut archive)
            .unwrap();
        let (mut rest, mut names, mut list) = (&*archive, Vec::new(), String::new());
        loop {
            let mut reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            names.push(reader.entry().name().to_owned());
            let mut content = String::new();
            reader.read_to_string(&mut content).unwrap();
            if names.last().is_some_and(|name| name == "modules/list") {
                list = content;
            }
            rest = reader.finish().unwrap();
        }
        assert_eq!(
            names,
            [
                "dev",
                "dev/console",
                "modules",
                "modules/ahci.ko.xz",
                "modules/libahci.ko.xz",
                "modules/list",
                "modules/scsi-mod.ko.xz",
                "init"
            ]
        );
        let list: ModuleList = list.parse().unwrap();
        assert_eq!(list.modules["ahci"].needed, ["scsi_mod", "libahci"]);
        assert_eq!(list.modules["scsi_mod"].file, "scsi-mod.ko.xz");
        let aliases: Vec<_> = list.aliases.into_iter().collect();
        assert_eq!(aliases, [("pci:v1d*".to_owned(), "ahci".to_owned())]);
    }

    #[test]
    fn modules_of_the_image_bring_what_they_need() {
        let base = base();
        let kernel = Kernel::find(&base).unwrap();
        let section = KernelSection {
            args: vec![],
            modules: vec!["kernel/ah*".to_owned()],
        };
        let mut image = Tree::default();
        kernel.copy_modules(&section, &mut image).unwrap();
        let files: Vec<&str> = image.files().map(|(path, _)| path).collect();
        let expected = ["ahci.ko.xz", "libahci.ko.xz", "scsi-mod.ko.xz"];
        assert_eq!(
            files,
            expected.map(|file| format!("{MODULES}/kernel/{file}"))
        );
    }

    #[test]
    fn a_driver_that_the_kernel_lacks_is_named() {
        let base = base();
        let recipe = InitrdSection {
            always: vec!["erofs".to_owned()],
            drivers: vec![],
        };
        let error = Kernel::find(&base)
            .unwrap()
            .initrd(&recipe, b"")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot put the module erofs into the initrd: the kernel's package does not have it"
        );
    }
}
