//! What is asked of the planner.

use super::switch::Order;
use super::{
    Blocked, Ends, Means, Observed, Policy, Step, ending, enter, pin, release, settle, stage,
    switch,
};
use crate::{Generation, GenerationId, Timestamp, TrialStage, Trigger};
use orlop_api::Mode;
use std::time::Duration;

/// On whose behalf an image is staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The agent's update policy: a held image stays out.
    Agent,
    /// A person or program at a front door.
    Operator,
}

/// What is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Record a generation, fetched and verified, to be applied later.
    Stage {
        /// The generation. The plan gives it its id, whatever it says here: `Plan::to`.
        generation: Box<Generation>,
        /// Its TOML.
        config: String,
        /// On whose behalf.
        asker: Asker,
    },
    /// Record the node's first generation and start it, on trial without a fallback.
    Begin {
        /// The generation; its OS is the one that runs. The plan gives it its id.
        generation: Box<Generation>,
        /// Its TOML.
        config: String,
    },
    /// Switch to the staged generation, on trial.
    Apply {
        /// How another OS image is entered; none leaves it to the generation's config.
        mode: Option<Mode>,
        /// How long there is to confirm it, where it has to be: without, it goes back by itself.
        confirm: Option<Duration>,
    },
    /// Switch to an earlier good generation by the operator's order: out of a trial, back to the
    /// fallback; else to `to`, or to the newest good one before the current.
    RollBack {
        /// Which; none picks.
        to: Option<GenerationId>,
        /// As for `Apply`; out of a trial it goes back the way that it came.
        mode: Option<Mode>,
        /// Who ordered it.
        caller: String,
    },
    /// Go on with the switch or the ending that was cut short.
    GoOn,
    /// Note that the trial runs, in which run of the machine, and that its gate begins now.
    Enter,
    /// End the trial by this; without a trial, judge the current generation again.
    End {
        /// What decided.
        trigger: Trigger,
        /// The last log lines of what failed.
        log: Vec<String>,
    },
    /// The machine goes down in good order in the middle of a trial: this boot shall not count.
    GiveTryBack,
    /// Note that the operator lets the trial stay, if its gate does.
    Confirm {
        /// Who.
        caller: String,
    },
    /// Let the agent try an image again that failed.
    Release {
        /// Its manifest's digest or the beginning of it, with `sha256:` or without.
        digest: String,
    },
    /// Keep a good generation until it is unpinned.
    Pin {
        /// Which.
        generation: GenerationId,
    },
    /// Keep a generation no longer than others.
    Unpin {
        /// Which.
        generation: GenerationId,
    },
    /// No switch is under way and this generation runs: make records and ESP agree with that.
    Settle {
        /// What runs.
        generation: GenerationId,
    },
}

/// What has to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it is for, a phrase: `switch to generation 2`.
    pub purpose: String,
    /// The generation that it starts from.
    pub from: Option<GenerationId>,
    /// The generation that it is about; it runs when the plan has been carried out and the machine,
    /// where that is the last step, restarted. Except for staging, of course.
    pub to: Option<GenerationId>,
    /// What the difference takes.
    pub derived: Means,
    /// What is used for it.
    pub used: Means,
    /// Why, a sentence for people.
    pub why: String,
    /// What a switch interrupts, and for about how long, a phrase each.
    pub interrupts: Vec<String>,
    /// What of the old config stays in force until the machine restarts, a phrase each.
    pub stays: Vec<String>,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Plan {
    /// What state the machine is in after the last step.
    pub fn ends(&self) -> Ends {
        match self.steps.last() {
            Some(Step::Reboot | Step::SwapRoot { .. }) => Ends::Rebooting,
            _ => Ends::Here,
        }
    }
}

/// The plan that reaches `goal`.
///
/// # Errors
/// Where the goal cannot be reached from here; nothing has been changed then.
pub fn plan(
    observed: &Observed,
    goal: &Goal,
    policy: &Policy,
    now: Timestamp,
) -> Result<Plan, Blocked> {
    match goal {
        Goal::Stage {
            generation,
            config,
            asker,
        } => stage::stage(observed, policy, generation, config, *asker),
        Goal::Begin { generation, config } => {
            stage::begin(observed, policy, generation, config, now)
        }
        Goal::Apply { mode, confirm } => {
            let ask = switch::Ask {
                mode: *mode,
                confirm: *confirm,
            };
            switch::apply(observed, policy, ask, now)
        }
        Goal::RollBack { to, mode, caller } => {
            let order = Order {
                to: *to,
                mode: *mode,
            };
            roll_back(observed, policy, order, caller, now)
        }
        Goal::GoOn => go_on(observed, policy),
        Goal::Enter => enter::enter(observed, policy, now),
        Goal::End { trigger, log } => ending::end(observed, policy, trigger, log, now),
        Goal::GiveTryBack => ending::give_try_back(observed, policy, now),
        Goal::Confirm { caller } => ending::confirm(observed, policy, caller, now),
        Goal::Release { digest } => release::release(observed, policy, digest),
        Goal::Pin { generation } => pin::pin(observed, policy, *generation),
        Goal::Unpin { generation } => pin::unpin(observed, policy, *generation),
        Goal::Settle { generation } => settle::settle(observed, policy, *generation),
    }
}

fn roll_back(
    observed: &Observed,
    policy: &Policy,
    order: Order,
    caller: &str,
    now: Timestamp,
) -> Result<Plan, Blocked> {
    let Some(trial) = &observed.state.trial else {
        return switch::back(observed, policy, order, now);
    };
    let fallback = trial.fallback.ok_or(Blocked::NothingEarlier)?;
    if order.to.is_some_and(|to| to != fallback) {
        return Err(Blocked::TrialUnderWay {
            generation: trial.generation,
        });
    }
    let trigger = Trigger::Operator {
        caller: caller.to_owned(),
    };
    ending::end(observed, policy, &trigger, &[], now)
}

fn go_on(observed: &Observed, policy: &Policy) -> Result<Plan, Blocked> {
    let trial = observed.state.trial.as_ref().ok_or(Blocked::NoTrial)?;
    match trial.stage {
        TrialStage::Armed => switch::go_on(observed, policy, trial),
        TrialStage::Running => Err(Blocked::NoTrial),
        TrialStage::Ending { .. } => ending::go_on(observed, policy, trial),
    }
}
