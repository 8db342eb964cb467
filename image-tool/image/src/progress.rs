//! Progress of a pull, for people and front doors.

/// What a pull does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Asks what the reference stands for.
    Resolve,
    /// Fetches layers. Counts bytes of the compressed layers.
    Fetch,
    /// Checks and unpacks layers into the store. Counts bytes of the compressed layers.
    Import,
    /// Makes everything durable and names the image.
    Commit,
}

/// A report of how far a pull is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Bytes done in this step, over all layers.
    pub done_bytes: u64,
    /// Bytes that this step has to do, where known.
    pub total_bytes: Option<u64>,
}

impl Step {
    /// A word for people: `fetch`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
            Self::Import => "import",
            Self::Commit => "commit",
        }
    }
}
