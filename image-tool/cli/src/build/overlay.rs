//! The recipe's own files: a directory that is laid over the packages' files.

use super::tree::{Content, Kind, Node, Tree};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Deepest directory that is read.
const DEPTH_LIMIT: usize = 32;

/// An overlay that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path} of the overlay")]
pub(crate) struct OverlayError {
    path: PathBuf,
    source: io::Error,
}

/// Lays the files in `dir` over the image. All are root's; a file is executable if it is so here,
/// which is what git keeps of its mode.
pub(crate) fn lay_over(dir: &Path, image: &mut Tree) -> Result<(), OverlayError> {
    lay_level(dir, "", image, 0)
}

fn lay_level(dir: &Path, prefix: &str, image: &mut Tree, depth: usize) -> Result<(), OverlayError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| OverlayError { path, source }
    };
    if depth > DEPTH_LIMIT {
        return Err(failed(dir)(io::Error::other("too many directories deep")));
    }
    for entry in fs::read_dir(dir).map_err(failed(dir))? {
        let entry = entry.map_err(failed(dir))?;
        let source = entry.path();
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_name| failed(&source)(io::Error::other("its name is not UTF-8")))?;
        let path = format!("{prefix}{name}");
        let metadata = entry.metadata().map_err(failed(&source))?;
        if metadata.is_dir() {
            image.insert(&path, Node::dir(0o755));
            lay_level(&source, &format!("{path}/"), image, depth + 1)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&source).map_err(failed(&source))?;
            let target = target.to_string_lossy().into_owned();
            image.insert(
                &path,
                Node {
                    kind: Kind::Link { target },
                    ..Node::link("")
                },
            );
        } else {
            let executable = metadata.permissions().mode() & 0o111 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            image.insert(&path, Node::file(Content::File(source), mode));
        }
    }
    Ok(())
}
