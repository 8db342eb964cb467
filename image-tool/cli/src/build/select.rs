//! Choosing the files of the base that go into the image.

use super::libraries::{self, LibraryError};
use super::recipe::{FilesSection, Patterns, RecipeError};
use super::tree::{Kind, Tree};

/// Where shared libraries are, which are kept for the programs that link to them.
const LIBRARY_DIR: &str = "usr/lib/x86_64-linux-gnu";

/// A selection that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectError {
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error("cannot keep what is not in the packages: no file matches {patterns}")]
    Idle { patterns: String },
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// Copies the chosen files from `base` to `image`, with the libraries that they and what is in the
/// image already link to.
pub(crate) fn select(
    base: &Tree,
    files: &FilesSection,
    image: &mut Tree,
) -> Result<(), SelectError> {
    let (keep, drop) = (Patterns::new(&files.keep)?, Patterns::new(&files.drop)?);
    let paths: Vec<&str> = base.iter().map(|(path, _)| path).collect();
    let idle = keep.idle(&paths);
    if !idle.is_empty() {
        return Err(SelectError::Idle {
            patterns: idle.join(", "),
        });
    }
    for (path, node) in base.iter() {
        // Directories come with what is in them.
        let is_dir = matches!(node.kind, Kind::Dir);
        if !is_dir && keep.matches(path) && !drop.matches(path) {
            copy(base, path, image);
        }
    }
    for path in libraries::needed(base, image, LIBRARY_DIR)? {
        copy(base, &path, image);
    }
    Ok(())
}

/// Copies an entry with the directories above it, which keep their modes.
pub(crate) fn copy(base: &Tree, path: &str, image: &mut Tree) {
    let ends = path
        .match_indices('/')
        .map(|(at, _)| at)
        .chain([path.len()]);
    for part in ends.map(|end| &path[..end]) {
        if image.get(part).is_none()
            && let Some(node) = base.get(part)
        {
            image.insert(part, node.clone());
        }
    }
}
