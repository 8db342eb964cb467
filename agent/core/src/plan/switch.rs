//! Switching from one generation to another, up to the moment at which the trial begins.

use super::draft::Draft;
use super::{Blocked, Means, Observed, Otherwise, Plan, Policy, Step};
use crate::boot::{Counter, Entry, generation_of_root};
use crate::{
    Confirmation, Generation, GenerationId, GenerationStatus, Timestamp, Trial, TrialKind,
    TrialStage, paths,
};
use orlop_api::Mode;
use orlop_config::{Container, Disruption, NodeConfig, Refresh, format_duration};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often a live swap that does not arrive is begun again before the machine is restarted.
const LIVE_ATTEMPTS: u32 = 3;

/// What an operator says of a way back.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) to: Option<GenerationId>,
    pub(super) mode: Option<Mode>,
}

/// What an operator says of a switch to what is staged.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    pub(super) mode: Option<Mode>,
    pub(super) confirm: Option<Duration>,
}

/// What a switch is for.
#[derive(Clone, Copy)]
struct Target {
    generation: GenerationId,
    kind: TrialKind,
    mode: Option<Mode>,
    confirm: Option<Duration>,
}

/// Switches to the staged generation.
pub(super) fn apply(
    observed: &Observed,
    policy: &Policy,
    ask: Ask,
    now: Timestamp,
) -> Result<Plan, Blocked> {
    refuse_during_trial(observed)?;
    let generation = observed.state.staged.ok_or(Blocked::NothingStaged)?;
    let target = Target {
        generation,
        kind: TrialKind::Update,
        mode: ask.mode,
        confirm: ask.confirm,
    };
    switch(observed, policy, target, now)
}

/// Switches to an earlier good generation.
pub(super) fn back(
    observed: &Observed,
    policy: &Policy,
    order: Order,
    now: Timestamp,
) -> Result<Plan, Blocked> {
    refuse_during_trial(observed)?;
    let state = &observed.state;
    let good = |id: &GenerationId| state.status(*id) == Some(GenerationStatus::Good);
    let before = |id: &GenerationId| state.current.is_some_and(|current| *id < current);
    let target = match order.to {
        Some(id) => id,
        None => {
            let earlier = state
                .generations
                .keys()
                .rev()
                .copied()
                .find(|id| before(id) && good(id));
            earlier.ok_or(Blocked::NothingEarlier)?
        }
    };
    if state.status(target).is_none() {
        return Err(Blocked::NoSuchGeneration { generation: target });
    }
    if state.current == Some(target) {
        return Err(Blocked::AlreadyThere { generation: target });
    }
    if !good(&target) {
        return Err(Blocked::NotGood { generation: target });
    }
    let target = Target {
        generation: target,
        kind: TrialKind::RollBack,
        mode: order.mode,
        confirm: None,
    };
    switch(observed, policy, target, now)
}

fn refuse_during_trial(observed: &Observed) -> Result<(), Blocked> {
    match &observed.state.trial {
        Some(trial) => Err(Blocked::TrialUnderWay {
            generation: trial.generation,
        }),
        None => Ok(()),
    }
}

fn switch(
    observed: &Observed,
    policy: &Policy,
    target: Target,
    now: Timestamp,
) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    let to = draft.generation(target.generation)?;
    let current = draft.state.current.ok_or(Blocked::NothingRuns)?;
    let from = draft.generation(current)?;
    let derived = Means::between(from, to);
    let used = means(observed, to, derived, target.mode)?;
    draft.state.staged = draft.state.staged.filter(|staged| *staged != to.id);
    draft.state.staged_by_agent &= draft.state.staged.is_some();
    draft
        .state
        .generations
        .insert(to.id, GenerationStatus::Trial);
    draft.state.trial = Some(Trial {
        generation: to.id,
        kind: target.kind,
        fallback: Some(current),
        stage: TrialStage::Armed,
        means: used,
        entry: None,
        tries: policy.tries,
        boots: 0,
        attempts: 1,
        given_back: 0,
        boot: observed.booted.boot.clone(),
        armed: now,
        gate_started: None,
        confirm: target
            .confirm
            .map(|within| Confirmation::begin(within, observed.moment(now))),
    });
    if used >= Means::Live {
        arm(&mut draft, observed, from, to)?;
    } else {
        draft.record_state();
        draft.change_here(Some(from), to, used);
    }
    let mut plan = titled(draft, from, to, (derived, used));
    if let Some(within) = target.confirm {
        plan.purpose = format!(
            "{}, to be confirmed within {}",
            plan.purpose,
            format_duration(within)
        );
    }
    if used > derived {
        plan.why.push_str(match (target.mode, derived) {
            (Some(_), _) => "; the operator asks for a restart",
            (None, Means::Live) => {
                "; `[update] disruption` or the kernel that runs asks for a restart"
            }
            (None, _) => "; another OS image runs than the records say",
        });
    }
    Ok(plan)
}

