//! A node in a temporary directory: real records, a real ESP directory, real boot files in a real
//! store. What is played is the machine around them: firmware, boot loader (orlop-core's model),
//! containers.

use crate::faulty::{Cut, Fate, Faulty};
use orlop_api::{Fault, FaultKind};
use orlop_config::{Digest, Refresh, RootDigest};
use orlop_core::boot::{Booted, loader};
use orlop_core::{BootId, ContainerImage, Generation, GenerationId, Origin, OsImage, Timestamp};
use orlop_image::{Store, Verity};
use orlopd::booted::Boot;
use orlopd::paths::Paths;
use orlopd::switch::Running;
use orlopd::{config, esp, records, render};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The containers of every generation.
pub(crate) const CONTAINERS: [&str; 2] = ["db", "web"];

/// The OS image that the node was made with, and those that it is updated to.
pub(crate) fn root(os: char) -> RootDigest {
    os.to_string().repeat(64).parse().unwrap()
}

/// The boot file of an OS image. Long enough that half of it is not all of it.
fn uki(os: char) -> Vec<u8> {
    os.to_string().repeat(4096).into_bytes()
}

/// The kernel of an OS image: `d` has that of `a`.
fn kernel(os: char) -> char {
    if os == 'd' { 'a' } else { os }
}

/// A TOML by which one can be told from another in `/etc`.
pub(crate) fn toml(host: &str) -> String {
    format!(
        "schema = 1\nhost = {{ name = \"{host}\" }}\n\
         [container.db]\nimage = \"r.example/db:1\"\n[container.web]\nimage = \"r.example/web:1\"\n"
    )
}

/// A generation of this OS, TOML and image of `web`.
pub(crate) fn generation(id: u64, os: char, host: &str, web: &str) -> Generation {
    let image = |name: &str| ContainerImage {
        reference: format!("r.example/{name}:1"),
        manifest: Digest::of(name.as_bytes()),
        root: Digest::of(name.as_bytes()).hex().parse().unwrap(),
    };
    Generation {
        id: GenerationId(id),
        os: OsImage {
            reference: "r.example/os:stable".into(),
            manifest: Digest::of(&uki(os)),
            root: root(os),
            version: os.to_string(),
            boot: Digest::of(format!("boot {}", kernel(os)).as_bytes()),
        },
        config: Digest::of(toml(host).as_bytes()),
        containers: [
            ("db".to_owned(), image("db")),
            ("web".to_owned(), image(web)),
        ]
        .into(),
        created: Timestamp(1),
        origin: if id == 1 {
            Origin::FirstBoot
        } else {
            Origin::Update
        },
    }
}

/// The machine around the records.
pub(crate) struct Node {
    _dir: tempfile::TempDir,
    pub(crate) paths: Paths,
    pub(crate) store: Store,
    /// Manifests of the containers that run, by name. Gone after a restart, as is `/etc`.
    pub(crate) containers: Arc<Mutex<BTreeMap<String, Digest>>>,
    /// OS images whose kernel panics.
    pub(crate) panics: Vec<char>,
    /// OS images whose agent cannot stay up.
    pub(crate) agentless: Vec<char>,
    pub(crate) booted: Option<Boot>,
    /// The OS image that userspace is about to be started anew on.
    swap: Arc<Mutex<Option<RootDigest>>>,
    boots: u64,
}

