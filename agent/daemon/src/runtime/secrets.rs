//! Reads secrets. All blocking. Nothing of a secret is ever in an error or in the log.

use super::error::StepError;
use super::places::Places;
use orlop_config::limits::MAX_SECRET_BYTES;
use orlop_config::{Name, Secret};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What the name of a secret's credential begins with.
const CREDENTIAL_PREFIX: &str = "orlop.secret.";

/// Where the secret `name` is.
fn place(places: &Places, name: &Name, secret: &Secret) -> PathBuf {
    match secret {
        Secret::Credential => places
            .credentials
            .join(format!("{CREDENTIAL_PREFIX}{name}")),
        Secret::File(path) => PathBuf::from(path),
    }
}

/// The bytes of the secret `name`.
///
/// # Errors
/// `NoSecret` where it is not there, not a regular file or too long.
pub(super) fn read(places: &Places, name: &Name, secret: &Secret) -> Result<Vec<u8>, StepError> {
    let path = place(places, name, secret);
    let fail = |source| StepError::NoSecret {
        secret: name.clone(),
        path: path.clone(),
        source,
    };
    read_file(&path).map_err(fail)
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let other = |why: &str| Err(std::io::Error::other(why.to_owned()));
    // Not blocking: what stands there may be a pipe.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return other("it is not a file");
    }
    if metadata.len() > MAX_SECRET_BYTES {
        return other("it is longer than a secret may be, 1 MiB");
    }
    let mut bytes = Vec::new();
    file.take(MAX_SECRET_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The secret `name` of this node, for the agent's own use, without the line's end that editors put behind it.
///
/// # Errors
/// `NoSecret` where it is not there, not a regular file, too long or no text.
pub fn node_secret(name: &Name, secret: &Secret) -> Result<String, StepError> {
    read_text(&Places::node(), name, secret)
}

/// The secret `name` as the value of an environment variable, without the line's end that editors
/// put behind it.
///
/// # Errors
/// As [`read`], and where it is no text.
pub(super) fn read_text(
    places: &Places,
    name: &Name,
    secret: &Secret,
) -> Result<String, StepError> {
    let bytes = read(places, name, secret)?;
    let text = String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| StepError::NoSecret {
        secret: name.clone(),
        path: place(places, name, secret),
        source: std::io::Error::other("it is not text; mount it as a file"),
    })?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[test]
    fn a_credential_and_a_file_are_read_and_one_that_is_missing_is_named_with_its_place() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        std::fs::create_dir_all(&places.credentials).unwrap();
        let credential = places.credentials.join("orlop.secret.db");
        std::fs::write(&credential, "pass word\n").unwrap();
        let db = name("db");
        assert_eq!(
            read_text(&places, &db, &Secret::Credential).unwrap(),
            "pass word"
        );
        let file = Secret::File(credential.to_str().unwrap().to_owned());
        assert_eq!(read(&places, &db, &file).unwrap(), b"pass word\n");
        let error = read(&places, &name("other"), &Secret::Credential).unwrap_err();
        assert!(error.to_string().contains("orlop.secret.other"), "{error}");
    }

    #[test]
    fn what_is_no_text_is_no_environment_and_an_error_tells_nothing_of_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("key");
        std::fs::write(&path, b"hush\0\xff").unwrap();
        let secret = Secret::File(path.to_str().unwrap().to_owned());
        let places = Places::under(root.path());
        let error = read_text(&places, &name("key"), &secret).unwrap_err();
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }

    #[test]
    fn a_pipe_does_not_hang_the_agent_and_a_large_file_does_not_fill_its_memory() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let pipe = root.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let large = root.path().join("large");
        File::create(&large)
            .unwrap()
            .set_len(MAX_SECRET_BYTES + 1)
            .unwrap();
        for path in [pipe, large] {
            let secret = Secret::File(path.to_str().unwrap().to_owned());
            assert!(read(&places, &name("x"), &secret).is_err());
        }
    }
}
