//! The record of every change that was asked for, allowed or not.

use crate::ops::{Caller, Started};
use orlop_api::{Fault, JobId};

/// Log target of audit records. Their fields are `caller`, `operation`, `outcome`, and `job` or
/// `error` where there is one.
const TARGET: &str = "audit";

/// What a change came to.
pub(crate) enum Outcome<'a> {
    /// It runs as this job.
    Job(JobId),
    /// It was only rehearsed.
    Plan,
    /// It is done.
    Done,
    /// It was not begun.
    Refused(&'a Fault),
}

impl<'a> From<&'a Result<Started, Fault>> for Outcome<'a> {
    fn from(result: &'a Result<Started, Fault>) -> Self {
        match result {
            Ok(Started::Job(id)) => Self::Job(*id),
            Ok(Started::Plan(_)) => Self::Plan,
            Err(fault) => Self::Refused(fault),
        }
    }
}

impl<'a> From<&'a Result<JobId, Fault>> for Outcome<'a> {
    fn from(result: &'a Result<JobId, Fault>) -> Self {
        match result {
            Ok(id) => Self::Job(*id),
            Err(fault) => Self::Refused(fault),
        }
    }
}

impl<'a> From<&'a Result<(), Fault>> for Outcome<'a> {
    fn from(result: &'a Result<(), Fault>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(fault) => Self::Refused(fault),
        }
    }
}

/// Writes one record about a single thing of its kind, a container or a volume: `operation` names both.
pub(crate) fn record_on<'a>(
    caller: &Caller,
    operation: &str,
    object: &str,
    outcome: impl Into<Outcome<'a>>,
) {
    record(caller, &format!("{operation} {object}"), outcome);
}

/// Writes one record. Goes to the journal with the rest of the log; not synced.
pub(crate) fn record<'a>(caller: &Caller, operation: &str, outcome: impl Into<Outcome<'a>>) {
    match outcome.into() {
        Outcome::Job(JobId(job)) => log::info!(
            target: TARGET, caller:%, operation, outcome = "started", job;
            "{caller} asked for {operation}: started as job {job}"
        ),
        Outcome::Plan => log::info!(
            target: TARGET, caller:%, operation, outcome = "rehearsed";
            "{caller} asked for {operation}: rehearsed"
        ),
        Outcome::Done => log::info!(
            target: TARGET, caller:%, operation, outcome = "done";
            "{caller} asked for {operation}: done"
        ),
        Outcome::Refused(fault) => log::warn!(
            target: TARGET, caller:%, operation, outcome = "refused", error:% = fault;
            "{caller} asked for {operation}: {fault}"
        ),
    }
}
