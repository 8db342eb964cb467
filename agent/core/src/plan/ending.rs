//! From the moment at which a trial begins to run until its verdict has been carried out.

use super::draft::Draft;
use super::{Blocked, Means, Observed, Otherwise, Plan, Policy};
use crate::boot::{Counter, Entry, EntryName, generation_of_root};
use crate::{
    Generation, GenerationId, GenerationStatus, Held, MAX_HELD, Timestamp, Trial, TrialKind,
    TrialStage, Trigger, VERDICT_FORMAT, VERDICT_LOG_LINES, Verdict,
};

/// Writes down how much of the time to confirm is spent.
pub(super) fn measure(trial: &mut Trial, observed: &Observed, now: Timestamp) {
    if let Some(confirm) = &mut trial.confirm {
        *confirm = confirm.measured(observed.moment(now));
    }
}

/// Notes that the trial may stay, as far as `caller` is concerned.
pub(super) fn confirm(
    observed: &Observed,
    policy: &Policy,
    caller: &str,
    now: Timestamp,
) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    let trial = draft
        .state
        .trial
        .as_mut()
        .ok_or(Blocked::NothingToConfirm)?;
    let generation = trial.generation;
    let over = matches!(trial.stage, TrialStage::Ending { .. });
    measure(trial, observed, now);
    let confirm = trial.confirm.as_mut().ok_or(Blocked::NothingToConfirm)?;
    if confirm.by.is_none() {
        if over || confirm.left(observed.moment(now)).is_zero() {
            return Err(Blocked::TooLateToConfirm { generation });
        }
        confirm.by = Some(caller.to_owned());
        draft.record_state();
    }
    let purpose = format!("confirm generation {generation}");
    let mut plan = draft.plan(purpose, "its gate alone decides now");
    plan.to = Some(generation);
    Ok(plan)
}

/// Makes this boot not count.
pub(super) fn give_try_back(
    observed: &Observed,
    policy: &Policy,
    now: Timestamp,
) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    let trial = draft.state.trial.as_mut().ok_or(Blocked::NoTrial)?;
    let (generation, tries) = (trial.generation, trial.tries);
    let to_confirm = trial.confirm.is_some();
    measure(trial, observed, now);
    let entry = trial.entry;
    match entry {
        Some(sequence) => {
            let full = EntryName {
                sequence,
                counter: Some(Counter::full(tries)),
            };
            let counted = draft.entry(sequence).map(|(name, _)| name);
            if let Some(name) = counted.filter(|name| name.counter.is_some() && *name != full) {
                draft.rename_entry(name, full);
            }
        }
        None => {
            trial.boots = 0;
            draft.record_state();
        }
    }
    if to_confirm && entry.is_some() {
        draft.record_state();
    }
    let purpose = format!("give generation {generation} its try back");
    let mut plan = draft.plan(purpose, "the machine goes down in good order");
    plan.to = Some(generation);
    Ok(plan)
}

/// Judges, and carries the verdict out.
pub(super) fn end(
    observed: &Observed,
    policy: &Policy,
    trigger: &Trigger,
    log: &[String],
    now: Timestamp,
) -> Result<Plan, Blocked> {
    let Some(trial) = &observed.state.trial else {
        return judge_again(observed, policy, trigger, log, now);
    };
    if matches!(trial.stage, TrialStage::Ending { .. }) {
        return go_on(observed, policy, trial);
    }
    let verdict = Verdict {
        format: VERDICT_FORMAT,
        number: observed.state.next_verdict,
        generation: trial.generation,
        good: *trigger == Trigger::Gate,
        running: running_after(observed, trial, trigger),
        trigger: trigger.clone(),
        at: now,
        log: newest(log),
        checks: observed.checks.clone(),
    };
    let mut draft = Draft::new(observed, policy);
    let ending = Trial {
        stage: TrialStage::Ending {
            verdict: verdict.clone(),
        },
        ..trial.clone()
    };
    draft.state.trial = Some(ending.clone());
    draft.record_state();
    carry_out(draft, &ending, &verdict)
}

/// Goes on carrying out a verdict.
pub(super) fn go_on(observed: &Observed, policy: &Policy, trial: &Trial) -> Result<Plan, Blocked> {
    match &trial.stage {
        TrialStage::Armed | TrialStage::Running => Err(Blocked::NoTrial),
        TrialStage::Ending { verdict } => carry_out(Draft::new(observed, policy), trial, verdict),
    }
}

