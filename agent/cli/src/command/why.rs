//! `orlop why`: why this generation runs.

use super::{Ending, Outcome, status};
use crate::client::Client;
use crate::moment::time;
use crate::screen::{Screen, Tone, plain};
use crate::table::Fields;
use orlop_api::{VerdictView, Why};

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let why: Why = client.get("/v1/why").await?;
    screen.show(&why, |screen| text(screen, &why))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, why: &Why) -> String {
    let mut fields = Fields::new();
    fields.add("running", &why.running);
    if let Some(reason) = &why.not_newer {
        fields.add("not newer", reason);
    }
    if let Some(event) = &why.waiting_for {
        fields.add("waiting for", event);
    }
    let mut label = "on hold";
    for held in &why.held {
        fields.add(label, status::held_text(held));
        label = "";
    }
    let mut text = fields.render(screen);
    if let Some(verdict) = &why.verdict {
        text.push_str("\nlast verdict\n");
        text.push_str(&verdict_text(screen, verdict));
    }
    text
}

/// The verdict, and the last log lines of what failed.
pub(crate) fn verdict_text(screen: &Screen, verdict: &VerdictView) -> String {
    let mut fields = Fields::new();
    let result = if verdict.good {
        screen.paint("good", Tone::Good)
    } else {
        screen.paint("failed", Tone::Bad)
    };
    fields.painted("generation", format!("{} {result}", verdict.generation));
    fields.add("because", verdict.trigger.to_string());
    fields.add("now running", format!("generation {}", verdict.running));
    fields.add("at", time(verdict.at));
    let mut label = "checks";
    for check in &verdict.checks {
        fields.painted(label, status::check_line(screen, check));
        label = "";
    }
    let mut text = fields.render(screen);
    if !verdict.log.is_empty() {
        text.push_str("last log lines\n");
        for line in &verdict.log {
            text.push_str(&format!("  | {}\n", plain(line)));
        }
    }
    text
}
