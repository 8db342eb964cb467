//! A model of a whole node: disk, ESP, boot loader, machine and executor. Every step is an effect
//! before which the power may be cut or the agent killed.

mod effects;
mod images;
mod invariants;

pub(crate) use images::{generation, os};

use images::{fails_gate, hangs_late, has_no_agent, is_dead, panics_late};
use orlop_config::{Digest, RootDigest};
use orlop_core::boot::{
    AgentFailure, BootSequence, Booted, CrashLog, Entry, Remains, loader, resolve_boot, used_up,
};
use orlop_core::{
    Action, Asker, BootId, Ends, Esp, Event, Generation, GenerationId, Goal, Machine, NodeState,
    Observed, OsImage, Plan, Policy, Step, Then, Timestamp, Trigger, Uptime, Verdict, plan,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The size of every UKI, and of the ESP: room for three of them and the policy's reserve.
const UKI_SIZE: u64 = 60 << 20;
const ESP_SIZE: u64 = 3 * UKI_SIZE + (2 << 20);
/// More boots than any scenario needs: a node that has not settled by then never will.
const MAX_BOOTS: u32 = 80;

/// What is cut, and before which effect, counted from the node's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    /// The power: RAM and running processes are gone.
    Power(u32),
    /// The agent: the machine runs on.
    Agent(u32),
}

impl Cut {
    fn at(self) -> u32 {
        match self {
            Self::Power(at) | Self::Agent(at) => at,
        }
    }
}

/// What an operator does.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Stages this and applies it.
    Switch(Box<Generation>),
    /// Goes back.
    RollBack,
}

/// What the machine tells of its last run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Nothing: it has neither pstore nor watchdog.
    Nothing,
    /// All.
    All,
}

/// Why the executor stopped.
enum Stop {
    /// Nothing is left to do.
    Quiet,
    Power,
    AgentKilled,
    Rebooting,
    /// Userspace is started anew on this image, by the same kernel.
    Swapping(RootDigest),
    /// The kernel died.
    Panic,
    /// The watchdog bit.
    Hang,
}

/// The node. What a power cut leaves is everything down to `esp`.
pub(crate) struct Node {
    pub(crate) state: Option<NodeState>,
    pub(crate) generations: BTreeMap<GenerationId, Generation>,
    pub(crate) verdicts: BTreeMap<u32, Verdict>,
    pub(crate) esp: Esp,
    configs: BTreeSet<Digest>,
    telling: Telling,
    /// What pstore, the watchdog and the note-taker have left.
    remains: Remains,
    /// What runs.
    booted: Option<RootDigest>,
    boots: u32,
    pub(crate) machine: Machine,
    /// What the store has.
    images: BTreeMap<RootDigest, OsImage>,
    effects: u32,
    cuts: Vec<Cut>,
    first: Generation,
    order: Option<Generation>,
    /// So often the machine is restarted in good order before a gate decides.
    pub(crate) orderly_restarts: u32,
    /// So often the power is lost before a gate decides.
    pub(crate) power_losses: u32,
}

impl Node {
    /// A machine that was just installed with `first`.
    pub(crate) fn installed(first: Generation, mut cuts: Vec<Cut>) -> Self {
        cuts.sort_by_key(|cut| std::cmp::Reverse(cut.at()));
        let entry = Entry::new(&first.os.version, BootSequence(1), first.os.root.clone());
        let esp = Esp {
            entries: vec![entry.file(None)],
            ukis: BTreeMap::from([(first.os.root.clone(), UKI_SIZE)]),
            free: ESP_SIZE - UKI_SIZE,
        };
        Self {
            state: None,
            generations: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            esp,
            configs: BTreeSet::new(),
            telling: Telling::Nothing,
            remains: Remains::default(),
            booted: None,
            boots: 0,
            machine: Machine::new(),
            images: BTreeMap::from([(first.os.root.clone(), first.os.clone())]),
            effects: 0,
            cuts,
            first,
            order: None,
            orderly_restarts: 0,
            power_losses: 0,
        }
    }

    /// The same with a machine that tells how its last run ended.
    pub(crate) fn telling(self) -> Self {
        Self {
            telling: Telling::All,
            ..self
        }
    }

    pub(crate) fn effects(&self) -> u32 {
        self.effects
    }

    pub(crate) fn current(&self) -> Option<GenerationId> {
        self.state.as_ref()?.current
    }

    /// Boots until nothing is left to do.
    pub(crate) fn run(&mut self) {
        self.boot();
        self.run_on(VecDeque::new());
    }