/// What is used for a switch that takes `derived` by the generations: where another image runs than
/// the records say, that decides. What the operator says goes before what the config says.
fn means(
    observed: &Observed,
    to: &Generation,
    derived: Means,
    mode: Option<Mode>,
) -> Result<Means, Blocked> {
    if observed.booted.root == to.os.root {
        return Ok(derived.min(Means::Config));
    }
    let live = runs_kernel_of(observed, to);
    let by_config = || {
        observed
            .configs
            .get(&to.config)
            .map(|c| c.update.disruption)
    };
    match mode {
        Some(Mode::Live) if !live => Err(Blocked::NotLive { generation: to.id }),
        Some(Mode::Live) => Ok(Means::Live),
        Some(Mode::Reboot) => Ok(Means::Reboot),
        None if live && by_config() != Some(Disruption::Reboot) => Ok(Means::Live),
        None => Ok(Means::Reboot),
    }
}

/// Whether what was booted has the kernel, initrd and kernel arguments of `to`.
fn runs_kernel_of(observed: &Observed, to: &Generation) -> bool {
    let Observed {
        state,
        generations,
        booted,
        ..
    } = observed;
    generation_of_root(state, generations, &booted.root)
        .and_then(|(id, _)| generations.get(&id))
        .is_some_and(|runs| runs.os.boot == to.os.boot)
}

/// The steps of a switch to another OS image, for a trial that the draft's state already has.
fn arm(
    draft: &mut Draft<'_>,
    observed: &Observed,
    from: &Generation,
    to: &Generation,
) -> Result<(), Blocked> {
    let trial = draft.state.trial.take();
    let before = draft.state.clone();
    // Until the image is written, the state that may get recorded on the way is that of before.
    draft.state.clone_from(&observed.state);
    let mut keep = draft.roots_to_keep_but_previous();
    keep.insert(to.os.root.clone());
    draft.provide_fallback_entry(from, &keep)?;
    draft.provide_uki(to, &keep)?;
    let next_boot = draft.state.next_boot;
    draft.state = before;
    draft.state.next_boot = next_boot;
    let sequence = draft.take_sequence();
    let tries = draft.policy.tries;
    draft.state.trial = trial.map(|trial| Trial {
        entry: Some(sequence),
        ..trial
    });
    draft.record_state();
    let entry = Entry::new(&to.os.version, sequence, to.os.root.clone());
    draft.write_entry(&entry, Some(Counter::full(tries)));
    if let Some(trial) = draft.state.trial.clone() {
        draft.leave_for(&trial, to, Otherwise::Fail);
    }
    Ok(())
}

/// Goes on with a switch that was cut short.
pub(super) fn go_on(observed: &Observed, policy: &Policy, trial: &Trial) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    let to = draft.generation(trial.generation)?;
    let from = trial.fallback.map(|id| draft.generation(id)).transpose()?;
    let mut next = trial.clone();
    next.attempts = next.attempts.saturating_add(1);
    if next.boot != observed.booted.boot {
        next.boots = next.boots.saturating_add(1);
        next.boot = observed.booted.boot.clone();
    }
    draft.state.trial = Some(next.clone());
    let derived = from.map_or(Means::Config, |from| Means::between(from, to));
    let mut used = derived.min(Means::Config);
    match trial.entry {
        Some(sequence) => {
            let keep = draft.roots_to_keep();
            draft.provide_uki(to, &keep)?;
            draft.record_state();
            let entry = Entry::new(&to.os.version, sequence, to.os.root.clone());
            // A counter that the boot loader has touched stays as it is.
            match draft.entry(sequence) {
                Some((_, file)) if file.content == entry.content() => {}
                Some((name, _)) => draft.write_entry(&entry, name.counter),
                None => draft.write_entry(&entry, Some(Counter::full(trial.tries))),
            }
            used = draft.leave_for(&next, to, Otherwise::Fail);
        }
        None => {
            draft.record_state();
            draft.change_here(from, to, used.max(Means::Config));
        }
    }
    let from = from.unwrap_or(to);
    let mut plan = titled(draft, from, to, (derived, used));
    plan.purpose = format!("go on with the switch to generation {}", to.id);
    Ok(plan)
}

