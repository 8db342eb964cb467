//! `orlop-image serve`: image layouts on the host as a registry for QEMU nodes.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The host, as a QEMU machine sees it.
const HOST: &str = "10.0.2.2";

/// Images cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ImageServerError {
    /// The program is missing.
    #[error("cannot run {program}: `make programs` builds it")]
    Program {
        /// What was run.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not say where it listens.
    #[error("cannot start orlop-image serve: expected its address, it said {said:?}")]
    NoAddress {
        /// Its first line.
        said: String,
    },
}

/// A server of image layouts, until this value goes.
#[derive(Debug)]
pub struct ImageServer {
    child: Child,
    port: u16,
}

impl ImageServer {
    /// Serves each layout directory as a repository of that name. `tools` is the folder with
    /// `orlop-image`. Returns when it listens.
    ///
    /// # Errors
    /// `orlop-image` is not there, or does not come up, such as for a layout that is missing; what it
    /// has to say goes to stderr.
    pub fn start(tools: &Path, repositories: &[(&str, &Path)]) -> Result<Self, ImageServerError> {
        let program = tools.join("orlop-image");
        let failed = |source| ImageServerError::Program {
            program: program.clone(),
            source,
        };
        let repositories = repositories.iter().map(|(name, dir)| {
            let mut word = OsString::from(format!("{name}="));
            word.push(dir);
            word
        });
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(&program)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(repositories)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        // From here on it goes with this value.
        let mut server = Self { child, port: 0 };
        let mut line = String::new();
        if let Some(out) = server.child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(failed)?;
        }
        let address = line.trim().trim_start_matches("http://");
        let Ok(address) = address.parse::<SocketAddr>() else {
            return Err(ImageServerError::NoAddress { said: line });
        };
        server.port = address.port();
        Ok(server)
    }

    /// How a node names an image of a repository.
    pub fn reference(&self, repository: &str, tag: &str) -> String {
        format!("{HOST}:{}/{repository}:{tag}", self.port)
    }

    /// The `[registry]` table that lets a node pull from here without TLS.
    pub fn toml(&self) -> String {
        format!("[registry.\"{HOST}:{}\"]\nplain_http = true\n", self.port)
    }
}

impl Drop for ImageServer {
    fn drop(&mut self) {
        // It has nothing to lose.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            log::warn!("ignoring: cannot stop orlop-image serve: {error}");
        }
    }
}
