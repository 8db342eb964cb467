//! Container images with `orlop-test-app`, for tests and demonstrations.

use crate::layout::{ImageCommand, ImageFile, LayoutError, LayoutWriter};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the program is in the image.
const APP: &str = "app";

/// An image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// `ldd` does not run.
    #[error("cannot run ldd")]
    NoLdd(#[source] io::Error),
    /// The program's libraries are unknown.
    #[error("cannot find the libraries of {program}: {said}")]
    Libraries {
        /// The program.
        program: PathBuf,
        /// What ldd said.
        said: String,
    },
    /// The program or a library cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The layout cannot be written.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// A variant of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The image's tag, and what the app calls itself.
    pub version: &'a str,
    /// Whether it is never healthy.
    pub sick: bool,
}

/// Writes a layout with an image for each sample into `dir`. The image holds `app`, a build of
/// `orlop-test-app`, and the shared libraries that it needs, if any.
///
/// # Errors
/// Each variant of [`SampleError`] is a step.
pub fn write_samples(dir: &Path, app: &Path, samples: &[Sample<'_>]) -> Result<(), SampleError> {
    write_samples_with(dir, app, samples, &[])
}

/// As [`write_samples`], with further files in each image.
///
/// # Errors
/// As [`write_samples`].
pub fn write_samples_with(
    dir: &Path,
    app: &Path,
    samples: &[Sample<'_>],
    more: &[ImageFile],
) -> Result<(), SampleError> {
    let mut files = vec![read(app, APP)?];
    files.extend_from_slice(more);
    for library in libraries(app)? {
        let inside = library.to_string_lossy().trim_start_matches('/').to_owned();
        files.push(read(&library, &inside)?);
    }
    let mut layout = LayoutWriter::create(dir)?;
    for sample in samples {
        let mut env = vec![format!("APP_VERSION={}", sample.version)];
        if sample.sick {
            env.push("APP_SICK=true".to_owned());
        }
        let command = ImageCommand {
            entrypoint: vec![format!("/{APP}")],
            env,
        };
        layout.add(sample.version, &files, &command)?;
    }
    Ok(())
}

fn read(from: &Path, path: &str) -> Result<ImageFile, SampleError> {
    let content = fs::read(from).map_err(|source| SampleError::Read {
        path: from.to_owned(),
        source,
    })?;
    Ok(ImageFile {
        path: path.to_owned(),
        mode: 0o755,
        content,
    })
}

/// Absolute paths of the loader and the shared libraries of a program; none for a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, SampleError> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .map_err(SampleError::NoLdd)?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if !output.status.success() && !err.contains("not a dynamic executable") {
        let said = err.trim().to_owned();
        return Err(SampleError::Libraries {
            program: program.to_owned(),
            said,
        });
    }
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`
    let path_of = |line: &str| {
        let word = line.split_whitespace().find(|word| word.starts_with('/'))?;
        Some(PathBuf::from(word))
    };
    Ok(out.lines().filter_map(path_of).collect())
}
