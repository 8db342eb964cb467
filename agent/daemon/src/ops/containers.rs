//! What can be asked of one container.

use super::{Caller, Tar};
use crate::runtime::SignalName;
use futures_util::future::BoxFuture;
use orlop_api::{
    AttachRequest, ContainerDetail, ContainerStats, ContainerView, CopyInQuery, ExecRequest, Fault,
    FaultKind, ProcessView,
};
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncRead, AsyncWrite};

/// What an operator orders of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// End, and stay so until another order, another generation or a start of the machine.
    Stop,
    /// Begin, where it is not at work.
    Start,
    /// End and begin again.
    Restart,
    /// Get this signal.
    Kill(SignalName),
}

impl Order {
    /// Get the signal of this name or number; SIGKILL where none is named.
    ///
    /// # Errors
    /// `Usage` where there is no such signal.
    pub fn kill(signal: Option<&str>) -> Result<Self, Fault> {
        let Some(text) = signal else {
            return Ok(Self::Kill(SignalName::kill()));
        };
        let signal = SignalName::parse(text).ok_or_else(|| {
            let message = format!("cannot send {text:?}: there is no such signal");
            Fault::new(FaultKind::Usage, message)
                .hint("write a name, like SIGHUP or HUP, or a number from 1 to 64")
        });
        signal.map(Self::Kill)
    }
}

/// A command that runs in a container for somebody, which is killed when `ended` is dropped; or a container itself that
/// somebody has joined, which goes on.
pub struct Session {
    /// Its input, where it has one.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its output.
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Its output of errors.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Its terminal, where it has one.
    pub terminal: Option<OwnedFd>,
    /// Its exit status, when it ends; 128 and the signal's number where a signal ended it.
    pub ended: BoxFuture<'static, io::Result<u8>>,
}

/// Operating containers. Part of [`super::Operations`].
pub trait ContainerOperations: Send + Sync + 'static {
    /// Everything about a container.
    fn inspect(
        &self,
        container: &str,
    ) -> impl Future<Output = Result<ContainerDetail, Fault>> + Send;
    /// A sample of what these containers use, or all where none is named.
    fn stats(
        &self,
        containers: &[String],
    ) -> impl Future<Output = Result<Vec<ContainerStats>, Fault>> + Send;
    /// The processes of a container.
    fn processes(
        &self,
        container: &str,
    ) -> impl Future<Output = Result<Vec<ProcessView>, Fault>> + Send;
    /// Starts a command in a container.
    fn exec(
        &self,
        container: &str,
        request: ExecRequest,
        caller: Caller,
    ) -> impl Future<Output = Result<Session, Fault>> + Send;
    /// Joins a container's terminal, or its input.
    fn attach(
        &self,
        container: &str,
        request: AttachRequest,
        caller: Caller,
    ) -> impl Future<Output = Result<Session, Fault>> + Send;
    /// What is at a path of a container, as the container sees it.
    fn copy_out(
        &self,
        container: &str,
        path: &str,
        caller: Caller,
    ) -> impl Future<Output = Result<Tar, Fault>> + Send;
    /// Unpacks an archive in a container.
    fn copy_in(
        &self,
        container: &str,
        query: CopyInQuery,
        content: Tar,
        caller: Caller,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Carries out an order. Returns when it is done, with how the container stands then.
    fn order(
        &self,
        container: &str,
        order: Order,
        caller: Caller,
    ) -> impl Future<Output = Result<ContainerView, Fault>> + Send;
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => f.write_str("stop"),
            Self::Start => f.write_str("start"),
            Self::Restart => f.write_str("restart"),
            Self::Kill(signal) => write!(f, "kill with {}", signal.as_str()),
        }
    }
}
