//! `orlop network ls`: the networks, and the containers in them.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::screen::Screen;
use crate::table::Table;
use orlop_api::NetworkView;

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let list: Vec<NetworkView> = client.get("/v1/networks").await?;
    screen.show(&list, |screen| text(screen, &list))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, list: &[NetworkView]) -> String {
    let mut table = Table::new(&["NAME", "DRIVER", "SUBNETS", "INTERNAL", "CONTAINERS"]);
    for one in list {
        let subnets: Vec<&str> = one.subnets.iter().map(|one| one.subnet.as_str()).collect();
        let members: Vec<&str> = one.containers.iter().map(|one| one.name.as_str()).collect();
        table.row(vec![
            one.name.as_str().into(),
            one.driver.as_str().into(),
            subnets.join(",").into(),
            if one.internal { "yes" } else { "no" }.into(),
            if members.is_empty() {
                "-".into()
            } else {
                members.join(",").into()
            },
        ]);
    }
    table.render(screen)
}
