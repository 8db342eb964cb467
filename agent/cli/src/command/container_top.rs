//! `orlop container top`: the processes of a container.

use super::{Ending, Outcome, container_name};
use crate::client::Client;
use crate::screen::Screen;
use crate::table::Table;
use orlop_api::ProcessView;

const MILLIS_PER_SEC: u64 = 1000;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The container.
    name: String,
}

pub(crate) async fn run(client: &Client, screen: &Screen, options: &Options) -> Outcome {
    let name = container_name(&options.name)?;
    let path = format!("/v1/containers/{name}/processes");
    let list: Vec<ProcessView> = client.get(&path).await?;
    screen.show(&list, |screen| {
        let mut table = Table::new(&["PID", "USER", "TIME", "COMMAND"]);
        for one in &list {
            let (secs, millis) = (
                one.cpu_millis / MILLIS_PER_SEC,
                one.cpu_millis % MILLIS_PER_SEC,
            );
            table.row(vec![
                one.pid.into(),
                one.uid.into(),
                format!("{secs}.{:02} s", millis / 10).into(),
                one.command.as_str().into(),
            ]);
        }
        table.render(screen)
    })?;
    Ok(Ending::Done)
}
