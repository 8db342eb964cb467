//! Writing what the TOML decides into `/etc`, and finding the TOML early in the boot.

mod early;

pub use early::{early, operator_toml};

use crate::chain::chain;
use crate::paths::Paths;
use orlop_config::{Body, NodeConfig, NodeFacts, OWN_FILES, RenderedFile};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// Ends the name of a file of `/etc` that is not complete.
const TEMP_SUFFIX: &str = ".orlop-tmp";

/// `/etc` could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file or link.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The machine's id.
    #[error("cannot read the machine id {}", .path.display())]
    MachineId {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What the node knows of itself.
///
/// # Errors
/// [`RenderError::MachineId`].
pub fn facts(paths: &Paths) -> Result<NodeFacts, RenderError> {
    let path = paths.machine_id();
    let text =
        fs::read_to_string(&path).map_err(|source| RenderError::MachineId { path, source })?;
    Ok(NodeFacts {
        machine_id: text.trim().to_owned(),
    })
}

/// Writes every file that `config` decides, removes those of another config, and tells which are other
/// than before. `/etc` is a tmpfs that each boot fills anew, so nothing is synced; each file appears
/// whole.
///
/// # Errors
/// [`RenderError`], with the first file that could not be written or removed.
pub fn into_etc(paths: &Paths, config: &NodeConfig) -> Result<Vec<String>, RenderError> {
    let facts = facts(paths)?;
    let files = orlop_config::render(config, &facts);
    let mut changed = remove_others(paths, &files)?;
    for file in files {
        let path = paths.place(&file.path);
        let wrote = put(&path, &file).map_err(|source| RenderError::Write { path, source })?;
        if wrote {
            changed.push(file.path);
        }
    }
    Ok(changed)
}

/// Gives the kernel the host name of `config`: PID 1 has read `/etc/hostname` before it was
/// rendered. Does nothing for a node that is not this machine, or where the name is right.
pub fn take_host_name(paths: &Paths, config: &NodeConfig) {
    if !paths.are_the_machines() {
        return;
    }
    let facts = match facts(paths) {
        Ok(facts) => facts,
        Err(error) => return log::warn!("{}", chain(&error)),
    };
    let name = orlop_config::host_name(config, &facts);
    if nix::unistd::gethostname().is_ok_and(|found| found.as_os_str() == name.as_str()) {
        return;
    }
    if let Err(error) = nix::unistd::sethostname(&name) {
        log::warn!("ignoring until the next boot that the host name cannot be set: {error}");
    }
}

/// Removes our files that are not among `files`, and names them.
fn remove_others(paths: &Paths, files: &[RenderedFile]) -> Result<Vec<String>, RenderError> {
    let mut removed = Vec::new();
    for (dir, prefix) in OWN_FILES {
        let place = paths.place(dir);
        let fail = |path: &Path, source| RenderError::Write {
            path: path.to_owned(),
            source,
        };
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(fail(&place, source)),
        };
        for entry in entries {
            let entry = entry.map_err(|source| fail(&place, source))?;
            let name = entry.file_name();
            let path = format!("{dir}{}", name.to_string_lossy());
            let ours = name.to_string_lossy().starts_with(prefix);
            if ours && files.iter().all(|file| file.path != path) {
                fs::remove_file(entry.path()).map_err(|source| fail(&entry.path(), source))?;
                removed.push(path);
            }
        }
    }
    Ok(removed)
}

/// Puts one file or link in place; false where it was there already.
fn put(path: &Path, file: &RenderedFile) -> io::Result<bool> {
    if is_there(path, &file.body) {
        return Ok(false);
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut temp = path.as_os_str().to_owned();
    temp.push(TEMP_SUFFIX);
    let temp = PathBuf::from(temp);
    match fs::remove_file(&temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match &file.body {
        Body::File { mode, content } => {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(*mode);
            options.open(&temp)?.write_all(content.as_bytes())?;
        }
        Body::Symlink { target } => symlink(target, &temp)?,
    }
    fs::rename(&temp, path)?;
    Ok(true)
}

fn is_there(path: &Path, body: &Body) -> bool {
    match body {
        Body::File { content, .. } => {
            fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file())
                && fs::read(path).is_ok_and(|found| found == content.as_bytes())
        }
        Body::Symlink { target } => {
            fs::read_link(path).is_ok_and(|found| found == Path::new(target))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        fs::create_dir_all(paths.state()).unwrap();
        fs::write(paths.machine_id(), "0123456789abcdef0123456789abcdef\n").unwrap();
        (dir, paths)
    }

    #[test]
    fn only_what_differs_is_written_and_named() {
        let (_dir, paths) = node();
        let first = crate::config::parse("schema = 1\nhost = { name = \"a\" }").unwrap();
        let second = crate::config::parse("schema = 1\nhost = { name = \"b\" }").unwrap();
        assert!(
            into_etc(&paths, &first)
                .unwrap()
                .contains(&"/etc/hostname".to_owned())
        );
        assert_eq!(into_etc(&paths, &first).unwrap(), Vec::<String>::new());
        assert_eq!(
            into_etc(&paths, &second).unwrap(),
            ["/etc/hostname", "/etc/hosts"]
        );
        assert_eq!(
            fs::read_to_string(paths.etc().join("hostname")).unwrap(),
            "b\n"
        );
    }

    #[test]
    fn an_interface_that_is_taken_out_leaves_no_file() {
        let (_dir, paths) = node();
        let parse = |toml: &str| crate::config::parse(&format!("schema = 1\n{toml}")).unwrap();
        into_etc(&paths, &parse("network.interface.eth1.dhcp = true")).unwrap();
        let file = "/etc/systemd/network/40-orlop-eth1.network";
        assert!(paths.place(file).exists());
        assert_eq!(into_etc(&paths, &parse("")).unwrap(), [file]);
        assert!(!paths.place(file).exists());
    }

    #[test]
    fn a_link_of_the_image_is_replaced_by_the_rendered_file_and_not_written_through() {
        let (_dir, paths) = node();
        let target = paths.etc().join("target");
        fs::create_dir_all(paths.etc()).unwrap();
        fs::write(&target, "untouched").unwrap();
        symlink(&target, paths.etc().join("hostname")).unwrap();
        into_etc(&paths, &NodeConfig::default()).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
        assert_eq!(
            fs::read_to_string(paths.etc().join("hostname")).unwrap(),
            "orlop-01234567\n"
        );
    }
}
