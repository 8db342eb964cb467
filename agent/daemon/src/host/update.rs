//! The update policy: what the agent does by itself about new images.

use super::shared::{Ask, Shared};
use crate::ops::Caller;
use crate::problems::Topic;
use crate::stage::{self, Wanted};
use orlop_api::{Fault, Operation, Phase, StageRequest};
use orlop_config::UpdatePolicy;
use orlop_core::{Generation, Then};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Time between two looks at the registries, without jitter.
const EVERY: Duration = Duration::from_secs(6 * 3600);
/// A node looks up to this much later, so that a fleet does not come all at once.
const JITTER: Duration = Duration::from_secs(1800);

/// Looks for new images for as long as the node runs, where its config says so.
pub(super) fn start(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        loop {
            sleep(EVERY + jitter()).await;
            match look(&shared).await {
                Ok(()) => shared.problems.clear(Topic::Update),
                Err(fault) => {
                    let problem = format!("cannot look for updates: {fault}");
                    shared.problems.set(Topic::Update, vec![problem]);
                }
            }
        }
    });
}

/// Something between nothing and [`JITTER`]. The hasher's keys are random for each process.
fn jitter() -> Duration {
    let random = RandomState::new().build_hasher().finish();
    Duration::from_secs(random % JITTER.as_secs())
}

/// One look: stages, and switches where the policy says so, if a reference stands for something
/// else now.
async fn look(shared: &Shared) -> Result<(), Fault> {
    if *shared.phase.borrow() != Phase::Idle {
        return Ok(());
    }
    let (generation, text) = shared.running_generation()?;
    let wanted = stage::wanted(&StageRequest::default(), &generation, &text)?;
    let then = match wanted.config.update.policy {
        UpdatePolicy::Manual => return Ok(()),
        UpdatePolicy::Download => Then::Wait,
        UpdatePolicy::Auto => Then::Apply { mode: None },
    };
    if !has_news(shared, &generation, &wanted).await? {
        return Ok(());
    }
    let (reply, answer) = oneshot::channel();
    let request = StageRequest::default();
    let (operation, caller) = (Operation::Stage, Caller::Agent);
    let ask = Ask::Stage {
        request,
        then,
        operation,
        caller,
        reply,
    };
    if shared.asks.send(ask).await.is_err() {
        return Ok(());
    }
    match answer.await {
        Ok(started) => started.map(drop),
        Err(_) => Ok(()),
    }
}

/// Whether an image that is not on hold has come, and is neither running nor staged already.
async fn has_news(
    shared: &Shared,
    generation: &Generation,
    wanted: &Wanted,
) -> Result<bool, Fault> {
    let now = stage::manifests(&shared.store, wanted, &CancellationToken::new()).await?;
    let records = shared.records()?;
    let state = records.state.as_ref();
    let staged = state
        .and_then(|state| state.staged)
        .and_then(|id| records.generations.get(&id));
    let known = |known: &Generation| {
        let containers = known.containers.values().map(|image| &image.manifest);
        let all: Vec<_> = containers.chain([&known.os.manifest]).collect();
        now.iter().all(|manifest| all.contains(&manifest))
    };
    let held =
        state.is_some_and(|state| state.held.iter().any(|held| now.contains(&held.manifest)));
    Ok(!held && !known(generation) && !staged.is_some_and(known))
}
