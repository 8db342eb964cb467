//! One command a file.

mod archive_file;
mod change;
pub(crate) mod config_apply;
pub(crate) mod config_check;
mod config_confirm;
mod config_history;
pub(crate) mod config_import;
pub(crate) mod config_show;
pub(crate) mod container_attach;
pub(crate) mod container_cp;
pub(crate) mod container_exec;
pub(crate) mod container_inspect;
pub(crate) mod container_logs;
mod container_ls;
pub(crate) mod container_order;
pub(crate) mod container_stats;
pub(crate) mod container_top;
mod detach_keys;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod generations;
pub(crate) mod image_inspect;
mod image_ls;
mod image_prune;
pub(crate) mod image_pull;
pub(crate) mod image_rm;
pub(crate) mod job;
mod local_tar;
pub(crate) mod network_inspect;
mod network_ls;
pub(crate) mod pki_client;
pub(crate) mod pki_init;
mod query;
mod raw_terminal;
pub(crate) mod rollback;
mod session;
pub(crate) mod status;
mod toml_file;
pub(crate) mod update_apply;
pub(crate) mod update_release;
pub(crate) mod update_stage;
pub(crate) mod volume_export;
pub(crate) mod volume_import;
pub(crate) mod volume_inspect;
mod volume_ls;
pub(crate) mod volume_rm;
mod why;

use crate::args::{Args, Command, Config, Container, Image, Network, Pki, Update, Volume};
use crate::client::{Client, Target};
use crate::screen::Screen;
use orlop_api::{Fault, FaultKind};
use orlop_config::Name;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done.
    Done,
    /// The TOML was checked, and is wrong; the screen shows why.
    BadConfig,
    /// The file was imported, and not all of it, which was asked for; the screen shows what.
    LeftOut,
    /// The switch was made, its trial failed, and the node went back; the screen shows why.
    TrialFailed,
    /// A command in a container has ended with this status.
    Exited(u8),
}

/// What a command gives back.
pub(crate) type Outcome = Result<Ending, Fault>;

/// Carries out the command line.
pub(crate) async fn run(args: Args, screen: &Screen) -> Outcome {
    let command = match args.command {
        Command::Config(Config::Check(options)) => return config_check::run(&options, screen),
        Command::Config(Config::Import(options)) => return config_import::run(&options, screen),
        Command::Pki(Pki::Init(options)) => return pki_init::run(&options, screen),
        Command::Pki(Pki::Client(options)) => return pki_client::run(&options, screen),
        command => command,
    };
    let client = &Client::new(Target::of(&args.connection)?);
    match command {
        Command::Status => status::run(client, screen).await,
        Command::Generations(options) => generations::run(client, screen, &options).await,
        Command::Diff(options) => diff::run(client, screen, &options).await,
        Command::Config(Config::Show(options)) => config_show::run(client, screen, &options).await,
        Command::Config(Config::Confirm) => config_confirm::run(client, screen).await,
        Command::Config(Config::History) => config_history::run(client, screen).await,
        Command::Config(Config::Apply(options)) => {
            config_apply::run(client, screen, &options).await
        }
        Command::Update(Update::Stage(options)) => update_stage::run(client, screen, options).await,
        Command::Update(Update::Apply(options)) => {
            update_apply::run(client, screen, &options).await
        }
        Command::Update(Update::Release(options)) => {
            update_release::run(client, screen, options).await
        }
        Command::Rollback(options) => rollback::run(client, screen, &options).await,
        Command::Why => why::run(client, screen).await,
        Command::Container(command) => container(client, screen, command).await,
        Command::Image(command) => image(client, screen, command).await,
        Command::Volume(command) => volume(client, screen, command).await,
        Command::Network(Network::Ls) => network_ls::run(client, screen).await,
        Command::Network(Network::Inspect(options)) => {
            network_inspect::run(client, screen, &options).await
        }
        Command::Job(options) => job::run(client, screen, &options).await,
        Command::Events(options) => events::run(client, screen, &options).await,
        // Done above, without a node.
        Command::Config(Config::Check(_) | Config::Import(_)) | Command::Pki(_) => Ok(Ending::Done),
    }
}

async fn container(client: &Client, screen: &Screen, command: Container) -> Outcome {
    match command {
        Container::Ls => container_ls::run(client, screen).await,
        Container::Logs(options) => container_logs::run(client, screen, &options).await,
        Container::Exec(options) => container_exec::run(client, options).await,
        Container::Attach(options) => container_attach::run(client, screen, &options).await,
        Container::Events { name } => {
            let options = events::Options::of_containers(name);
            events::run(client, screen, &options).await
        }
        Container::Cp(options) => container_cp::run(client, screen, &options).await,
        Container::Inspect(options) => container_inspect::run(client, screen, &options).await,
        Container::Stats(options) => container_stats::run(client, screen, &options).await,
        Container::Top(options) => container_top::run(client, screen, &options).await,
        Container::Stop(options) => container_order::run(client, screen, &options, "stop").await,
        Container::Start(options) => container_order::run(client, screen, &options, "start").await,
        Container::Restart(options) => {
            container_order::run(client, screen, &options, "restart").await
        }
        Container::Kill(options) => container_order::kill(client, screen, &options).await,
    }
}

async fn image(client: &Client, screen: &Screen, command: Image) -> Outcome {
    match command {
        Image::Ls => image_ls::run(client, screen).await,
        Image::Inspect(options) => image_inspect::run(client, screen, &options).await,
        Image::Pull(options) => image_pull::run(client, screen, options).await,
        Image::Rm(options) => image_rm::run(client, screen, options).await,
        Image::Prune => image_prune::run(client, screen).await,
    }
}

async fn volume(client: &Client, screen: &Screen, command: Volume) -> Outcome {
    match command {
        Volume::Ls => volume_ls::run(client, screen).await,
        Volume::Inspect(options) => volume_inspect::run(client, screen, &options).await,
        Volume::Rm(options) => volume_rm::run(client, screen, &options).await,
        Volume::Export(options) => volume_export::run(client, &options).await,
        Volume::Import(options) => volume_import::run(client, screen, &options).await,
    }
}

/// Prints a value as JSON, which is all that there is for it.
fn print_json<T: serde::Serialize>(screen: &Screen, value: &T) -> Outcome {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        let message = format!("cannot write JSON: {error}");
        Fault::new(FaultKind::Internal, message)
    })?;
    screen.data(&text)?;
    Ok(Ending::Done)
}

/// A volume's name, before it becomes a part of a path.
fn volume_name(text: &str) -> Result<Name, Fault> {
    Name::new(text).ok_or_else(|| {
        let message = format!("cannot use {text:?} as a volume's name");
        Fault::new(FaultKind::Usage, message).hint("`orlop volume ls` lists the volumes")
    })
}

/// A container's name, before it becomes a part of a path.
fn container_name(text: &str) -> Result<Name, Fault> {
    Name::new(text).ok_or_else(|| {
        let message = format!("cannot use {text:?} as a container's name");
        Fault::new(FaultKind::Usage, message).hint("`orlop container ls` lists the containers")
    })
}
