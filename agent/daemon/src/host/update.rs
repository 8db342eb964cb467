//! The update policy: what the agent does by itself about new images.
//!
//! It looks at the registries at its times, and stages what is new, unless that is on hold. With the
//! policy `auto` it switches to what it has staged, as soon as a window is open.

use super::shared::{Ask, Shared};
use crate::clock;
use crate::ops::{Caller, Started};
use crate::problems::Topic;
use crate::stage::{self, Wanted};
use orlop_api::{Fault, FaultKind, JobId, Operation, Phase, StageRequest};
use orlop_config::{NodeConfig, UpdatePolicy};
use orlop_core::update::{Standing, first_wait, next_wait, standing};
use orlop_core::{Generation, Then, Timestamp};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The longest sleep towards a window: the node's clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// The shortest: a window that opens within this second.
const SHORTEST_SLEEP: Duration = Duration::from_secs(1);
/// The wait after a switch that could not be begun, because something else was just under way, say.
const SWITCH_AGAIN: Duration = Duration::from_secs(5);
/// The longest such wait, for want of room, say: each further one is twice as long.
const SWITCH_AGAIN_LONGEST: Duration = Duration::from_secs(600);

/// Looks for new images for as long as the node runs, where its config says so.
pub(super) fn start(shared: &Arc<Shared>) {
    tokio::spawn(run(Arc::clone(shared)));
}

/// When the agent may switch by itself, where it does so at all and may not now.
pub(super) fn window_opens(config: &NodeConfig) -> Option<Timestamp> {
    if config.update.policy != UpdatePolicy::Auto {
        return None;
    }
    let zone = clock::zone(config.host.timezone.as_deref());
    match standing(&config.update.window, &zone, clock::now()) {
        Standing::Open => None,
        // Beyond the calendar: never.
        Standing::Closed { opens } => Some(opens.unwrap_or(Timestamp(u64::MAX))),
    }
}

/// Any number. The hasher's keys are random for each process.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What the loop has to remember.
struct Rounds {
    /// The interval, and when the next look is due by it.
    look: Option<(Duration, Instant)>,
    /// A switch that could not be begun is not tried again before this.
    not_before: Instant,
    /// So many switches in a row could not be begun.
    refused: u32,
}

/// The wait after so many switches in a row that could not be begun.
fn switch_again(refused: u32) -> Duration {
    let doubled = 2_u32.checked_pow(refused.saturating_sub(1));
    let wait = doubled.and_then(|times| SWITCH_AGAIN.checked_mul(times));
    wait.unwrap_or(SWITCH_AGAIN_LONGEST)
        .min(SWITCH_AGAIN_LONGEST)
}

async fn run(shared: Arc<Shared>) {
    let (mut running, mut phase) = (shared.running.subscribe(), shared.phase.clone());
    let mut rounds = Rounds {
        look: None,
        not_before: Instant::now(),
        refused: 0,
    };
    loop {
        let wake = rounds.turn(&shared).await;
        tokio::select! {
            () = sleep_until(wake) => {}
            changed = changed(&mut running, &mut phase) => if !changed { return },
        }
    }
}

/// Whether something changed; not where the node is gone.
async fn changed<A, B>(one: &mut watch::Receiver<A>, other: &mut watch::Receiver<B>) -> bool {
    tokio::select! {
        changed = one.changed() => changed.is_ok(),
        changed = other.changed() => changed.is_ok(),
    }
}

impl Rounds {
    /// Does what is due, and says when to wake up.
    async fn turn(&mut self, shared: &Shared) -> Instant {
        let config = shared.running_config().ok().map(|(_, config)| config);
        let Some(config) = config.filter(|config| config.update.policy != UpdatePolicy::Manual)
        else {
            self.look = None;
            shared.next_look.send_replace(None);
            return Instant::now() + LONGEST_SLEEP;
        };
        let every = config.update.every;
        let due = match self.look {
            Some((known, due)) if known == every => due,
            _ => Instant::now() + first_wait(every, random()),
        };
        self.look = Some((every, due));
        if !may_act(shared) {
            // What is due waits for what is under way: its end is a change.
            return Instant::now() + LONGEST_SLEEP;
        }
        let mut fetching = false;
        if due <= Instant::now() {
            let looked = look(shared).await;
            fetching = matches!(looked, Ok(true));
            tell(shared, looked.map(drop));
            self.look = Some((every, Instant::now() + next_wait(every, random())));
        }
        if !fetching {
            self.switch(shared, &config).await;
        }
        self.wake(shared, &config)
    }

