//! A model of a whole node: disk, ESP, boot loader, machine and executor. Every step is an effect
//! before which the power may be cut or the agent killed.

use orlop_config::{Digest, RootDigest};
use orlop_core::boot::{
    AgentFailure, BootSequence, Booted, CrashLog, Entry, EntryFile, EntryName, Remains, loader,
    resolve_boot, used_up,
};
use orlop_core::{
    Action, Asker, BootId, ContainerImage, Ends, Esp, Event, Generation, GenerationId, Goal,
    Machine, NodeState, Observed, Origin, OsImage, Plan, Policy, Step, Then, Timestamp, Trigger,
    Uptime, Verdict, plan,
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

/// How an OS image, config or container behaves, by a word in its name.
fn is_dead(version: &str) -> bool {
    version.contains("dead")
}

/// Its kernel panics when the gate begins to judge.
fn panics_late(version: &str) -> bool {
    version.contains("panics")
}

/// It hangs when the gate begins to judge, and the watchdog bites.
fn hangs_late(version: &str) -> bool {
    version.contains("hangs")
}

/// Its agent never stays up.
fn has_no_agent(version: &str) -> bool {
    version.contains("no agent")
}

fn fails_gate(generation: &Generation) -> bool {
    generation.os.version.contains("sick")
        || generation.origin == Origin::Config && is_sick_config(generation)
        || generation
            .containers
            .values()
            .any(|image| image.reference.contains("sick"))
}

fn is_sick_config(generation: &Generation) -> bool {
    generation.config == Digest::of(b"sick config")
}

pub(crate) fn os(version: &str, kernel: &str) -> OsImage {
    OsImage {
        reference: format!("registry/os:{version}"),
        manifest: Digest::of(format!("manifest {version}").as_bytes()),
        root: root(version),
        version: version.to_owned(),
        boot: Digest::of(kernel.as_bytes()),
    }
}

pub(crate) fn root(version: &str) -> RootDigest {
    Digest::of(format!("root {version}").as_bytes())
        .hex()
        .parse()
        .unwrap()
}

pub(crate) fn generation(os: OsImage, config: &str, web: &str) -> Generation {
    let image = ContainerImage {
        reference: format!("registry/web:{web}"),
        manifest: Digest::of(format!("web {web}").as_bytes()),
        root: root(&format!("web {web}")),
    };
    Generation {
        id: GenerationId(0),
        os,
        config: Digest::of(config.as_bytes()),
        containers: BTreeMap::from([("web".to_owned(), image)]),
        created: Timestamp(1000),
        origin: Origin::Config,
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

    fn apply(&mut self, step: &Step) {
        match step {
            Step::WriteConfig { path, .. } => {
                let hex = path.rsplit('/').next().unwrap().trim_end_matches(".toml");
                self.configs
                    .insert(format!("sha256:{hex}").parse().unwrap());
            }
            Step::WriteGeneration { generation, .. } => {
                assert!(
                    self.configs.contains(&generation.config),
                    "a name before its content"
                );
                self.generations
                    .insert(generation.id, (**generation).clone());
            }
            Step::RemoveGeneration { generation, .. } => {
                self.generations.remove(generation);
            }
            Step::RecordState { state, .. } => {
                self.state = Some(NodeState::decode(&state.encode()).unwrap());
            }
            Step::RecordVerdict { verdict, .. } => {
                let read = Verdict::decode(&verdict.encode()).unwrap();
                self.verdicts.insert(verdict.number, read);
            }
            Step::WriteUki { root, size, .. } => {
                assert!(*size <= self.esp.free, "the ESP is full");
                self.esp.free -= size;
                self.esp.ukis.insert(root.clone(), *size);
            }
            Step::RemoveUki { root, .. } => {
                self.esp.free += self.esp.ukis.remove(root).unwrap_or_default();
            }
            Step::WriteEntry { path, content } => {
                let name = file_name(path);
                self.esp.entries.retain(|file| file.name != name);
                self.esp.entries.push(EntryFile {
                    name,
                    content: content.clone(),
                });
            }
            Step::RenameEntry { from, to } => {
                let (from, to) = (file_name(from), file_name(to));
                for file in self.esp.entries.iter_mut().filter(|file| file.name == from) {
                    file.name.clone_from(&to);
                }
            }
            Step::RemoveEntry { path } => {
                let name = file_name(path);
                self.esp.entries.retain(|file| file.name != name);
            }
            Step::RemoveConfig { path } => {
                self.configs
                    .retain(|config| orlop_core::paths::config(config) != *path);
            }
            Step::RemoveVerdict { .. } => {}
            Step::RenderEtc { config, .. } => assert!(self.configs.contains(config)),
            Step::ReplaceContainers { generation, .. } => {
                assert!(self.generations.contains_key(generation));
            }
            Step::SwapRoot { .. } | Step::Reboot => {}
        }
    }

    /// What must hold after every single effect.
    fn check_invariants(&self) {
        let mut numbers = BTreeSet::new();
        for file in &self.esp.entries {
            let entry = Entry::read(&file.content).unwrap();
            let name: EntryName = file.name.parse().unwrap();
            assert!(
                self.esp.ukis.contains_key(&entry.root),
                "{} before its UKI",
                file.name
            );
            assert!(numbers.insert(name.sequence), "two entries with one number");
        }
        let good = self
            .esp
            .entries
            .iter()
            .filter(|file| !file.name.contains('+'));
        let newest = good
            .filter_map(|file| Entry::read(&file.content))
            .max_by_key(|entry| entry.sequence)
            .expect("no good entry");
        assert!(
            !is_dead(&self.images[&newest.root].version)
                && !has_no_agent(&self.images[&newest.root].version),
            "the good entry does not boot"
        );
        if let Some(state) = &self.state {
            for id in state.generations.keys() {
                assert!(
                    self.generations.contains_key(id),
                    "generation {id} before its file"
                );
            }
            if let Some(armed) = state.trial.as_ref().and_then(|trial| trial.entry) {
                assert!(armed < state.next_boot);
            }
        }
    }

    /// What must hold when nothing is left to do.
    pub(crate) fn check_settled(&self) {
        let state = self.state.as_ref().expect("no state");
        assert_eq!(state.trial, None, "the trial goes on");
        let current = &self.generations[&state.current.unwrap()];
        assert_eq!(
            self.booted.as_ref(),
            Some(&current.os.root),
            "another image runs"
        );
        let names: Vec<_> = self
            .esp
            .entries
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        assert!(
            names.iter().all(|name| !name.contains('+')),
            "left over: {names:?}"
        );
        assert_eq!(
            names.len(),
            self.esp.ukis.len(),
            "an entry for each UKI: {names:?}"
        );
        assert!(
            names.len() <= 2,
            "what is current, and what to go back to: {names:?}"
        );
        let next = loader::choose(&self.esp.entries, |_| true).unwrap();
        assert_eq!(
            Entry::read(&next.entry.content).unwrap().root,
            current.os.root
        );
        for (id, generation) in &self.generations {
            let known =
                state.generations.contains_key(id) || generation.id == state.next_generation;
            assert!(known, "generation {id} is left over");
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

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}
