//! The recipe of an OS image: `buildroot/os.toml`.

use glob::{MatchOptions, Pattern, PatternError};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// `*` does not cross a slash; hidden files are like others.
const MATCH: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// What goes into an OS image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    pub(crate) image: ImageSection,
    pub(crate) base: BaseSection,
    pub(crate) files: FilesSection,
    /// Files by path, with where they are, relative to the recipe.
    pub(crate) sources: BTreeMap<String, PathBuf>,
    /// Symbolic links by path, with their targets.
    pub(crate) links: BTreeMap<String, String>,
    /// Empty directories by path, with their octal modes.
    pub(crate) directories: BTreeMap<String, String>,
    pub(crate) kernel: KernelSection,
    pub(crate) initrd: InitrdSection,
}

/// The image as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ImageSection {
    /// `NAME` of os-release.
    pub(crate) name: String,
    /// Modification time of every file, seconds since 1970.
    pub(crate) epoch: u64,
    /// Level of the layers' compression.
    pub(crate) zstd_level: i32,
}

/// The packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BaseSection {
    /// Debian's release.
    pub(crate) suite: String,
    /// Names of packages.
    pub(crate) packages: Vec<String>,
}

/// Which files of the packages are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesSection {
    pub(crate) keep: Vec<String>,
    pub(crate) drop: Vec<String>,
}

/// The kernel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KernelSection {
    /// Words of the command line.
    pub(crate) args: Vec<String>,
    /// Patterns of module files that are kept.
    pub(crate) modules: Vec<String>,
}

/// The initrd.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InitrdSection {
    /// Modules that every machine loads.
    pub(crate) always: Vec<String>,
    /// Modules that are loaded for their device.
    pub(crate) drivers: Vec<String>,
}

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecipeError {
    #[error("cannot read the recipe {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot understand the recipe {path}")]
    Parse {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("cannot use the pattern {pattern:?}")]
    Pattern {
        pattern: String,
        source: PatternError,
    },
    #[error("cannot use {mode:?} as the mode of the directory {path}: expected octal digits")]
    Mode { path: String, mode: String },
}

impl Recipe {
    /// Reads a recipe.
    pub(crate) fn read(path: &Path) -> Result<Self, RecipeError> {
        let text = fs::read_to_string(path).map_err(|source| RecipeError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| RecipeError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// The empty directories with their modes as numbers.
    pub(crate) fn directories(&self) -> Result<Vec<(&str, u32)>, RecipeError> {
        let mode = |(path, mode): (&'_ String, &'_ String)| RecipeError::Mode {
            path: path.clone(),
            mode: mode.clone(),
        };
        self.directories
            .iter()
            .map(|entry| match u32::from_str_radix(entry.1, 8) {
                Ok(number) if number <= 0o7777 => Ok((entry.0.as_str(), number)),
                _ => Err(mode(entry)),
            })
            .collect()
    }
}

/// A list of patterns.
#[derive(Clone, Debug)]
pub(crate) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Compiles patterns.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, RecipeError> {
        let compile = |pattern: &String| {
            Pattern::new(pattern).map_err(|source| RecipeError::Pattern {
                pattern: pattern.clone(),
                source,
            })
        };
        Ok(Self(
            patterns.iter().map(compile).collect::<Result<_, _>>()?,
        ))
    }

    /// Whether one of them matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.0
            .iter()
            .any(|pattern| pattern.matches_with(path, MATCH))
    }

    /// Those that match none of `paths`: what the packages no longer have, or never had.
    pub(crate) fn idle<'a>(&'a self, paths: &[&str]) -> Vec<&'a str> {
        self.0
            .iter()
            .filter(|pattern| !paths.iter().any(|path| pattern.matches_with(path, MATCH)))
            .map(Pattern::as_str)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository_recipe() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../buildroot/os.toml")
    }

    #[test]
    fn the_recipe_of_this_repository_is_understood_and_its_sources_are_there() {
        let path = repository_recipe();
        let recipe = Recipe::read(&path).unwrap();
        Patterns::new(&recipe.files.keep).unwrap();
        Patterns::new(&recipe.files.drop).unwrap();
        Patterns::new(&recipe.kernel.modules).unwrap();
        assert!(recipe.directories().unwrap().contains(&("tmp", 0o1777)));
        for source in recipe.sources.values() {
            assert!(
                path.with_file_name(source).is_file(),
                "{}",
                source.display()
            );
        }
    }

    #[test]
    fn an_unknown_key_in_a_recipe_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(repository_recipe()).unwrap();
        let path = dir.path().join("os.toml");
        fs::write(&path, text.replace("suite = ", "sweet = ")).unwrap();
        let error = Recipe::read(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot understand the recipe {}", path.display())
        );
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.contains("unknown field `sweet`") && source.contains("line "),
            "{source}"
        );
    }

    #[test]
    fn a_star_stops_at_a_slash_and_two_do_not() {
        let patterns = |text: &str| Patterns::new(&[text.to_owned()]).unwrap();
        assert!(patterns("usr/bin/*").matches("usr/bin/nft"));
        assert!(!patterns("usr/*").matches("usr/bin/nft"));
        assert!(patterns("usr/**").matches("usr/lib/systemd/.hidden"));
        assert_eq!(
            patterns("usr/bin/gone").idle(&["usr/bin/nft"]),
            ["usr/bin/gone"]
        );
    }

    #[test]
    fn a_bad_mode_names_its_directory() {
        let mut recipe = Recipe::read(&repository_recipe()).unwrap();
        recipe
            .directories
            .insert("srv".to_owned(), "rwx".to_owned());
        assert_eq!(
            recipe.directories().unwrap_err().to_string(),
            "cannot use \"rwx\" as the mode of the directory srv: expected octal digits"
        );
    }
}
