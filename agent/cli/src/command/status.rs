//! `orlop status`: how the node stands.

use super::{Ending, Outcome, job};
use crate::client::Client;
use crate::moment::{duration, time};
use crate::screen::{Screen, Tone, plain};
use crate::table::Fields;
use orlop_api::{
    CheckView, ConfirmView, GenerationView, HeldView, Phase, Status, TrialView, UpdatesView,
};

pub(crate) async fn run(client: &Client, screen: &Screen) -> Outcome {
    let status: Status = client.get("/v1/status").await?;
    screen.show(&status, |screen| text(screen, &status))?;
    Ok(Ending::Done)
}

fn text(screen: &Screen, status: &Status) -> String {
    let mut fields = Fields::new();
    fields.add(
        "node",
        format!("{} (machine {})", status.host, status.machine_id),
    );
    fields.painted(
        "phase",
        screen.paint(status.phase.as_str(), tone(status.phase)),
    );
    match &status.current {
        Some(generation) => generation_lines(&mut fields, "running", generation),
        None => fields.add("running", "no generation yet"),
    }
    match &status.staged {
        Some(generation) => generation_lines(&mut fields, "staged", generation),
        None => fields.add("staged", "nothing"),
    }
    if let Some(trial) = &status.trial {
        trial_lines(screen, &mut fields, trial);
    }
    if let Some(updates) = &status.updates {
        fields.add("updates", updates_text(updates));
    }
    let mut label = "on hold";
    for held in &status.held {
        fields.add(label, held_text(held));
        label = "";
    }
    if let Some(job) = &status.job {
        fields.add(
            "job",
            format!("{} {}: {}", job.id, job.operation, job::state_text(job)),
        );
    }
    let verity = if status.verity {
        "required".to_owned()
    } else {
        screen.paint("off: the root is not protected", Tone::Bad)
    };
    fields.painted("verity", verity);
    fields.add(
        "agent",
        format!(
            "{}, machine up {}",
            status.agent,
            duration(status.uptime_secs)
        ),
    );
    let mut label = "problems";
    for problem in &status.problems {
        fields.painted(label, screen.paint(&plain(problem), Tone::Bad));
        label = "";
    }
    fields.render(screen)
}

fn tone(phase: Phase) -> Tone {
    match phase {
        Phase::Idle => Tone::Good,
        Phase::Starting | Phase::Staging | Phase::Switching | Phase::Trial => Tone::Busy,
        Phase::SafeMode | Phase::RollingBack | Phase::Degraded => Tone::Bad,
    }
}

fn generation_lines(fields: &mut Fields, name: &'static str, generation: &GenerationView) {
    let version = generation
        .os
        .version
        .as_deref()
        .unwrap_or("of unknown version");
    fields.add(
        name,
        format!(
            "generation {}, OS {version}, {}, made {} ({})",
            generation.id,
            generation.status,
            time(generation.created),
            generation.origin
        ),
    );
    fields.add("", &generation.os.reference);
}

fn trial_lines(screen: &Screen, fields: &mut Fields, trial: &TrialView) {
    let fallback = match trial.fallback {
        Some(id) => format!("generation {id} is the way back"),
        None => "no way back".to_owned(),
    };
    fields.add(
        "trial",
        format!("generation {}, {fallback}", trial.generation),
    );
    if let Some(confirm) = &trial.confirm {
        fields.add("confirm", confirm_text(confirm));
    }
    let Some(gate) = &trial.gate else { return };
    fields.add(
        "gate",
        format!(
            "held for {} of {}, {} left",
            duration(gate.held_secs),
            duration(gate.hold_secs),
            duration(gate.left_secs)
        ),
    );
    for check in &gate.checks {
        fields.painted("", check_line(screen, check));
    }
}

fn confirm_text(confirm: &ConfirmView) -> String {
    match &confirm.by {
        Some(by) => format!("confirmed by {by}"),
        None => format!(
            "needed within {}, until {} (`orlop config confirm`)",
            duration(confirm.left_secs),
            time(confirm.until)
        ),
    }
}

fn updates_text(updates: &UpdatesView) -> String {
    let mut text = updates.policy.clone();
    if let Some(at) = updates.next_look {
        text.push_str(&format!(", next look {}", time(at)));
    }
    if let Some(opens) = &updates.window_opens_local {
        text.push_str(&format!(", window opens {opens}"));
    }
    text
}

/// An image that the agent does not try again by itself.
pub(super) fn held_text(held: &HeldView) -> String {
    let name = held.reference.as_deref().unwrap_or("an image");
    format!(
        "{name} {}, failed in generation {}",
        held.manifest, held.generation
    )
}

/// `pass  container web: healthy`.
pub(crate) fn check_line(screen: &Screen, check: &CheckView) -> String {
    let result = match check.pass {
        Some(true) => screen.paint("pass", Tone::Good),
        Some(false) => screen.paint("fail", Tone::Bad),
        None => screen.paint("wait", Tone::Busy),
    };
    let detail = if check.detail.is_empty() {
        String::new()
    } else {
        format!(": {}", check.detail)
    };
    format!("{result}  {}", plain(&format!("{}{detail}", check.name)))
}
