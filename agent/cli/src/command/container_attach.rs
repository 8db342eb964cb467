//! `orlop container attach`: joins a container's terminal or its input, or follows its output.

use super::detach_keys::DetachKeys;
use super::raw_terminal::{self, RawTerminal};
use super::session::{self, End, Input};
use super::{Ending, Outcome, container_logs, container_name};
use crate::client::Client;
use crate::screen::Screen;
use orlop_api::{AttachRequest, ContainerDetail, Fault, FaultKind};
use rustix::termios::isatty;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only follow its output.
    #[arg(long)]
    no_stdin: bool,
    /// The container.
    name: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let name = container_name(&options.name)?;
    let detail: ContainerDetail = client.get(&format!("/v1/containers/{name}")).await?;
    if detail.view.pid.is_none() {
        let message = format!(
            "cannot attach to container {name}: it is {}",
            detail.view.state
        );
        return Err(Fault::new(FaultKind::Refused, message)
            .hint(format!("`orlop container logs {name}` shows what it said")));
    }
    if options.no_stdin {
        return container_logs::follow(client, screen, name.as_str()).await;
    }
    if !detail.tty && !detail.stdin {
        screen.talk(&format!(
            "{name} has no stdin and no terminal: this shows its output from now on; \
             `orlop container exec -it {name} -- COMMAND` runs a command in it"
        ));
        return container_logs::follow(client, screen, name.as_str()).await;
    }
    join(client, screen, name.as_str(), detail.tty).await
}

async fn join(client: &Client, screen: &Screen, name: &str, tty: bool) -> Outcome {
    // Input may come from a file all the same.
    let with_terminal = tty && isatty(std::io::stdin());
    let size = with_terminal.then(raw_terminal::size).transpose();
    let request = AttachRequest {
        terminal: size.unwrap_or_default(),
    };
    let path = format!("/v1/containers/{name}/attach");
    let connection = client.upgrade(&path, &request).await?;
    screen.talk(&match with_terminal {
        true => format!("this is the terminal of {name}; Ctrl-P Ctrl-Q leaves it"),
        false => format!("what is typed goes to {name}; Ctrl-C leaves it"),
    });
    let terminal = with_terminal.then(RawTerminal::take).transpose()?;
    let input = Input {
        typed: true,
        sized: with_terminal,
        detach: with_terminal.then(DetachKeys::default),
    };
    let end = session::run(connection, input).await;
    drop(terminal);
    match end? {
        End::Exited(status) => Ok(Ending::Exited(status)),
        End::Detached => {
            screen.talk(&format!("\n{name} goes on"));
            Ok(Ending::Done)
        }
        End::Lost(why) => {
            let message = format!("cannot stay at container {name}: the connection is lost: {why}");
            Err(Fault::new(FaultKind::Transient, message).hint(format!(
                "the container goes on; `orlop container attach {name}` joins it again"
            )))
        }
    }
}