    /// When the next thing is due; tells when the next look is.
    fn wake(&self, shared: &Shared, config: &NodeConfig) -> Instant {
        let now = Instant::now();
        let due = self.look.map_or(now, |(_, due)| due);
        let left = due.saturating_duration_since(now);
        let at = clock::now().0.saturating_add(left.as_secs());
        shared.next_look.send_replace(Some(at));
        let to_window = window_opens(config).map(|opens| {
            let secs = opens.0.saturating_sub(clock::now().0);
            now + Duration::from_secs(secs).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
        });
        let again = Some(self.not_before).filter(|again| *again > now);
        let others = [to_window, again].into_iter().flatten();
        others.fold(due, Instant::min)
    }

    /// Switches to what the agent has staged, where it may now.
    async fn switch(&mut self, shared: &Shared, config: &NodeConfig) {
        let staged = shared.records().ok().and_then(|records| records.state);
        let staged = staged.is_some_and(|state| state.staged.is_some() && state.staged_by_agent);
        let allowed = config.update.policy == UpdatePolicy::Auto && window_opens(config).is_none();
        if !staged || !allowed || Instant::now() < self.not_before {
            return;
        }
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Apply {
            mode: None,
            confirm: None,
            dry_run: false,
            caller: Caller::Agent,
            reply,
        };
        let started = asked(shared, ask, answer).await;
        self.refused = match &started {
            Ok(_) => 0,
            Err(fault) => {
                log::warn!("cannot begin the switch to what was staged: {fault}");
                self.refused.saturating_add(1)
            }
        };
        if self.refused > 0 {
            self.not_before = Instant::now() + switch_again(self.refused);
        }
        tell(shared, started.map(|_: Started| ()));
    }
}

/// Whether nothing is under way.
fn may_act(shared: &Shared) -> bool {
    matches!(*shared.phase.borrow(), Phase::Idle | Phase::Degraded)
}

fn tell(shared: &Shared, result: Result<(), Fault>) {
    match result {
        Ok(()) => shared.problems.clear(Topic::Update),
        Err(fault) => {
            let problem = format!("cannot update: {fault}");
            shared.problems.set(Topic::Update, vec![problem]);
        }
    }
}

/// Asks the driver.
async fn asked<T>(
    shared: &Shared,
    ask: Ask,
    answer: oneshot::Receiver<Result<T, Fault>>,
) -> Result<T, Fault> {
    let gone = || Fault::new(FaultKind::Refused, "the agent is going down");
    if shared.asks.send(ask).await.is_err() {
        return Err(gone());
    }
    answer.await.unwrap_or_else(|_| Err(gone()))
}

/// One look: stages what has come, if a reference stands for something else now.
/// True where it fetches.
async fn look(shared: &Shared) -> Result<bool, Fault> {
    let (generation, text) = shared.running_generation()?;
    let wanted = stage::wanted(&StageRequest::default(), &generation, &text)?;
    if !has_news(shared, &generation, &wanted).await? {
        return Ok(false);
    }
    let (reply, answer) = oneshot::channel();
    let ask = Ask::Stage {
        request: StageRequest::default(),
        then: Then::Wait,
        operation: Operation::Stage,
        caller: Caller::Agent,
        reply,
    };
    asked(shared, ask, answer).await.map(|_: JobId| true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_could_not_be_begun_is_tried_again_soon_and_then_less_and_less_often() {
        let waits: Vec<u64> = (1..=9)
            .map(|refused| switch_again(refused).as_secs())
            .collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(switch_again(u32::MAX), SWITCH_AGAIN_LONGEST);
    }
}
