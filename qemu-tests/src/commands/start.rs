//! `orlop-machine start`.

use super::Outcome;
use clap::ValueEnum;
use orlop_machines::qemu::QemuSpec;
use orlop_machines::{
    API_PORT, ApiAccess, Home, Life, Machine, MachineKind, MachineSpec, NamespaceSpec, Publish,
    RootSource, free_port, node_dir,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

/// The TOML of a node that was given none.
const PLAIN_CONFIG: &str = "schema = 1\n";
/// The folder with the keys of a node's API, in the machine's folder.
const KEYS: &str = "pki";

/// Options of `start`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The node's name.
    name: String,
    /// What kind of machine to boot it on.
    #[arg(long, value_enum, default_value_t = Kind::Qemu)]
    kind: Kind,
    /// The disk image to boot, raw, for QEMU; it stays as it is.
    #[arg(long, value_name = "FILE", required_if_eq("kind", "qemu"))]
    disk: Option<PathBuf>,
    /// The OCI layout with the OS image to boot, for namespaces.
    #[arg(long, value_name = "DIR", required_if_eq("kind", "namespace"))]
    layout: Option<PathBuf>,
    /// The image in --layout, if it has several.
    #[arg(long)]
    tag: Option<String>,
    /// The node's TOML. Without an `[api]` table one is added, with keys for `exec`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Forward a port of 127.0.0.1 to a port of the node, HOST:NODE; a HOST of 0 takes a free one.
    #[arg(long, value_name = "HOST:NODE")]
    publish: Vec<Forward>,
    /// Let a namespace node reach this port of the host's 127.0.0.1 at 10.0.2.2 (a QEMU node
    /// reaches all).
    #[arg(long, value_name = "PORT")]
    reach: Vec<u16>,
    /// Memory of a QEMU machine in MiB.
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// Processors of a QEMU machine.
    #[arg(long, default_value_t = 2)]
    cpus: u32,
}

/// What kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Namespaces of the host's kernel: seconds, but without firmware, kernel and disk.
    Namespace,
    /// The real thing, emulated.
    Qemu,
}

/// `HOST:NODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forward {
    host: u16,
    node: u16,
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("cannot read {text:?}: expected two ports, such as 8080:80");
        let (host, node) = text.split_once(':').ok_or_else(wrong)?;
        let number = |port: &str| port.parse::<u16>().map_err(|_| wrong());
        Ok(Self {
            host: number(host)?,
            node: number(node)?,
        })
    }
}

/// Boots a node, leaves it running, and prints how to talk to it.
pub(super) fn run(home: &Home, program: &Path, options: &Options) -> Outcome {
    let dir = home.make_room(&options.name)?;
    let config = config(&dir, program, options)?;
    let publish = publish(options)?;
    // Kept until the machine has joined it.
    let mut _lan = None;
    let kind = match options.kind {
        Kind::Qemu => qemu(&dir, &config, publish.clone(), options)?,
        Kind::Namespace => {
            let layout = given(options.layout.as_deref())?;
            let disk = node_dir::from_layout(layout, options.tag.as_deref(), &config, &dir)?;
            let (port, lan) = home.lan_port()?;
            _lan = lan;
            MachineKind::Namespace(NamespaceSpec {
                root: RootSource::Node(disk),
                lan: Some(port),
                publish: publish.clone(),
                reach: options.reach.clone(),
            })
        }
    };
    let spec = MachineSpec {
        name: options.name.clone(),
        dir,
        life: Life::Detached,
        kind,
    };
    Machine::start(program, &spec)?;
    print_next_steps(&options.name, &publish);
    Ok(ExitCode::SUCCESS)
}

fn qemu(
    dir: &Path,
    config: &str,
    publish: Vec<Publish>,
    options: &Options,
) -> Result<MachineKind, Box<dyn Error>> {
    let node_toml = dir.join("node.toml");
    fs::write(&node_toml, config)?;
    Ok(MachineKind::Qemu(QemuSpec {
        disk: given(options.disk.as_deref())?.canonicalize()?,
        memory_mib: options.memory,
        cpus: options.cpus,
        publish,
        credentials: BTreeMap::from([("orlop.node".to_owned(), node_toml)]),
        record_writes: false,
        arguments: Vec::new(),
    }))
}

/// What the command line makes sure of.
fn given(path: Option<&Path>) -> Result<&Path, Box<dyn Error>> {
    path.ok_or_else(|| "cannot start a node without --disk (QEMU) or --layout (namespaces)".into())
}

/// The node's TOML, with an API that `exec` can use.
fn config(dir: &Path, program: &Path, options: &Options) -> Result<String, Box<dyn Error>> {
    let text = match &options.config {
        Some(path) => fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?,
        None => PLAIN_CONFIG.to_owned(),
    };
    if text
        .lines()
        .any(|line| line.trim_start().starts_with("[api]"))
    {
        return Ok(text);
    }
    let access = ApiAccess::make(&orlop_beside(program), &dir.join(KEYS))?;
    Ok(format!("{text}\n{}", access.toml()?))
}

/// The `orlop` command that was built with this program, else the one of the `PATH`.
pub(super) fn orlop_beside(program: &Path) -> PathBuf {
    let beside = program.with_file_name("orlop");
    if beside.exists() {
        beside
    } else {
        PathBuf::from("orlop")
    }
}

/// The keys of a machine's API, if `start` made them.
pub(super) fn keys(dir: &Path) -> Option<ApiAccess> {
    let keys = dir.join(KEYS);
    keys.exists().then(|| ApiAccess::in_dir(&keys))
}

/// The forwards that were asked for, and one to the API.
fn publish(options: &Options) -> Result<Vec<Publish>, Box<dyn Error>> {
    let mut forwards = options.publish.clone();
    if !forwards.iter().any(|forward| forward.node == API_PORT) {
        forwards.push(Forward {
            host: 0,
            node: API_PORT,
        });
    }
    let publish = forwards.into_iter().map(|forward| {
        let host = match forward.host {
            0 => free_port()?,
            port => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        };
        Ok(Publish {
            host,
            port: forward.node,
        })
    });
    publish.collect()
}

fn print_next_steps(name: &str, publish: &[Publish]) {
    // As it was called, so that the lines can be pasted.
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "orlop-machine".to_owned());
    eprintln!("Node {name} boots. Talk to it:");
    println!("{program} console -f {name}");
    println!("{program} exec {name} -- orlop status");
    println!("{program} stop {name}");
    for Publish { host, port } in publish {
        eprintln!("{host} leads to its port {port}.");
    }
}