impl Node {
    /// As `orlop-image disk` makes it: OS `a` with a good entry, no records.
    pub(crate) fn new() -> Self {
        let dir = scratch();
        let paths = Paths::under(dir.path());
        fs::create_dir_all(paths.state()).unwrap();
        fs::write(paths.machine_id(), "0123456789abcdef0123456789abcdef\n").unwrap();
        let store = Store::open_or_init(&paths.store(), Verity::Off).unwrap();
        for os in ['a', 'b', 'c', 'd'] {
            let path = store.uki_path(&root(os));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, uki(os)).unwrap();
        }
        let on_esp = paths.place(&orlop_core::paths::uki(&root('a')));
        fs::create_dir_all(on_esp.parent().unwrap()).unwrap();
        fs::write(on_esp, uki('a')).unwrap();
        let entries = paths.place(orlop_core::paths::ENTRIES);
        fs::create_dir_all(&entries).unwrap();
        let entry = orlop_core::boot::Entry::new("a", orlop_core::boot::BootSequence(1), root('a'));
        fs::write(entries.join("orlop-1.conf"), entry.content()).unwrap();
        Self {
            _dir: dir,
            paths,
            store,
            containers: Arc::default(),
            panics: Vec::new(),
            agentless: Vec::new(),
            booted: None,
            swap: Arc::default(),
            boots: 0,
        }
    }

    /// What the boot loader would start, which must be whole.
    pub(crate) fn choice(&self) -> loader::Choice {
        let files = esp::entries(&self.paths).unwrap();
        let exists = |path: &str| self.paths.esp().join(path.trim_start_matches('/')).exists();
        let choice = loader::choose(&files, exists);
        choice.unwrap_or_else(|| panic!("nothing can be booted from {files:?}"))
    }

    /// The OS image that an entry starts; its boot file must be whole.
    pub(crate) fn os_of(&self, content: &str) -> char {
        let entry = orlop_core::boot::Entry::read(content).expect("our entries can be read");
        let file = self.paths.place(&orlop_core::paths::uki(&entry.root));
        let os = entry.root.as_str().chars().next().unwrap();
        assert_eq!(
            fs::read(&file).unwrap(),
            uki(os),
            "{} is whole",
            file.display()
        );
        os
    }

    /// One start of the machine, from the firmware to an agent that stays up, however many tries it
    /// takes. False where the power fails while it is noted that an agent does not.
    pub(crate) fn start(&mut self, faulty: &Arc<Faulty>) -> bool {
        self.swap.lock().unwrap().take();
        loop {
            self.containers.lock().unwrap().clear();
            let etc = self.paths.etc();
            if etc.exists() {
                fs::remove_dir_all(&etc).unwrap();
            }
            let choice = self.choice();
            let os = self.os_of(&choice.entry.content);
            if let Some(name) = &choice.rename {
                let dir = self.paths.place(orlop_core::paths::ENTRIES);
                fs::rename(dir.join(&choice.entry.name), dir.join(name)).unwrap();
            }
            self.boots += 1;
            assert!(self.boots < 40, "the machine never comes to rest");
            if self.panics.contains(&os) {
                continue;
            }
            let boot = BootId(format!("boot-{}", self.boots));
            self.booted = Some(Boot {
                booted: Booted {
                    root: root(os),
                    boot,
                    remains: orlopd::remains::gather(&self.paths),
                },
                verity: false,
            });
            self.render();
            match self.stays_up(os, faulty) {
                Some(true) => return true,
                Some(false) => {}
                None => return false,
            }
        }
    }

    /// The way down that the agent has begun: into another root, or over the boot loader.
    pub(crate) fn leave(&mut self, faulty: &Arc<Faulty>) -> bool {
        let swap = self.swap.lock().unwrap().take();
        let os = swap
            .as_ref()
            .and_then(|root| root.as_str().chars().next())
            .filter(|os| !self.panics.contains(os));
        match (os, &mut self.booted) {
            (Some(os), Some(booted)) => {
                booted.booted.root = root(os);
                fs::remove_dir_all(self.paths.etc()).unwrap();
                self.render();
                match self.stays_up(os, faulty) {
                    Some(true) => true,
                    Some(false) => self.start(faulty),
                    None => false,
                }
            }
            // A userspace that does not come up is ended by the watchdog.
            _ => self.start(faulty),
        }
    }

    /// Whether the agent of this image stays up. One that does not is noted; none where the power fails
    /// meanwhile.
    fn stays_up(&self, os: char, faulty: &Arc<Faulty>) -> Option<bool> {
        if !self.agentless.contains(&os) {
            return Some(true);
        }
        let noted = orlopd::note_failure::note(&self.paths, &**faulty, "again");
        if let Err(error) = &noted {
            // The machine restarts all the same, and the boot loader counts.
            eprintln!("{error}");
        }
        (!faulty.is_dead()).then_some(false)
    }

    /// What `orlopd render` does early in the boot.
    fn render(&self) {
        let boot = self.booted.as_ref().unwrap();
        let word = format!("{{\"root\": \"{}\", \"verity\": false}}", boot.booted.root);
        let record = self.paths.boot_json();
        fs::create_dir_all(record.parent().unwrap()).unwrap();
        fs::write(record, word).unwrap();
        render::early(&self.paths).unwrap();
    }

    /// The host name in `/etc`: which TOML is in force.
    pub(crate) fn host(&self) -> String {
        fs::read_to_string(self.paths.etc().join("hostname"))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Every file of records and ESP, for the search of leftovers.
    pub(crate) fn files(&self) -> Vec<String> {
        fn walk(dir: &Path, files: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, files),
                    false => files.push(path.display().to_string()),
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.paths.state(), &mut files);
        walk(&self.paths.esp(), &mut files);
        files
    }

    pub(crate) fn machine(&self, faulty: &Arc<Faulty>) -> PlayedMachine {
        PlayedMachine {
            paths: self.paths.clone(),
            containers: Arc::clone(&self.containers),
            swap: Arc::clone(&self.swap),
            faulty: Arc::clone(faulty),
        }
    }
}

