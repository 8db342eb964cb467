//! What can go wrong with containers: which container, in which step, why.

use super::cdi::CdiError;
use orlop_api::{Fault, FaultKind};
use orlop_config::Name;
use std::error::Error;
use std::fmt;
use std::net::AddrParseError;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// A step of bringing containers to what is desired, or of looking at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Find out what runs.
    Observe,
    /// Stop the unit.
    Stop,
    /// Start the unit.
    Start,
    /// Bring up the instance that is to take the place of the one that serves.
    Succeed,
    /// Make systemd read the unit files again.
    Reload,
    /// Give addresses.
    Lease,
    /// Mount the root file system.
    MountRoot,
    /// Unmount the root file system.
    UnmountRoot,
    /// Write the OCI bundle.
    WriteBundle,
    /// Write the unit.
    WriteUnit,
    /// Make the network namespace and connect it.
    Connect,
    /// Disconnect and remove the network namespace.
    Disconnect,
    /// Remove what is left on disk.
    Remove,
    /// Read the log.
    ReadLog,
    /// Send it a signal.
    Signal,
    /// Run a command in it.
    Exec,
    /// Join its terminal or its input.
    Attach,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Succeed => "bring up the next instance of",
            Self::Reload => "load the units of",
            Self::Lease => "give an address to",
            Self::MountRoot => "mount the root of",
            Self::UnmountRoot => "unmount the root of",
            Self::WriteBundle => "write the bundle of",
            Self::WriteUnit => "write the unit of",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Remove => "remove",
            Self::ReadLog => "read the log of",
            Self::Signal => "send a signal to",
            Self::Exec => "run a command in",
            Self::Attach => "attach to",
        })
    }
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// For one container; the others went on.
    #[error("cannot {step} container {container}")]
    Container {
        /// Which.
        container: Name,
        /// In which step.
        step: Step,
        /// Why.
        source: StepError,
    },
    /// For all of them.
    #[error("cannot {step} the containers")]
    All {
        /// In which step.
        step: Step,
        /// Why.
        source: StepError,
    },
    /// No such container is desired or known.
    #[error("cannot find container {container}")]
    Unknown {
        /// The name that was asked for.
        container: String,
        /// The one that was most likely meant.
        nearest: Option<Name>,
    },
    /// It is in the config, and not enabled.
    #[error("container {container} is not enabled")]
    Disabled {
        /// Which.
        container: Name,
    },
    /// It cannot be done to the container as it stands.
    #[error("cannot {verb} container {container}: {why}")]
    NotNow {
        /// What was asked for.
        verb: &'static str,
        /// Which.
        container: Name,
        /// Why not.
        why: String,
    },
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// An instance that is to take another's place is not well. Why.
    #[error("{0}")]
    Unwell(String),
    /// A system call on a file or directory.
    #[error("cannot {verb} {}", path.display())]
    File {
        /// `read`, `write`, `create`, …
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The OS image has no such time zone.
    #[error("cannot read the time zone {zone} of the OS image")]
    TimeZone {
        /// Its name.
        zone: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it must.
    #[error("cannot understand {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file is of a newer format than this agent knows.
    #[error("cannot read {} of format {found}: this agent knows format {known}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// A volume with a `size` would not be held to it.
    #[error("cannot limit volume {volume}: {why}")]
    Unlimited {
        /// Which.
        volume: Name,
        /// The file system's words.
        why: String,
    },
    /// The store would not mount the image.
    #[error("cannot mount image {root}")]
    Mount {
        /// The image's root digest.
        root: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another program could not be started.
    #[error("cannot run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another program failed.
    #[error("{} ended with {status}: {said}", program.display())]
    Ended {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it said.
        said: String,
    },
    /// A program that the image must bring is not there.
    #[error("{name} is in none of {places}")]
    NoProgram {
        /// Its name.
        name: &'static str,
        /// Where it was looked for.
        places: String,
    },
    /// Rules or names of the networks could not be made, for anybody.
    #[error("cannot make rules and names of the networks: {0}")]
    Unsettled(String),
    /// The kernel did not say whether rules have changed.
    #[error("cannot ask the kernel for its rules")]
    Rules {
        /// Why.
        source: std::io::Error,
    },
    /// A program said more than it may.
    #[error("{} said more than {limit} bytes", program.display())]
    TooLong {
        /// The program.
        program: PathBuf,
        /// How much it may say.
        limit: u64,
    },
    /// Something took too long.
    #[error("{what} took longer than {} s", limit.as_secs())]
    Timeout {
        /// What.
        what: String,
        /// How long it may take.
        limit: Duration,
    },
    /// systemd could not be asked.
    #[error("cannot call systemd's {method}")]
    Bus {
        /// The method.
        method: &'static str,
        /// Why.
        source: Box<zbus::Error>,
    },
    /// systemd did not carry out a job.
    #[error("systemd's job for {unit} ended as {result:?}")]
    Job {
        /// The unit.
        unit: String,
        /// `failed`, `timeout`, `dependency`, `canceled`, …
        result: String,
    },
    /// The image's or config's user is not in the image.
    #[error("the image has no {kind} {name:?} in {file}")]
    NoUser {
        /// `user` or `group`.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        file: &'static str,
    },
    /// A secret cannot be had.
    #[error("cannot read secret {secret} from {}", path.display())]
    NoSecret {
        /// Its name.
        secret: Name,
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A secret that the config names is not declared.
    #[error("there is no secret {0}")]
    UnknownSecret(Name),
    /// A device of the host cannot be had.
    #[error("cannot find device {}", path.display())]
    NoDevice {
        /// Its path on the host.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A device cannot be had by its vendor's name.
    #[error(transparent)]
    Cdi(Box<CdiError>),
    /// `spec_patch` leaves no spec.
    #[error("cannot use the spec as `spec_patch` leaves it")]
    Patch(#[source] serde_json::Error),
    /// Neither the image nor the config says what to run.
    #[error("neither the image nor `command` says what to run")]
    NoCommand,
    /// A part of the OCI runtime spec was refused.
    #[error("cannot write the OCI runtime spec")]
    Spec(#[source] Box<oci_spec::OciSpecError>),
    /// A network that the config names is not declared.
    #[error("there is no network {0}")]
    NoNetwork(Name),
    /// All addresses of a network are taken.
    #[error("network {net} ({subnet}) has no free address")]
    NoAddress {
        /// The network.
        net: Name,
        /// Its addresses.
        subnet: String,
    },
    /// All ranges of ids are taken.
    #[error("no ids of the host are left for a user namespace")]
    NoIds,
    /// The kernel makes no user namespace.
    #[error("cannot make a user namespace")]
    UserNamespace(#[source] std::io::Error),
    /// The ranges of ids cannot be read.
    #[error("{0}")]
    Unnumbered(String),
    /// An id is beyond those of a container.
    #[error("the id {0} is beyond those of a container's user namespace, 0 to 65535")]
    BeyondIds(u32),
    /// An address is none.
    #[error("cannot read {text:?} as an address")]
    Address {
        /// What was read.
        text: String,
        /// Why.
        source: AddrParseError,
    },
    /// A task of the agent itself ended early.
    #[error("a worker thread ended early")]
    Worker(#[source] tokio::task::JoinError),
}

impl From<CdiError> for StepError {
    /// In a box: it tells far more than the others.
    fn from(error: CdiError) -> Self {
        Self::Cdi(Box::new(error))
    }
}

impl StepError {
    /// For `map_err`: a system call on `path` failed.
    pub(super) fn file(verb: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { verb, path, source }
    }

    pub(super) fn kind(&self) -> FaultKind {
        match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                FaultKind::Transient
            }
            Self::Timeout { .. } | Self::Bus { .. } | Self::Job { .. } => FaultKind::Transient,
            Self::NoUser { .. }
            | Self::NoCommand
            | Self::NoNetwork(_)
            | Self::NoSecret { .. }
            | Self::UnknownSecret(_)
            | Self::NoDevice { .. }
            | Self::Cdi(_)
            | Self::Patch(_)
            | Self::BeyondIds(_)
            | Self::NoAddress { .. } => FaultKind::Config,
            _ => FaultKind::Internal,
        }
    }

    fn hint(&self, container: Option<&Name>) -> Option<String> {
        let name = container.map_or("NAME", Name::as_str);
        match self {
            Self::Job { .. } => Some(format!("`orlop container logs {name}` shows what it said")),
            Self::NoUser { .. } => {
                Some("use a user of the image, or a number, in the image's USER".to_owned())
            }
            Self::NoSecret { secret, path, .. } => Some(format!(
                "put the secret into {}, or change [secret.{secret}]",
                path.display()
            )),
            Self::NoDevice { .. } => {
                Some(format!("plug it in, or remove it from [container.{name}]"))
            }
            Self::Cdi(_) => Some(format!(
                "have its vendor's tool write a spec, or remove it from [container.{name}]"
            )),
            Self::NoCommand => Some(format!("set `command` in [container.{name}]")),
            Self::NoAddress { net, .. } => Some(format!(
                "take a larger `subnet` in [net.{net}], or remove containers"
            )),
            Self::BeyondIds(_) => Some(format!(
                "take a smaller one, or set `userns = \"host\"` in [container.{name}]"
            )),
            Self::NoProgram { .. } => Some("the OS image must bring it: see os.toml".to_owned()),
            _ => None,
        }
    }
}

impl RuntimeError {
    /// For `map_err`: `step` failed for `container`.
    pub(super) fn of(container: &Name, step: Step) -> impl FnOnce(StepError) -> Self {
        let container = container.clone();
        move |source| Self::Container {
            container,
            step,
            source,
        }
    }

    /// For `map_err`: `step` failed for all containers.
    pub(super) fn all(step: Step) -> impl FnOnce(StepError) -> Self {
        move |source| Self::All { step, source }
    }

    /// The whole chain of causes in one line, `cannot start container web: cannot run …: …`.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl From<&RuntimeError> for Fault {
    fn from(error: &RuntimeError) -> Self {
        let (kind, hint) = match error {
            RuntimeError::Container {
                container, source, ..
            } => (source.kind(), source.hint(Some(container))),
            RuntimeError::All { source, .. } => (source.kind(), source.hint(None)),
            RuntimeError::Unknown { nearest, .. } => (
                FaultKind::NotFound,
                Some(match nearest {
                    Some(name) => format!("did you mean {name}?"),
                    None => "`orlop container ls` lists them".to_owned(),
                }),
            ),
            RuntimeError::Disabled { container } => (
                FaultKind::Refused,
                Some(format!(
                    "apply a config without `enabled = false` in [container.{container}]"
                )),
            ),
            RuntimeError::NotNow { container, .. } => (
                FaultKind::Refused,
                Some(format!(
                    "`orlop container inspect {container}` shows how it stands"
                )),
            ),
        };
        let fault = Self::new(kind, error.chain());
        match hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}

impl From<RuntimeError> for Fault {
    fn from(error: RuntimeError) -> Self {
        Self::from(&error)
    }
}