fn titled(
    draft: Draft<'_>,
    from: &Generation,
    to: &Generation,
    (derived, used): (Means, Means),
) -> Plan {
    let why = match derived {
        Means::Nothing => "both run the same".to_owned(),
        Means::Containers => "only container images differ".to_owned(),
        Means::Config => "the config differs, the OS does not".to_owned(),
        Means::Live => format!(
            "the OS goes from {} to {}, but kernel, initrd and kernel arguments stay",
            from.os.version, to.os.version
        ),
        Means::Reboot => format!(
            "the OS goes from {} to {}, with another kernel, initrd or kernel arguments",
            from.os.version, to.os.version
        ),
    };
    let interrupts = draft.interrupts(from, to);
    let stays = match used {
        Means::Reboot => Vec::new(),
        _ => draft.stays(from, to),
    };
    let mut plan = draft.plan(format!("switch to generation {}", to.id), why);
    plan.to = Some(to.id);
    (plan.interrupts, plan.stays) = (interrupts, stays);
    (plan.derived, plan.used) = (derived, used);
    plan
}

impl Draft<'_> {
    /// The last step of a way to another OS image, for `trial`, which came or comes by its means. What is
    /// used for it.
    pub(super) fn leave_for(
        &mut self,
        trial: &Trial,
        to: &Generation,
        otherwise: Otherwise,
    ) -> Means {
        let live = trial.means == Means::Live
            && trial.attempts <= LIVE_ATTEMPTS
            && runs_kernel_of(self.observed, to);
        if live {
            let root = to.os.root.clone();
            self.push(Step::SwapRoot { root, otherwise });
            Means::Live
        } else {
            self.push(Step::Reboot);
            Means::Reboot
        }
    }

    /// Config and containers from those of `from` to those of `to`, under the OS that runs.
    pub(super) fn change_here(&mut self, from: Option<&Generation>, to: &Generation, means: Means) {
        if means >= Means::Config {
            self.push(Step::RenderEtc {
                path: paths::config(&to.config),
                config: to.config.clone(),
                refresh: self.refreshes(from, to),
            });
        }
        let (stop, start) = self.containers_to_replace(from, to);
        if !(stop.is_empty() && start.is_empty()) {
            self.push(Step::ReplaceContainers {
                generation: to.id,
                stop,
                start,
            });
        }
    }

    /// What has to be told of the change of config; none where one cannot be read.
    fn refreshes(&self, from: Option<&Generation>, to: &Generation) -> Option<BTreeSet<Refresh>> {
        let config = |generation: &Generation| self.observed.configs.get(&generation.config);
        Some(orlop_config::refreshes(config(from?)?, config(to)?))
    }

    /// What of the config of `from` only a restart of the machine takes back.
    fn stays(&self, from: &Generation, to: &Generation) -> Vec<String> {
        let config = |generation: &Generation| self.observed.configs.get(&generation.config);
        match (config(from), config(to)) {
            (Some(from), Some(to)) => orlop_config::stays_until_reboot(from, to),
            _ => Vec::new(),
        }
    }

    /// Names of the containers to stop and to start.
    pub(super) fn containers_to_replace(
        &self,
        from: Option<&Generation>,
        to: &Generation,
    ) -> (Vec<String>, Vec<String>) {
        let none = BTreeMap::new();
        let old = from.map_or(&none, |from| &from.containers);
        let same = |name: &String| {
            from.is_some_and(|from| {
                from.containers.get(name) == to.containers.get(name)
                    && (from.config == to.config || self.same_settings(from, to, name))
            })
        };
        let changed = |names: &BTreeMap<String, _>| -> Vec<String> {
            names.keys().filter(|name| !same(name)).cloned().collect()
        };
        (changed(old), changed(&to.containers))
    }

    /// Whether two configs say the same of a container. Where one cannot be read: no.
    fn same_settings(&self, from: &Generation, to: &Generation, name: &str) -> bool {
        let config = |generation: &Generation| self.observed.configs.get(&generation.config);
        let (Some(a), Some(b)) = (config(from), config(to)) else {
            return false;
        };
        match (container(a, name), container(b, name)) {
            (Some(x), Some(y)) => {
                x == y
                    && x.networks
                        .iter()
                        .all(|one| a.net.get(&one.net) == b.net.get(&one.net))
            }
            (None, _) | (_, None) => false,
        }
    }
}

/// The container of this name in a config.
pub(super) fn container<'a>(config: &'a NodeConfig, name: &str) -> Option<&'a Container> {
    config
        .container
        .iter()
        .find(|(known, _)| known.as_str() == name)
        .map(|(_, found)| found)
}