    /// Carries out an operator's order; where it was cut short, the operator orders it again.
    pub(crate) fn obey(&mut self, order: &Order) {
        let event = match order {
            Order::Switch(generation) => {
                self.images
                    .insert(generation.os.root.clone(), generation.os.clone());
                self.order = Some((**generation).clone());
                Event::StageRequested {
                    then: Then::Apply {
                        mode: None,
                        confirm: None,
                    },
                }
            }
            Order::RollBack => Event::RollBackRequested {
                mode: None,
                to: None,
                caller: "uid 0".to_owned(),
            },
        };
        loop {
            let before = self.state.clone().unwrap();
            let cuts_before = self.cuts.len();
            self.run_on(VecDeque::from([event.clone()]));
            let after = self.state.as_ref().unwrap();
            let forgotten =
                after.current == before.current && after.next_verdict == before.next_verdict;
            // Without a cut it was refused, and is so again.
            if !forgotten || self.cuts.len() == cuts_before {
                return;
            }
        }
    }

    fn run_on(&mut self, mut events: VecDeque<Event>) {
        if self.booted.is_some() && events.is_empty() {
            events.push_back(self.agent_starts());
        }
        loop {
            match self.executor(&mut events) {
                Stop::Quiet => return,
                Stop::AgentKilled => {}
                Stop::Power | Stop::Rebooting => self.boot(),
                Stop::Swapping(root) => self.swap(root),
                Stop::Panic => self.reset_by(true),
                Stop::Hang => self.reset_by(false),
            }
            events = VecDeque::from([self.agent_starts()]);
        }
    }

    /// A panic leaves its words, a hang the watchdog's mark; on a machine that has them.
    fn reset_by(&mut self, panic: bool) {
        let lines = vec!["Kernel panic - not syncing: late".to_owned()];
        if self.telling == Telling::All && panic {
            let id = format!("crash of boot {}", self.boots);
            self.remains.crashes.push(CrashLog {
                id,
                files: vec![],
                lines,
            });
        }
        self.boot();
        self.remains.watchdog = self.telling == Telling::All && !panic;
    }

    fn remains(&self) -> Remains {
        Remains {
            telling: self.telling == Telling::All,
            ..self.remains.clone()
        }
    }

    /// What the unit does that systemd starts when the agent cannot stay up: it notes it, marks the
    /// trial's entry as used up, and restarts the machine.
    fn note_failure(&mut self, root: &RootDigest) {
        let trial = self.state.as_ref().and_then(|state| state.trial.as_ref());
        let boot = BootId(format!("boot {}", self.boots));
        let (generation, detail) = (trial.map(|trial| trial.generation), "again".to_owned());
        let root = Some(root.clone());
        let note = AgentFailure::new(root, boot, generation, detail, Timestamp(3000));
        self.remains.agent = Some(note);
        if let Some(trial) = trial
            && let Some((from, to)) = used_up(trial, &self.esp.entries)
        {
            self.apply(&Step::RenameEntry { from, to });
        }
    }

    /// Firmware and boot loader, again and again until an image comes up.
    fn boot(&mut self) {
        loop {
            self.boots += 1;
            self.remains.watchdog = false;
            assert!(self.boots < MAX_BOOTS, "never settles");
            let esp = &mut self.esp;
            let ukis = &esp.ukis;
            let has = |path: &str| {
                ukis.keys()
                    .any(|root| orlop_core::paths::uki_on_esp(root) == path)
            };
            let choice = loader::choose(&esp.entries, has).expect("nothing to boot");
            if let Some(name) = choice.rename {
                let file = esp
                    .entries
                    .iter_mut()
                    .find(|file| file.name == choice.entry.name);
                file.unwrap().name = name;
            }
            let root = Entry::read(&choice.entry.content).unwrap().root;
            let version = &self.images[&root].version;
            if is_dead(version) {
                continue;
            }
            if has_no_agent(version) {
                self.note_failure(&root);
                continue;
            }
            self.booted = Some(root);
            return;
        }
    }

    /// A userspace that does not come up is ended by the watchdog.
    fn swap(&mut self, root: RootDigest) {
        let version = &self.images[&root].version;
        if is_dead(version) {
            self.boot();
        } else if has_no_agent(version) {
            self.note_failure(&root);
            self.boot();
        } else {
            self.booted = Some(root);
        }
    }

    fn agent_starts(&mut self) -> Event {
        self.machine = Machine::new();
        // What an earlier start has taken into account is removed.
        if let Some(state) = &self.state {
            self.remains = self.remains.unseen(&state.remains_seen);
        }
        self.resolve()
    }

    fn resolve(&self) -> Event {
        let observed = self.observed();
        Event::Booted(resolve_boot(
            self.state.as_ref(),
            &self.generations,
            &observed.booted,
            &self.esp.entries,
            &Policy::default(),
        ))
    }

