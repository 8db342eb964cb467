//! `orlop config confirm`: the switch under way may stay.

use super::{Ending, Outcome};
use crate::client::Client;
use crate::moment::duration;
use crate::screen::Screen;
use orlop_api::ConfirmView;

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let confirmed: ConfirmView = client.post("/v1/config/confirm", &()).await?;
    screen.show(&confirmed, |_| {
        let left = duration(confirmed.left_secs);
        format!("confirmed with {left} left; the gate alone decides now\n")
    })?;
    Ok(Ending::Done)
}
