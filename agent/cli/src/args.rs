//! The command line.

use crate::command::{
    config_apply, config_check, config_import, config_show, container_attach, container_cp,
    container_exec, container_inspect, container_logs, container_order, container_stats,
    container_top, diff, events, generations, image_inspect, image_pull, image_rm, job,
    network_inspect, pki_client, pki_init, rollback, update_apply, update_release, update_stage,
    volume_export, volume_import, volume_inspect, volume_rm,
};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// What `--help` says after the options.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  a bug or a broken machine
  2  the command line or the request makes no sense
  3  the TOML is wrong
  4  network, registry or a full disk: may work later
  5  content is not what its digest says
  6  refused for now: another job runs, or policy forbids it
  7  there is no such thing
  8  the caller may not
  9  the switch was made and its trial failed: the node went back
 10  config import --strict: something was left out";

/// Operates an Orlop node: the one that it runs on, or another by --host.
#[derive(Debug, Parser)]
#[command(name = "orlop", version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which node, and how to reach it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Node")]
pub(crate) struct Connection {
    /// The local agent's socket.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "ORLOP_SOCKET",
        hide_env_values = true,
        default_value = "/run/orlop/api.sock"
    )]
    pub(crate) socket: PathBuf,
    /// Another node, `HOST` or `HOST:PORT` (port 6443).
    #[arg(
        long,
        global = true,
        value_name = "HOST",
        env = "ORLOP_HOST",
        hide_env_values = true
    )]
    pub(crate) host: Option<String>,
    /// Certificate (PEM) to show to --host.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ORLOP_CERT",
        hide_env_values = true
    )]
    pub(crate) cert: Option<PathBuf>,
    /// Private key (PEM) of --cert.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ORLOP_KEY",
        hide_env_values = true
    )]
    pub(crate) key: Option<PathBuf>,
    /// Trust the node with this certificate; its console shows the fingerprint.
    #[arg(
        long,
        global = true,
        value_name = "SHA256",
        env = "ORLOP_FINGERPRINT",
        hide_env_values = true
    )]
    pub(crate) fingerprint: Option<String>,
    /// Trust nodes that this CA (PEM) vouches for.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ORLOP_SERVER_CA",
        hide_env_values = true
    )]
    pub(crate) server_ca: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how the node stands.
    Status,
    /// List every generation on record, newest first; pin one.
    Generations(generations::Options),
    /// Show what two generations differ in.
    Diff(diff::Options),
    /// The node's TOML.
    #[command(subcommand)]
    Config(Config),
    /// Bring another OS image or config to the node.
    #[command(subcommand)]
    Update(Update),
    /// Go back to an earlier generation.
    Rollback(rollback::Options),
    /// Tell why this generation runs, and how the last trial ended.
    Why,
    /// Containers.
    #[command(subcommand)]
    Container(Container),
    /// Images in the node's store.
    #[command(subcommand)]
    Image(Image),
    /// Volumes of containers.
    #[command(subcommand)]
    Volume(Volume),
    /// Networks of containers.
    #[command(subcommand)]
    Network(Network),
    /// Show a job, or cancel it.
    Job(job::Options),
    /// Follow what happens on the node.
    Events(events::Options),
    /// Keys and certificates for --host.
    #[command(subcommand)]
    Pki(Pki),
}

/// `orlop config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Read a TOML and say what is wrong with it; needs no node.
    Check(config_check::Options),
    /// Print the TOML for a Compose file or Quadlet units; needs no node.
    Import(config_import::Options),
    /// Print the TOML that the node runs.
    Show(config_show::Options),
    /// Make a generation of a TOML and switch to it.
    Apply(config_apply::Options),
    /// Let the switch under way stay, where it was made with --confirm.
    Confirm,
    /// List every config on record, newest first.
    History,
}

/// `orlop update`.
#[derive(Debug, Subcommand)]
pub(crate) enum Update {
    /// Fetch and verify a generation, without switching to it.
    Stage(update_stage::Options),
    /// Switch to the staged generation.
    Apply(update_apply::Options),
    /// Let the agent try an image again that failed and is on hold.
    Release(update_release::Options),
}

/// `orlop container`.
#[derive(Debug, Subcommand)]
pub(crate) enum Container {
    /// List the containers.
    Ls,
    /// Run a command in a container; its exit status becomes this command's.
    Exec(container_exec::Options),
    /// Join a container's terminal or its input, or follow its output.
    Attach(container_attach::Options),
    /// Follow what becomes of the containers, or of one.
    Events {
        /// The container.
        name: Option<String>,
    },
    /// Copy files out of a container that runs, or into it.
    Cp(container_cp::Options),
    /// Print everything about a container, as JSON.
    Inspect(container_inspect::Options),
    /// Show what containers use: processor, memory, processes, disks.
    Stats(container_stats::Options),
    /// List the processes of a container.
    Top(container_top::Options),
    /// Print a container's log.
    Logs(container_logs::Options),
    /// Stop a container until it is started again, another generation runs or the machine restarts.
    Stop(container_order::Options),
    /// Start a container that was stopped or has ended.
    Start(container_order::Options),
    /// End a container and start it again.
    Restart(container_order::Options),
    /// Send a signal to a container's first process.
    Kill(container_order::KillOptions),
}

/// `orlop image`.
#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// List the images, and what needs them.
    Ls,
    /// Print everything about an image, as JSON.
    Inspect(image_inspect::Options),
    /// Fetch an image, for no generation; it stays until it is removed.
    Pull(image_pull::Options),
    /// Remove an image that nothing needs.
    Rm(image_rm::Options),
    /// Remove every image that no generation and no container needs.
    Prune,
}

/// `orlop volume`.
#[derive(Debug, Subcommand)]
pub(crate) enum Volume {
    /// List the volumes, and what uses them.
    Ls,
    /// Print everything about a volume, as JSON.
    Inspect(volume_inspect::Options),
    /// Remove a volume that no container uses, with its content.
    Rm(volume_rm::Options),
    /// Write a volume's content as a tar archive.
    Export(volume_export::Options),
    /// Make a tar archive a volume's content.
    Import(volume_import::Options),
}

/// `orlop network`.
#[derive(Debug, Subcommand)]
pub(crate) enum Network {
    /// List the networks, and the containers in them.
    Ls,
    /// Print everything about a network, as JSON.
    Inspect(network_inspect::Options),
}

/// `orlop pki`.
#[derive(Debug, Subcommand)]
pub(crate) enum Pki {
    /// Make a CA whose PEM goes into `[api] clients`.
    Init(pki_init::Options),
    /// Make a client's key and certificate.
    Client(pki_client::Options),
}