/// The generation that runs because of `trigger`.
fn running_after(observed: &Observed, trial: &Trial, trigger: &Trigger) -> GenerationId {
    let stays = match trigger {
        Trigger::Gate => true,
        // Nowhere to go, or the operator has said where.
        Trigger::Check { .. } | Trigger::Unconfirmed { .. } => trial.kind != TrialKind::Update,
        Trigger::BootCounter { .. }
        | Trigger::Operator { .. }
        | Trigger::Switch { .. }
        | Trigger::Panic { .. }
        | Trigger::Watchdog
        | Trigger::AgentCrash { .. }
        | Trigger::Initrd { .. }
        | Trigger::Other(_) => false,
    };
    match trial.fallback {
        Some(fallback) if !stays => {
            let booted = &observed.booted.root;
            let has_booted = |id| {
                observed
                    .generations
                    .get(&id)
                    .is_some_and(|g| g.os.root == *booted)
            };
            // The boot loader may have gone further back than to the fallback.
            let elsewhere = !has_booted(trial.generation) && !has_booted(fallback);
            let runs = generation_of_root(&observed.state, &observed.generations, booted);
            runs.filter(|_| elsewhere).map_or(fallback, |(id, _)| id)
        }
        Some(_) | None => trial.generation,
    }
}

fn carry_out(mut draft: Draft<'_>, trial: &Trial, verdict: &Verdict) -> Result<Plan, Blocked> {
    let tried = draft.generation(trial.generation)?;
    let running = draft.generation(verdict.running)?;
    let stays = running.id == tried.id;
    let other_image = trial.entry.is_some();
    match trial.entry {
        Some(_) if stays => bless(&mut draft, trial, tried)?,
        Some(sequence) => {
            let keep = draft.roots_to_keep();
            draft.provide_fallback_entry(running, &keep)?;
            if let Some((_, file)) = draft.entry(sequence) {
                draft.remove_entry(&file.name);
            }
        }
        None if stays => {}
        None => {
            let means = Means::between(tried, running);
            draft.change_here(Some(tried), running, means);
        }
    }
    draft.record_verdict(verdict);
    // The records change only when the image that they will name runs. A good trial needs this too:
    // cut short in its last try before its entry was made good, the machine comes up in the old one.
    let other_runs = other_image && draft.observed.booted.root != running.os.root;
    let limit = draft.policy.switch_attempts.saturating_mul(2);
    let must_restart = other_runs && trial.attempts < limit;
    let mut by = Means::between(tried, running).min(Means::Config);
    if must_restart {
        let attempts = trial.attempts.saturating_add(1);
        let next = Trial {
            attempts,
            ..trial.clone()
        };
        draft.state.trial = Some(next);
        draft.record_state();
        by = draft.leave_for(trial, running, Otherwise::Reboot);
    } else {
        let runs = if other_runs {
            what_runs(&draft).unwrap_or(running.id)
        } else {
            running.id
        };
        settle_on(&mut draft, trial, verdict, runs, tried);
        draft.record_state();
    }
    let (purpose, why) = words(trial, verdict);
    let interrupts = draft.interrupts(tried, running);
    let mut plan = draft.plan(purpose, why);
    plan.interrupts = interrupts;
    plan.from = Some(tried.id);
    plan.to = Some(running.id);
    if !stays {
        plan.derived = Means::between(tried, running);
        plan.used = by;
    }
    Ok(plan)
}

/// The generation of the image that runs, whatever the verdict says.
fn what_runs(draft: &Draft<'_>) -> Option<GenerationId> {
    let Observed {
        generations,
        booted,
        ..
    } = draft.observed;
    generation_of_root(&draft.state, generations, &booted.root).map(|(id, _)| id)
}

