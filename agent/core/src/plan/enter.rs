//! The moment at which a trial begins to run, and the tries that a power loss took from it.

use super::draft::Draft;
use super::ending::measure;
use super::{Blocked, Observed, Plan, Policy};
use crate::boot::{Counter, EntryName};
use crate::{Timestamp, TrialStage};

/// Tries that a power loss took.
enum Lost {
    /// The boot loader counted them: the entry's name, and the one that counts this boot alone.
    Counted { from: EntryName, to: EntryName },
    /// The agent counts them.
    Boot,
}

/// Notes that the trial runs. Tries that it lost without failing are given back, within the policy's
/// limit.
pub(super) fn enter(observed: &Observed, policy: &Policy, now: Timestamp) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    let lost = lost_tries(&draft);
    let trial = draft.state.trial.as_mut().ok_or(Blocked::NoTrial)?;
    if matches!(trial.stage, TrialStage::Ending { .. }) {
        return Err(Blocked::NoTrial);
    }
    let generation = trial.generation;
    let lost = lost.filter(|_| trial.given_back < policy.give_backs);
    if lost.is_some() {
        trial.given_back = trial.given_back.saturating_add(1);
    } else if trial.boot != observed.booted.boot {
        trial.boots = trial.boots.saturating_add(1);
    }
    trial.stage = TrialStage::Running;
    trial.boot = observed.booted.boot.clone();
    trial.gate_started = Some(observed.uptime);
    measure(trial, observed, now);
    // Counted before it is given back: cut short in between, there is no more than that to give.
    draft.record_state();
    let mut why = "it runs";
    if let Some(lost) = lost {
        why = "it runs; the tries that a power loss took are given back";
        if let Lost::Counted { from, to } = lost {
            draft.rename_entry(from, to);
        }
    }
    let mut plan = draft.plan(format!("begin the trial of generation {generation}"), why);
    plan.to = Some(generation);
    Ok(plan)
}

/// The tries that boots before this one took, where the machine tells that none of them failed.
fn lost_tries(draft: &Draft<'_>) -> Option<Lost> {
    let trial = draft.state.trial.as_ref()?;
    let booted = &draft.observed.booted;
    let remains = booted.remains.unseen(&draft.observed.state.remains_seen);
    if trial.boot == booted.boot || !remains.tell_of_no_failure() {
        return None;
    }
    let Some(sequence) = trial.entry else {
        return Some(Lost::Boot).filter(|_| trial.stage == TrialStage::Running);
    };
    let (from, _) = draft.entry(sequence)?;
    from.counter.filter(|counter| counter.done > 1)?;
    let this_boot = Counter {
        left: trial.tries.saturating_sub(1),
        done: 1,
    };
    let to = EntryName {
        sequence,
        counter: Some(this_boot),
    };
    Some(Lost::Counted { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::{BootSequence, CrashLog, Entry, Remains};
    use crate::sample::{booted, generation, node, root, trial};
    use crate::{Step, Trial};

    /// Generation 2 on trial, up again in boot `b3` with this counter and these remains.
    fn up_again(counter: (u32, u32), remains: Remains) -> Observed {
        let mut observed = node(&[generation(2, "2")]);
        let (left, done) = counter;
        let entry = Entry::new("2", BootSequence(2), root("2"));
        let file = entry.file(Some(Counter { left, done }));
        observed.esp.entries.push(file);
        observed.booted = booted("2", "b3");
        observed.booted.remains = remains;
        observed.state.trial = Some(trial(Some(2), TrialStage::Running));
        observed
    }

    fn telling() -> Remains {
        Remains {
            telling: true,
            ..Remains::default()
        }
    }

    /// The trial as it is recorded, and the entry's new name.
    fn entered(observed: &Observed) -> (Trial, Option<String>) {
        let plan = enter(observed, &Policy::default(), Timestamp(2000)).unwrap();
        let mut steps = plan.steps.into_iter();
        let Some(Step::RecordState { state, .. }) = steps.next() else {
            panic!("the state is recorded first");
        };
        assert_eq!(state.remains_seen, observed.booted.remains.ids());
        let name = steps.next().map(|step| match step {
            Step::RenameEntry { to, .. } => to.rsplit('/').next().unwrap().to_owned(),
            other => panic!("{other:?}"),
        });
        (state.trial.unwrap(), name)
    }

    #[test]
    fn tries_that_a_power_loss_took_are_given_back_but_for_the_one_that_runs() {
        for counter in [(1, 2), (0, 3)] {
            let (trial, name) = entered(&up_again(counter, telling()));
            assert_eq!(name.as_deref(), Some("orlop-2+2-1.conf"));
            assert_eq!((trial.given_back, trial.boots), (1, 0));
        }
        // The first boot of the trial: nothing is lost.
        let (trial, name) = entered(&up_again((2, 1), telling()));
        assert_eq!((name, trial.given_back), (None, 0));
    }

    #[test]
    fn nothing_is_given_back_where_the_machine_cannot_tell_or_tells_of_a_failure() {
        let crashes = vec![CrashLog {
            id: "1".to_owned(),
            files: vec![],
            lines: vec![],
        }];
        let crashed = Remains {
            crashes,
            ..telling()
        };
        let hung = Remains {
            watchdog: true,
            ..telling()
        };
        for remains in [Remains::default(), crashed, hung] {
            let (trial, name) = entered(&up_again((1, 2), remains));
            assert_eq!((name, trial.given_back, trial.boots), (None, 0, 1));
        }
    }

    #[test]
    fn tries_are_not_given_back_for_ever() {
        let mut observed = up_again((1, 2), telling());
        observed.state.trial.as_mut().unwrap().given_back = Policy::default().give_backs;
        let (trial, name) = entered(&observed);
        assert_eq!((name, trial.boots), (None, 1));
        assert_eq!(trial.given_back, Policy::default().give_backs);
    }

    #[test]
    fn a_power_loss_in_a_trial_of_the_same_image_does_not_count_either() {
        let mut observed = up_again((1, 2), telling());
        observed.state.trial = Some(trial(None, TrialStage::Running));
        let (trial, name) = entered(&observed);
        assert_eq!((name, trial.boots, trial.given_back), (None, 0, 1));
    }
}
