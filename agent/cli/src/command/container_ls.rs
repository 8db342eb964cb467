//! `orlop container ls`: the containers of the current generation.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::screen::{Screen, Tone};
use crate::table::{Cell, Table};
use orlop_api::{ContainerState, ContainerView, HealthState};

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let list: Vec<ContainerView> = client.get("/v1/containers").await?;
    screen.show(&list, |screen| text(screen, &list))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, list: &[ContainerView]) -> String {
    let mut table = Table::new(&[
        "NAME",
        "STATE",
        "HEALTH",
        "RESTARTS",
        "ADDRESSES",
        "PORTS",
        "IMAGE",
        "DETAIL",
    ]);
    for one in list {
        table.row(vec![
            one.name.as_str().into(),
            Cell::toned(one.state, Some(state_tone(one.state))),
            Cell::toned(one.health, health_tone(one.health)),
            one.restarts.into(),
            one.addresses.join(",").into(),
            one.ports.join(",").into(),
            one.image.reference.as_str().into(),
            one.detail.as_str().into(),
        ]);
    }
    table.render(screen)
}

fn state_tone(state: ContainerState) -> Tone {
    match state {
        ContainerState::Running | ContainerState::Completed | ContainerState::Scheduled => {
            Tone::Good
        }
        ContainerState::Preparing
        | ContainerState::Waiting
        | ContainerState::Starting
        | ContainerState::Restarting
        | ContainerState::Stopped
        | ContainerState::Disabled => Tone::Busy,
        ContainerState::Exited | ContainerState::Failed => Tone::Bad,
    }
}

fn health_tone(health: HealthState) -> Option<Tone> {
    match health {
        HealthState::None => None,
        HealthState::Starting => Some(Tone::Busy),
        HealthState::Healthy => Some(Tone::Good),
        HealthState::Unhealthy => Some(Tone::Bad),
    }
}