/// The running machine: `/etc` is rendered by the real code, containers are a table, and each of
/// the three is a point at which the power may fail.
pub(crate) struct PlayedMachine {
    paths: Paths,
    pub(crate) containers: Arc<Mutex<BTreeMap<String, Digest>>>,
    swap: Arc<Mutex<Option<RootDigest>>>,
    faulty: Arc<Faulty>,
}

fn refused() -> Fault {
    Fault::new(FaultKind::Internal, "the machine has failed")
}

impl PlayedMachine {
    fn at_point(&self, name: &str, act: impl FnOnce(bool)) -> Result<(), Fault> {
        match self.faulty.fate(name) {
            Fate::Whole => {
                act(false);
                Ok(())
            }
            Fate::Dead | Fate::Cut(Cut::Before | Cut::TornRename | Cut::Fails) => Err(refused()),
            Fate::Cut(Cut::TornContent) => {
                act(true);
                Err(refused())
            }
            Fate::Cut(Cut::After) => {
                act(false);
                Err(refused())
            }
        }
    }

    /// What the runtime does for `Action::Reconcile`.
    pub(crate) fn reconcile(&self, generation: &Generation) {
        let images = generation.containers.iter();
        *self.containers.lock().unwrap() = images
            .map(|(name, image)| (name.clone(), image.manifest.clone()))
            .collect();
    }
}

impl Running for PlayedMachine {
    async fn render_etc(&self, digest: &Digest, _: &BTreeSet<Refresh>) -> Result<(), Fault> {
        let config = config::on_record(&self.paths, digest)?;
        self.at_point("render /etc", |torn| {
            if !torn {
                render::into_etc(&self.paths, &config).unwrap();
            }
        })
    }

    async fn replace_containers(
        &self,
        generation: GenerationId,
        stop: &[String],
        start: &[String],
    ) -> Result<(), Fault> {
        let generations = records::generations(&self.paths, &mut Vec::new());
        let generation = generations
            .get(&generation)
            .expect("it is on record by now")
            .clone();
        self.at_point("replace containers", |torn| {
            let mut containers = self.containers.lock().unwrap();
            for name in stop {
                containers.remove(name);
            }
            for name in start.iter().take(if torn { 1 } else { start.len() }) {
                let manifest = generation.containers[name].manifest.clone();
                containers.insert(name.clone(), manifest);
            }
        })
    }

    async fn swap_root(&self, root: &RootDigest) -> Result<(), Fault> {
        self.at_point("swap root", |torn| {
            if !torn {
                *self.swap.lock().unwrap() = Some(root.clone());
            }
        })
    }

    async fn reboot(&self) -> Result<(), Fault> {
        self.at_point("reboot", |_| ())
    }
}

/// A temporary directory, in memory where there is such a place: the matrix makes tens of thousands
/// of files durable, and none of them has to outlive it.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .unwrap()
}
