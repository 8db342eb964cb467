//! A real OCI registry on the host's loopback interface: Debian's `docker-registry`.

use crate::free_port::free_port;
use crate::wait::{TimedOut, wait_for};
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long the registry may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A registry cannot be run or filled.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No port.
    #[error("cannot find a free port")]
    Port(#[source] io::Error),
    /// Its folder cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program is missing.
    #[error("cannot run {program}: install the Debian package of that name")]
    Program {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It does not listen in time.
    #[error("{timed_out}; it says:\n{log}")]
    NotReady {
        /// What was waited for.
        timed_out: TimedOut,
        /// Its log.
        log: String,
    },
    /// skopeo failed.
    #[error("cannot copy {from} to {to}: {said}")]
    Copy {
        /// From where.
        from: String,
        /// To where.
        to: String,
        /// What skopeo said.
        said: String,
    },
}

/// A registry that runs until this value goes, or the thread that made it.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    process: Child,
}

impl Registry {
    /// Starts an empty registry that keeps what it gets in `dir`.
    ///
    /// # Errors
    /// docker-registry or setpriv is not installed, or does not come up.
    pub fn start(dir: &Path) -> Result<Self, RegistryError> {
        let address = free_port().map_err(RegistryError::Port)?;
        let log = dir.join("registry.log");
        let written = |path: &Path| {
            let path = path.to_owned();
            move |source| RegistryError::Write { path, source }
        };
        fs::create_dir_all(dir).map_err(written(dir))?;
        let config = dir.join("registry.yml");
        let storage = dir.join("storage");
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem:\n    rootdirectory: {}\n  \
             delete: {{enabled: true}}\nhttp:\n  addr: {address}\n",
            storage.display()
        );
        fs::write(&config, text).map_err(written(&config))?;
        let out = File::create(&log).map_err(written(&log))?;
        let err = out.try_clone().map_err(written(&log))?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|source| RegistryError::Program {
                program: "docker-registry",
                source,
            })?;
        let registry = Self { address, process };
        wait_for("the registry", START_DEADLINE, || {
            TcpStream::connect(address)
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .map_err(|timed_out| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            RegistryError::NotReady { timed_out, log }
        })?;
        Ok(registry)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How a machine calls it: the host is 10.0.2.2 to both kinds of machine.
    pub fn name_for_machines(&self) -> String {
        format!("{}:{}", crate::Lan::gateway(), self.address.port())
    }

    /// Copies the image `tag` of a layout into the registry, as `repository:tag`, by skopeo. Every
    /// digest stays what it is in the layout.
    ///
    /// # Errors
    /// skopeo is not installed, or fails.
    pub fn push(&self, layout: &Path, tag: &str, repository: &str) -> Result<(), RegistryError> {
        self.push_as(layout, tag, repository, tag)
    }

    /// As [`Self::push`], as `repository:new_tag`.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn push_as(
        &self,
        layout: &Path,
        tag: &str,
        repository: &str,
        new_tag: &str,
    ) -> Result<(), RegistryError> {
        let from = format!("oci:{}:{tag}", layout.display());
        let to = format!("docker://{}/{repository}:{new_tag}", self.address);
        let output = Command::new("skopeo")
            .args([
                "--insecure-policy",
                "copy",
                "--quiet",
                "--preserve-digests",
                "--dest-tls-verify=false",
                &from,
                &to,
            ])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| RegistryError::Program {
                program: "skopeo",
                source,
            })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(RegistryError::Copy { from, to, said })
    }

    /// Kills it, as a registry that dies half way.
    pub fn kill(&mut self) {
        if let Err(error) = self
            .process
            .kill()
            .and_then(|()| self.process.wait().map(drop))
        {
            log::warn!("ignoring: cannot stop the registry: {error}");
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}
