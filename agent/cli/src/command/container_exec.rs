//! `orlop container exec`: runs a command in a container.

use super::raw_terminal::{self, RawTerminal};
use super::session::{self, End, Input};
use super::{Ending, Outcome, container_name};
use crate::client::Client;
use orlop_api::{ExecRequest, Fault, FaultKind};

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Give the command this command's input.
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal, this one; -it for a shell.
    #[arg(short, long)]
    tty: bool,
    /// Who it runs as: a user or number of the container, `app`, `1000:1000`.
    #[arg(short, long)]
    user: Option<String>,
    /// Where it runs.
    #[arg(short, long, value_name = "PATH")]
    workdir: Option<String>,
    /// A variable of its environment; may be given more than once.
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The container.
    name: String,
    /// The program, and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(crate) async fn run(client: &Client, options: Options) -> Outcome {
    let name = container_name(&options.name)?;
    let terminal = options.tty.then(RawTerminal::take).transpose()?;
    let mut env = options.env;
    if let (true, Ok(term)) = (options.tty, std::env::var("TERM")) {
        // What is given by hand comes later and counts.
        env.insert(0, format!("TERM={term}"));
    }
    let request = ExecRequest {
        command: options.command,
        user: options.user,
        workdir: options.workdir,
        env,
        stdin: options.interactive,
        terminal: options
            .tty
            .then(|| raw_terminal::size().unwrap_or_default()),
    };
    let path = format!("/v1/containers/{name}/exec");
    let connection = client.upgrade(&path, &request).await?;
    let input = Input {
        typed: options.interactive,
        sized: options.tty,
        detach: None,
    };
    let end = session::run(connection, input).await;
    drop(terminal);
    match end? {
        End::Exited(status) => Ok(Ending::Exited(status)),
        End::Detached => Ok(Ending::Done),
        End::Lost(why) => Err(lost(&why)),
    }
}

fn lost(why: &str) -> Fault {
    let message = format!("cannot go on with the command: the connection is lost: {why}");
    Fault::new(FaultKind::Transient, message).hint("the command does not outlive its connection")
}