    fn observed(&self) -> Observed {
        let first = || NodeState::first(BootSequence::after(&self.esp.entries));
        Observed {
            state: self.state.clone().unwrap_or_else(first),
            generations: self.generations.clone(),
            booted: Booted {
                root: self.booted.clone().unwrap(),
                boot: BootId(format!("boot {}", self.boots)),
                remains: self.remains(),
            },
            uptime: Uptime(1000),
            esp: self.esp.clone(),
            uki_sizes: self
                .images
                .keys()
                .map(|root| (root.clone(), UKI_SIZE))
                .collect(),
            configs: BTreeMap::new(),
            checks: Vec::new(),
            config_files: self.configs.clone(),
            verdicts: BTreeMap::new(),
        }
    }

    fn executor(&mut self, events: &mut VecDeque<Event>) -> Stop {
        while let Some(event) = events.pop_front() {
            let actions = self.machine.on(event).expect("an illegal event");
            for action in actions {
                match action {
                    Action::PrepareFirst => {
                        let config = "first config".to_owned();
                        let generation = Box::new(self.first.clone());
                        events.push_back(Event::FirstReady { generation, config });
                    }
                    Action::Fetch => {
                        let generation = Box::new(self.order.clone().unwrap());
                        let (config, asker) = ("a config".to_owned(), Asker::Operator);
                        events.push_back(Event::StageDone {
                            generation,
                            config,
                            asker,
                        });
                    }
                    Action::Resolve => events.push_back(self.resolve()),
                    Action::Reconcile | Action::StopGate => {}
                    Action::StartGate if self.orderly_restarts > 0 => {
                        self.orderly_restarts -= 1;
                        return self.stop_in_good_order();
                    }
                    Action::StartGate if self.power_losses > 0 => {
                        self.power_losses -= 1;
                        return Stop::Power;
                    }
                    Action::StartGate if self.state.as_ref().unwrap().trial.is_some() => {
                        let version = &self.images[self.booted.as_ref().unwrap()].version;
                        if panics_late(version) {
                            return Stop::Panic;
                        }
                        if hangs_late(version) {
                            return Stop::Hang;
                        }
                        events.extend(self.gate());
                    }
                    Action::StartGate => events.extend(self.gate()),
                    Action::Run(goal) => match self.carry_out(&goal) {
                        Ok(event) => events.push_front(event),
                        Err(stop) => return stop,
                    },
                }
            }
            self.check_invariants();
        }
        Stop::Quiet
    }

    /// What the agent does when the machine goes down, and then the machine.
    fn stop_in_good_order(&mut self) -> Stop {
        for action in self.machine.on(Event::SystemStopping).unwrap() {
            if let Action::Run(goal) = action
                && let Err(stop) = self.carry_out(&goal)
            {
                return stop;
            }
        }
        Stop::Rebooting
    }

    /// The gate's verdict on what runs. A degraded node goes on failing, which ends nothing.
    fn gate(&self) -> Option<Event> {
        let state = self.state.as_ref().unwrap();
        let trial = state.trial.is_some();
        let running = &self.generations[&state.running().unwrap()];
        match (fails_gate(running), trial) {
            (false, _) => Some(Event::GatePassed),
            (true, true) => Some(Event::GateFailed {
                trigger: Trigger::Check {
                    check: "container web".to_owned(),
                    detail: "unhealthy".to_owned(),
                },
                log: vec!["no".to_owned()],
            }),
            (true, false) => None,
        }
    }

    fn carry_out(&mut self, goal: &Goal) -> Result<Event, Stop> {
        let plan: Plan = match plan(&self.observed(), goal, &Policy::default(), Timestamp(2000)) {
            Ok(plan) => plan,
            Err(blocked) => {
                return Ok(Event::StepsFailed {
                    detail: blocked.to_string(),
                });
            }
        };
        for step in &plan.steps {
            self.effects += 1;
            match self.cuts.last().copied() {
                Some(cut) if cut.at() == self.effects => {
                    self.cuts.pop();
                    return Err(match cut {
                        Cut::Power(_) => Stop::Power,
                        Cut::Agent(_) => Stop::AgentKilled,
                    });
                }
                Some(_) | None => self.apply(step),
            }
            self.check_invariants();
        }
        match plan.ends() {
            Ends::Here => Ok(Event::StepsDone(Ends::Here)),
            Ends::Rebooting => Err(match plan.steps.last() {
                Some(Step::SwapRoot { root, .. }) => Stop::Swapping(root.clone()),
                _ => Stop::Rebooting,
            }),
        }
    }

    /// What ended the trial of the newest verdict.
    pub(crate) fn newest_trigger(&self) -> Option<&Trigger> {
        self.verdicts
            .values()
            .next_back()
            .map(|verdict| &verdict.trigger)
    }
}
