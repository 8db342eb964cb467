//! The HTTP API of a namespace machine's agent, over its unix socket.

use crate::http::{self, Answer};
use crate::machine::{Machine, MachineError};
use hyper::Method;
use orlop_api::{Fault, Job, JobId, JobState, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// The agent's socket, in the machine.
const SOCKET: &str = "run/orlop/api.sock";

/// A call of the API failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The machine is not there.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The agent does not answer.
    #[error("cannot reach the agent at {socket}")]
    Unreachable {
        /// Its socket, as the host sees it.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The agent refuses.
    #[error("the agent says: {0}")]
    Fault(Fault),
    /// The answer is not what was expected.
    #[error("cannot understand the agent's answer {answer:?}")]
    Answer {
        /// The answer.
        answer: Answer,
        /// Why.
        source: serde_json::Error,
    },
}

/// A client of one machine's agent.
#[derive(Debug)]
pub struct ApiClient<'a> {
    machine: &'a Machine,
}

impl<'a> ApiClient<'a> {
    /// A client; the agent need not run yet.
    pub fn of(machine: &'a Machine) -> Self {
        Self { machine }
    }

    /// Waits until the agent answers; how the node stands then.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait_ready(&self, deadline: Duration) -> Result<Status, MachineError> {
        self.wait_status("an answer of the agent", deadline, |_| true)
    }

    /// Waits until the node's status is as wanted.
    ///
    /// # Errors
    /// It is not in time; the error has the status and the end of the console.
    pub fn wait_status(
        &self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status, MachineError> {
        self.machine
            .wait(what, deadline, || match self.get::<Status>("/v1/status") {
                Ok(status) if wanted(&status) => Ok(status),
                Ok(status) => Err(format!("{status:?}")),
                Err(error) => Err(crate::error_text(&error)),
            })
    }

    /// Waits until a job has ended; the job.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn wait_job(&self, id: JobId, deadline: Duration) -> Result<Job, MachineError> {
        let path = format!("/v1/jobs/{}", id.0);
        self.machine
            .wait("the job's end", deadline, || match self.get::<Job>(&path) {
                Ok(Job {
                    state: state @ JobState::Running { .. },
                    ..
                }) => Err(format!("{state:?}")),
                Ok(job) => Ok(job),
                Err(error) => Err(crate::error_text(&error)),
            })
    }

    /// Reads.
    ///
    /// # Errors
    /// The agent does not answer, or with a fault.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        parse(self.ask(Method::GET, path, "")?)
    }

    /// Asks for a change.
    ///
    /// # Errors
    /// The agent does not answer, or with a fault.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, ApiError> {
        let body = serde_json::to_string(request).map_err(|source| ApiError::Unreachable {
            socket: SOCKET.into(),
            source: source.into(),
        })?;
        parse(self.ask(Method::POST, path, &body)?)
    }

    fn ask(&self, method: Method, path: &str, body: &str) -> Result<Answer, ApiError> {
        let status = self.machine.status()?;
        let init = status
            .init
            .ok_or_else(|| MachineError::Off(self.machine.name().to_owned()))?;
        let socket = PathBuf::from(format!("/proc/{init}/root")).join(SOCKET);
        let answer = UnixStream::connect(&socket)
            .and_then(|stream| http::ask_unix(stream, method, path, body));
        answer.map_err(|source| ApiError::Unreachable { socket, source })
    }
}

fn parse<T: DeserializeOwned>(answer: Answer) -> Result<T, ApiError> {
    if !answer.status.is_success()
        && let Ok(fault) = serde_json::from_str(&answer.body)
    {
        return Err(ApiError::Fault(fault));
    }
    serde_json::from_str(&answer.body).map_err(|source| ApiError::Answer { answer, source })
}
