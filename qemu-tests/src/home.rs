//! The machines that people play with: a folder each, found by name.

use crate::control::MachineStatus;
use crate::lan::{Lan, LanError};
use crate::machine::Machine;
use crate::spec::{LanPort, MachineKind, MachineSpec, SPEC_FILE};
use crate::supervisor::{SupervisorError, read_spec};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where machines are, unless the command line says another place.
pub const DEFAULT_HOME: &str = "build/machines";

/// A machine of a folder cannot be found or added.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The folder cannot be made or read.
    #[error("cannot use the folder {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such machine.
    #[error("cannot find machine {name} in {home}: `orlop-machine list` shows what is there")]
    Unknown {
        /// The name.
        name: String,
        /// Where it was looked for.
        home: PathBuf,
    },
    /// The machine's spec cannot be read.
    #[error(transparent)]
    Spec(#[from] SupervisorError),
    /// There is such a machine, and it runs.
    #[error("cannot start machine {0}: it runs already; `orlop-machine stop {0}` stops it")]
    Runs(String),
    /// No network.
    #[error(transparent)]
    Lan(#[from] LanError),
}

/// A machine of a folder.
#[derive(Debug)]
pub struct Resident {
    /// What it is.
    pub spec: MachineSpec,
    /// How it stands; none where its supervisor does not run.
    pub status: Option<MachineStatus>,
}

/// A folder of machines.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
    program: PathBuf,
}

impl Home {
    /// The folder `path`, which is made where there is none; `program` is the `orlop-machine`
    /// binary.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(path: &Path, program: &Path) -> Result<Self, HomeError> {
        let failed = |source| HomeError::Folder {
            path: path.to_owned(),
            source,
        };
        fs::create_dir_all(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        Ok(Self {
            path,
            program: program.to_owned(),
        })
    }

    /// Where the machine `name` is, or would be. Absolute.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The machine `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, name: &str) -> Result<(Resident, Machine), HomeError> {
        let dir = self.dir(name);
        if !dir.join(SPEC_FILE).exists() {
            let (name, home) = (name.to_owned(), self.path.clone());
            return Err(HomeError::Unknown { name, home });
        }
        let spec = read_spec(&dir.join(SPEC_FILE))?;
        let machine = Machine::attach(&self.program, name, &dir);
        // Nobody answers: it does not run.
        let status = machine.status().ok();
        Ok((Resident { spec, status }, machine))
    }

    /// All machines, by name.
    ///
    /// # Errors
    /// The folder, or a machine in it, cannot be read.
    pub fn list(&self) -> Result<Vec<Resident>, HomeError> {
        let failed = |source| HomeError::Folder {
            path: self.path.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let (true, Ok(name)) = (
                entry.path().join(SPEC_FILE).exists(),
                entry.file_name().into_string(),
            ) {
                names.push(name);
            }
        }
        names.sort();
        names.iter().map(|name| Ok(self.find(name)?.0)).collect()
    }

    /// An empty folder for a new machine. What an earlier one of that name left is removed.
    ///
    /// # Errors
    /// A machine of that name runs, or the folder cannot be made.
    pub fn make_room(&self, name: &str) -> Result<PathBuf, HomeError> {
        let path = self.dir(name);
        if path.join(SPEC_FILE).exists() && self.find(name)?.0.status.is_some() {
            return Err(HomeError::Runs(name.to_owned()));
        }
        let failed = |source| HomeError::Folder {
            path: path.clone(),
            source,
        };
        if path.exists() {
            fs::remove_dir_all(&path).map_err(failed)?;
        }
        fs::create_dir_all(&path).map_err(failed)?;
        Ok(path)
    }

    /// A place in the network that the folder's running namespace machines share. The first of
    /// them makes it: then the [`Lan`] has to be kept until the machine has started.
    ///
    /// # Errors
    /// The network cannot be made, or is full.
    pub fn lan_port(&self) -> Result<(LanPort, Option<Lan>), HomeError> {
        let mut taken = Vec::new();
        let mut netns = None;
        for Resident { spec, status } in self.list()? {
            if let (MachineKind::Namespace(namespace), Some(status)) = (spec.kind, status)
                && let Some(port) = namespace.lan
            {
                taken.push(port.address);
                // A supervisor lives in its machine's network.
                netns = Some(PathBuf::from(format!(
                    "/proc/{}/ns/net",
                    status.supervisor.pid
                )));
            }
        }
        let Some(netns) = netns else {
            let lan = Lan::new()?;
            return Ok((lan.port()?, Some(lan)));
        };
        let address = Lan::addresses().find(|address| !taken.contains(address));
        Ok((
            LanPort {
                netns,
                address: address.ok_or(LanError::Full)?,
            },
            None,
        ))
    }
}
