//! Jobs: one at a time, with progress and cancel.

use super::events::EventBus;
use crate::ops::Caller;
use orlop_api::{EventKind, Fault, FaultKind, Job, JobId, JobState, Operation, Progress};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Ended jobs that can still be asked for.
const KEPT: usize = 64;

/// The jobs since the agent started.
#[derive(Debug)]
pub struct JobBoard {
    events: Arc<EventBus>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    jobs: VecDeque<Job>,
    running: Option<(JobId, CancellationToken)>,
}

/// A running job, held by the task that carries it out. Dropped without an end (a panic, an
/// aborted task), the job counts as failed, so that the board is never blocked.
#[derive(Debug)]
pub struct Ticket {
    board: Arc<JobBoard>,
    id: JobId,
    cancel: CancellationToken,
    ended: bool,
}

fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::Stage => "stage",
        Operation::Apply => "apply",
        Operation::ApplyConfig => "apply the config",
        Operation::RollBack => "roll back",
        Operation::PullImage => "pull an image",
    }
}

impl JobBoard {
    /// An empty board.
    pub fn new(events: Arc<EventBus>) -> Self {
        Self {
            events,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a job.
    ///
    /// # Errors
    /// `Refused` while another job runs.
    pub fn begin(self: &Arc<Self>, operation: Operation, caller: &Caller) -> Result<Ticket, Fault> {
        let mut inner = self.lock();
        if let Some((id, _)) = &inner.running {
            let other = inner
                .jobs
                .iter()
                .find(|job| job.id == *id)
                .map(|job| job.operation);
            let message = format!(
                "cannot {}: job {} ({}) is running",
                verb(operation),
                id.0,
                other.map_or("another operation", verb),
            );
            return Err(Fault::new(FaultKind::Refused, message)
                .hint("wait until it ends (`orlop status`) or cancel it"));
        }
        inner.last += 1;
        let id = JobId(inner.last);
        let job = Job {
            id,
            operation,
            caller: caller.to_string(),
            state: JobState::Running {
                progress: Progress::default(),
            },
        };
        let cancel = CancellationToken::new();
        inner.running = Some((id, cancel.clone()));
        inner.jobs.push_back(job.clone());
        while inner.jobs.len() > KEPT {
            inner.jobs.pop_front();
        }
        drop(inner);
        log::info!(job = id.0, caller = job.caller.as_str(); "begins to {}", verb(operation));
        self.events.send(EventKind::Job { job });
        Ok(Ticket {
            board: Arc::clone(self),
            id,
            cancel,
            ended: false,
        })
    }

    /// One job, while it is remembered.
    pub fn get(&self, id: JobId) -> Option<Job> {
        self.lock().jobs.iter().find(|job| job.id == id).cloned()
    }

    /// The job under way, or the last one.
    pub fn latest(&self) -> Option<Job> {
        self.lock().jobs.back().cloned()
    }

    /// The operation under way.
    pub fn running(&self) -> Option<Operation> {
        let inner = self.lock();
        let (id, _) = inner.running.as_ref()?;
        inner
            .jobs
            .iter()
            .find(|job| job.id == *id)
            .map(|job| job.operation)
    }

    /// Asks a running job to end.
    ///
    /// # Errors
    /// `NotFound` for a job that never was or is forgotten, `Refused` for one that has ended.
    pub fn cancel(&self, id: JobId) -> Result<(), Fault> {
        let inner = self.lock();
        match &inner.running {
            Some((running, token)) if *running == id => {
                token.cancel();
                Ok(())
            }
            _ if inner.jobs.iter().any(|job| job.id == id) => Err(Fault::new(
                FaultKind::Refused,
                format!("cannot cancel job {}: it has ended", id.0),
            )),
            _ => Err(Fault::new(
                FaultKind::NotFound,
                format!("cannot find job {}", id.0),
            )),
        }
    }

    fn set(&self, id: JobId, state: JobState) {
        let ended = !matches!(state, JobState::Running { .. });
        let job = {
            let mut inner = self.lock();
            if ended
                && inner
                    .running
                    .as_ref()
                    .is_some_and(|(running, _)| *running == id)
            {
                inner.running = None;
            }
            let Some(job) = inner.jobs.iter_mut().find(|job| job.id == id) else {
                return;
            };
            // Late word of a task does not bring an ended job back.
            if !matches!(job.state, JobState::Running { .. }) {
                return;
            }
            job.state = state;
            job.clone()
        };
        self.events.send(EventKind::Job { job });
    }
}

impl Ticket {
    /// The job's number.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Cancelled when somebody asks the job to end.
    pub fn cancel_token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Tells how far the job is.
    pub fn progress(&self, progress: Progress) {
        self.board.set(self.id, JobState::Running { progress });
    }

    /// Tells how far the job is, for a task that does not hold it.
    pub fn reporter(&self) -> impl Fn(Progress) + Send + Sync + use<> {
        let (board, id) = (Arc::clone(&self.board), self.id);
        move |progress| board.set(id, JobState::Running { progress })
    }

    /// Takes the job back: it was not begun after all.
    pub fn withdraw(mut self) {
        self.ended = true;
        let mut inner = self.board.lock();
        inner.running = None;
        inner.jobs.retain(|job| job.id != self.id);
    }

    /// Ends the job. The operator sees either the sentence or the fault.
    pub fn end(mut self, result: Result<(Option<u64>, String), Fault>) {
        self.ended = true;
        let state = match result {
            Ok((generation, summary)) => {
                log::info!(job = self.id.0; "{summary}");
                JobState::Done {
                    generation,
                    summary,
                }
            }
            Err(fault) => {
                log::warn!(job = self.id.0; "{fault}");
                JobState::Failed { fault }
            }
        };
        self.board.set(self.id, state);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            let fault = Fault::new(FaultKind::Internal, "the job ended without a result");
            self.board.set(self.id, JobState::Failed { fault });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Arc<JobBoard> {
        Arc::new(JobBoard::new(Arc::new(EventBus::default())))
    }

    #[test]
    fn a_second_stage_while_one_runs_is_refused_with_the_job_named() {
        let board = board();
        let first = board.begin(Operation::Stage, &Caller::Agent).unwrap();
        let fault = board
            .begin(Operation::Stage, &Caller::Local { uid: 0 })
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
        assert_eq!(fault.message, "cannot stage: job 1 (stage) is running");
        first.end(Ok((Some(2), "generation 2 is staged".into())));
        assert_eq!(
            board.begin(Operation::Stage, &Caller::Agent).unwrap().id(),
            JobId(2)
        );
    }

    #[test]
    fn a_job_whose_task_dies_counts_as_failed_and_frees_the_board() {
        let board = board();
        drop(board.begin(Operation::Apply, &Caller::Agent).unwrap());
        assert!(matches!(
            board.latest().unwrap().state,
            JobState::Failed { .. }
        ));
        assert!(board.begin(Operation::Apply, &Caller::Agent).is_ok());
    }

    #[test]
    fn an_ended_job_cannot_be_cancelled_and_an_unknown_one_is_not_found() {
        let board = board();
        let ticket = board.begin(Operation::Stage, &Caller::Agent).unwrap();
        let token = ticket.cancel_token().clone();
        board.cancel(JobId(1)).unwrap();
        assert!(token.is_cancelled());
        ticket.end(Ok((None, "cancelled".into())));
        assert_eq!(board.cancel(JobId(1)).unwrap_err().kind, FaultKind::Refused);
        assert_eq!(
            board.cancel(JobId(9)).unwrap_err().kind,
            FaultKind::NotFound
        );
    }
}
