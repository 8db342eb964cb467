//! Keys for the HTTPS API of a machine, so that `orlop` on the host can talk to it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The port that the API of a machine listens on, inside.
pub const API_PORT: u16 = 6443;
/// The name in the client's certificate.
const CLIENT: &str = "player";
/// How the agent's certificate is named on the console.
const FINGERPRINT: &str = "sha256:";
/// Hex digits of a fingerprint.
const FINGERPRINT_DIGITS: usize = 64;

/// Keys cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ApiAccessError {
    /// There is no `orlop` command.
    #[error("cannot run {program}: build it with `cargo build -p orlop`")]
    Program {
        /// What was run.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `orlop pki` failed.
    #[error("cannot make keys: {0}")]
    Pki(String),
    /// A file of the keys cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A folder with a CA, and a key and certificate of a client that may do everything.
#[derive(Clone, Debug)]
pub struct ApiAccess {
    dir: PathBuf,
}

impl ApiAccess {
    /// The keys in `dir`, whether made yet or not.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Makes the keys with the `orlop` command at `orlop`.
    ///
    /// # Errors
    /// `orlop` is missing, or refuses; it never writes over keys that are there.
    pub fn make(orlop: &Path, dir: &Path) -> Result<Self, ApiAccessError> {
        run(orlop, &["pki".into(), "init".into(), dir.into()])?;
        let client = [
            "pki".into(),
            "client".into(),
            dir.into(),
            "--name".into(),
            CLIENT.into(),
        ];
        run(
            orlop,
            &[&client[..], &["--role".into(), "admin".into()]].concat(),
        )?;
        Ok(Self::in_dir(dir))
    }

    /// The `[api]` table of a node's TOML that lets the client in.
    ///
    /// # Errors
    /// The CA's certificate cannot be read.
    pub fn toml(&self) -> Result<String, ApiAccessError> {
        let path = self.dir.join("ca.pem");
        let pem =
            fs::read_to_string(&path).map_err(|source| ApiAccessError::Read { path, source })?;
        let pem = pem.trim();
        Ok(format!(
            "[api]\nlisten = \"0.0.0.0:{API_PORT}\"\nclients = \"\"\"\n{pem}\n\"\"\"\n"
        ))
    }

    /// The variables that make `orlop` talk to the node behind `port` of the host's loopback
    /// interface. The node is known by the fingerprint that it has printed on its `console`.
    pub fn environment(&self, port: u16, console: &str) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![
            ("ORLOP_HOST", format!("127.0.0.1:{port}").into()),
            ("ORLOP_CERT", self.dir.join(format!("{CLIENT}.pem")).into()),
            ("ORLOP_KEY", self.dir.join(format!("{CLIENT}.key")).into()),
        ];
        if let Some(fingerprint) = fingerprint(console) {
            variables.push(("ORLOP_FINGERPRINT", fingerprint.into()));
        }
        variables
    }
}

/// The newest fingerprint on a console: the first one in a line that speaks of a fingerprint.
pub fn fingerprint(console: &str) -> Option<&str> {
    let in_line = |line: &'_ str| -> Option<std::ops::Range<usize>> {
        let word = line.find("fingerprint")?;
        let start = word + line[word..].find(FINGERPRINT)?;
        let end = start + FINGERPRINT.len() + FINGERPRINT_DIGITS;
        let digits = line.get(start + FINGERPRINT.len()..end)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then_some(start..end)
    };
    console
        .lines()
        .rev()
        .find_map(|line| Some(&line[in_line(line)?]))
}

fn run(orlop: &Path, arguments: &[OsString]) -> Result<(), ApiAccessError> {
    let failed = |source| ApiAccessError::Program {
        program: orlop.to_owned(),
        source,
    };
    let output = Command::new(orlop)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    Err(ApiAccessError::Pki(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_fingerprint_counts_and_image_digests_do_not() {
        let (old, new, image) = ("a".repeat(64), "b".repeat(64), "c".repeat(64));
        let console = format!(
            "API fingerprint sha256:{old}\nAPI fingerprint sha256:{new}\npulled os@sha256:{image}\n"
        );
        assert_eq!(fingerprint(&console), Some(&*format!("sha256:{new}")));
        assert_eq!(fingerprint("fingerprint sha256:beef\n"), None);
    }
}