/// Makes the trial's entry a good one.
fn bless(draft: &mut Draft<'_>, trial: &Trial, tried: &Generation) -> Result<(), Blocked> {
    let Some(sequence) = trial.entry else {
        return Ok(());
    };
    let keep = draft.roots_to_keep();
    draft.provide_uki(tried, &keep)?;
    let entry = Entry::new(&tried.os.version, sequence, tried.os.root.clone());
    let good = EntryName {
        sequence,
        counter: None,
    };
    match draft.entry(sequence) {
        Some((name, file)) if file.content == entry.content() => {
            if name != good {
                draft.rename_entry(name, good);
            }
        }
        // Lost or damaged under way: it boots all the same, so it gets a good one.
        Some((name, file)) => {
            draft.write_entry(&entry, None);
            if name != good {
                draft.remove_entry(&file.name);
            }
        }
        None => draft.write_entry(&entry, None),
    }
    Ok(())
}

/// The records after the verdict.
fn settle_on(
    draft: &mut Draft<'_>,
    trial: &Trial,
    verdict: &Verdict,
    running: GenerationId,
    tried: &Generation,
) {
    let fallback = trial
        .fallback
        .and_then(|id| draft.observed.generations.get(&id));
    let state = &mut draft.state;
    state.trial = None;
    state.current = Some(running);
    state.next_verdict = state.next_verdict.max(verdict.number.saturating_add(1));
    let status = if verdict.good {
        GenerationStatus::Good
    } else {
        GenerationStatus::Failed
    };
    state.generations.insert(tried.id, status);
    if verdict.good {
        state
            .held
            .retain(|held| !tried.manifests().any(|manifest| *manifest == held.manifest));
    } else if let Some(fallback) = fallback {
        for held in held_images(tried, fallback) {
            if state
                .held
                .iter()
                .all(|known| known.manifest != held.manifest)
            {
                state.held.push(held);
            }
        }
        let excess = state.held.len().saturating_sub(MAX_HELD);
        state.held.drain(..excess);
    }
}

/// The images of `tried` that the generation before it did not have.
fn held_images(tried: &Generation, fallback: &Generation) -> Vec<Held> {
    let containers = tried
        .containers
        .values()
        .map(|image| (&image.manifest, &image.root));
    std::iter::once((&tried.os.manifest, &tried.os.root))
        .chain(containers)
        .filter(|(manifest, _)| fallback.manifests().all(|known| known != *manifest))
        .map(|(manifest, root)| Held {
            manifest: manifest.clone(),
            root: root.clone(),
            generation: tried.id,
        })
        .collect()
}

/// Judges the current generation again, which is no trial: it failed its gate and stayed, and now
/// it may pass.
fn judge_again(
    observed: &Observed,
    policy: &Policy,
    trigger: &Trigger,
    log: &[String],
    now: Timestamp,
) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    let current = draft.state.current.ok_or(Blocked::NoTrial)?;
    let status = match trigger {
        Trigger::Gate => GenerationStatus::Good,
        Trigger::Check { .. } => GenerationStatus::Failed,
        Trigger::BootCounter { .. }
        | Trigger::Operator { .. }
        | Trigger::Unconfirmed { .. }
        | Trigger::Switch { .. }
        | Trigger::Panic { .. }
        | Trigger::Watchdog
        | Trigger::AgentCrash { .. }
        | Trigger::Initrd { .. }
        | Trigger::Other(_) => return Err(Blocked::NoTrial),
    };
    let verdict = Verdict {
        format: VERDICT_FORMAT,
        number: draft.state.next_verdict,
        generation: current,
        good: *trigger == Trigger::Gate,
        running: current,
        trigger: trigger.clone(),
        at: now,
        log: newest(log),
        checks: observed.checks.clone(),
    };
    draft.record_verdict(&verdict);
    draft.state.next_verdict = draft.state.next_verdict.saturating_add(1);
    draft.state.generations.insert(current, status);
    draft.record_state();
    let mut plan = draft.plan(
        format!("judge generation {current} again"),
        "its gate has decided anew",
    );
    plan.to = Some(current);
    Ok(plan)
}

fn newest(log: &[String]) -> Vec<String> {
    log[log.len().saturating_sub(VERDICT_LOG_LINES)..].to_vec()
}

fn words(trial: &Trial, verdict: &Verdict) -> (String, String) {
    let tried = trial.generation;
    let purpose = if verdict.running != tried {
        format!(
            "go back from generation {tried} to generation {}",
            verdict.running
        )
    } else if verdict.good {
        format!("commit generation {tried}")
    } else {
        format!("stay on generation {tried}, which failed")
    };
    (purpose, verdict.trigger.to_string())
}
