//! The one set of operations behind every front door.

mod containers;
mod stored;

pub use containers::{ContainerOperations, Order, Session};
pub use stored::{StoredOperations, Tar};

use futures_util::stream::BoxStream;
use orlop_api::{
    ApplyConfigRequest, ApplyRequest, ConfigEntry, ConfigQuery, ConfigReport, ConfigView,
    ConfirmView, ContainerView, Diff, DiffQuery, Event, Fault, GenerationView, HeldView, Job,
    JobId, LogLine, LogQuery, ReleaseRequest, RollBackRequest, StageRequest, Status, Why,
};
pub use orlop_core::Uptime;
use std::fmt;
use std::future::Future;

/// Who asks, as the front door found out. Kept with each job and in the audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The agent itself: update policy, first boot.
    Agent,
    /// A process of this machine, by its user id.
    Local {
        /// Its user id.
        uid: u32,
    },
    /// A TLS client, by its certificate.
    Certificate {
        /// Common name of the subject.
        name: String,
    },
}

/// Whether a generation stays on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// Until it is unpinned.
    Pin,
    /// No longer than others.
    Unpin,
}

/// What an operation that may only be rehearsed gives back.
#[derive(Clone, Debug, PartialEq)]
pub enum Started {
    /// It is under way.
    Job(JobId),
    /// The plan, as text for people, of a rehearsal.
    Plan(String),
}

/// Everything that can be asked of a node. Each front door calls these and nothing else, after
/// checking that the caller may.
pub trait Operations: ContainerOperations + StoredOperations {
    /// How the node stands.
    fn status(&self) -> impl Future<Output = Status> + Send;
    /// Every generation on record, newest first.
    fn generations(&self) -> impl Future<Output = Vec<GenerationView>> + Send;
    /// What two generations differ in.
    fn diff(&self, query: DiffQuery) -> impl Future<Output = Result<Diff, Fault>> + Send;
    /// Keeps a generation on record, or no longer than others.
    fn pin(
        &self,
        generation: u64,
        pinning: Pinning,
        caller: Caller,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// The config of a generation.
    fn config(&self, query: ConfigQuery) -> impl Future<Output = Result<ConfigView, Fault>> + Send;
    /// Every config on record by the generation that brought it, newest first.
    fn config_history(&self) -> impl Future<Output = Vec<ConfigEntry>> + Send;
    /// Reads a TOML and says what is wrong with it. Changes nothing.
    fn check_config(&self, text: &str) -> ConfigReport;
    /// Fetches, verifies and records a generation. One at a time: a second call is `Refused`.
    fn stage(
        &self,
        request: StageRequest,
        caller: Caller,
    ) -> impl Future<Output = Result<JobId, Fault>> + Send;
    /// Switches to the staged generation.
    fn apply(
        &self,
        request: ApplyRequest,
        caller: Caller,
    ) -> impl Future<Output = Result<Started, Fault>> + Send;
    /// Stages a config and switches to it.
    fn apply_config(
        &self,
        request: ApplyConfigRequest,
        caller: Caller,
    ) -> impl Future<Output = Result<Started, Fault>> + Send;
    /// Lets the trial under way stay, if its gate does.
    fn confirm(&self, caller: Caller) -> impl Future<Output = Result<ConfirmView, Fault>> + Send;
    /// Lets the agent try an image again that failed.
    fn release(
        &self,
        request: ReleaseRequest,
        caller: Caller,
    ) -> impl Future<Output = Result<HeldView, Fault>> + Send;
    /// Notes that a remote caller, who connected at `connected`, was let in.
    fn reached(&self, caller: &Caller, connected: Uptime);
    /// Switches to an earlier generation.
    fn roll_back(
        &self,
        request: RollBackRequest,
        caller: Caller,
    ) -> impl Future<Output = Result<Started, Fault>> + Send;
    /// Why the node is where it is.
    fn why(&self) -> impl Future<Output = Why> + Send;
    /// One job.
    fn job(&self, id: JobId) -> impl Future<Output = Result<Job, Fault>> + Send;
    /// Cancels a running job; what it has fetched is kept for the next try.
    fn cancel(&self, id: JobId, caller: Caller) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Every container of the current generation.
    fn containers(&self) -> impl Future<Output = Vec<ContainerView>> + Send;
    /// A container's log lines, oldest first.
    fn logs(
        &self,
        container: &str,
        query: LogQuery,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<LogLine, Fault>>, Fault>> + Send;
    /// Everything that happens from now on. A reader that is too slow loses the oldest.
    fn events(&self) -> BoxStream<'static, Event>;
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Local { uid } => write!(f, "uid {uid}"),
            Self::Certificate { name } => write!(f, "certificate CN={name}"),
        }
    }
}
