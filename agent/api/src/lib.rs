//! The wire types that every front door of the agent and every client share. Pure.
//!
//! They are what the HTTPS API sends as JSON (shape `v1`), what D-Bus carries as JSON strings and
//! what `orlop --json` prints. A field may be added; none is renamed or removed within `v1`.

mod answer;
mod container;
mod diff;
mod event;
mod exec;
mod fault;
mod job;
mod operate;
mod request;
mod stored;
mod view;

pub use answer::{Answer, StreamEnd};
pub use container::{ContainerState, ContainerView, HealthState, LogLine};
pub use diff::{
    Change, ContainerDiff, Diff, DiffQuery, FileChange, FileChanges, KeyChange, OsDiff,
    PackageChange,
};
pub use event::{Event, EventKind};
pub use exec::{
    AttachRequest, BadFrame, EXEC_PROTOCOL, ExecRequest, Frame, FrameDecoder, FrameKind,
    MAX_FRAME_BYTES, WindowSize,
};
pub use fault::{Fault, FaultKind};
pub use job::{Job, JobId, JobState, Operation, Progress};
pub use operate::{
    ContainerDetail, ContainerStats, CopyInQuery, CopyOutQuery, MountView, ProbeView, ProcessView,
};
pub use request::{
    ApplyConfigRequest, ApplyRequest, ConfigQuery, KillRequest, LogQuery, Mode, ReleaseRequest,
    RollBackRequest, StageRequest, StatsQuery,
};
pub use stored::{
    Freed, ImageRequest, ImportQuery, LayerView, NetworkMember, NetworkView, RemoveVolumeRequest,
    StoredImage, StoredImageDetail, SubnetView, VolumeDetail, VolumeView,
};
pub use view::{
    CheckView, ConfigEntry, ConfigReport, ConfigView, ConfirmView, DiagnosticView, GateView,
    GenerationStatus, GenerationView, HeldView, ImageView, Phase, Status, TrialView, Trigger,
    UpdatesView, VerdictView, Why,
};
