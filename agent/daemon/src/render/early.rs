//! `orlopd render`: fills `/etc` before anything reads it.
//!
//! It runs before the network, the ESP's mount and the agent, so it decides alone which
//! generation's TOML counts, by the same boot policy. It never fails a boot: a node without a
//! usable TOML gets the default files (DHCP on every wire), and the agent says what is wrong.

use super::into_etc;
use crate::chain::chain;
use crate::paths::Paths;
use crate::{booted, config, esp, records, sysctl};
use orlop_api::Fault;
use orlop_config::NodeConfig;
use orlop_core::boot::{BootDecision, resolve_boot};
use orlop_core::{GenerationId, NodeState, Policy, TrialStage};

/// Renders `/etc` for what was booted.
///
/// # Errors
/// Only where `/etc` itself cannot be written, or the machine has no id.
pub fn early(paths: &Paths) -> Result<(), super::RenderError> {
    let config = match find_config(paths) {
        Ok(Some(config)) => config,
        Ok(None) => {
            log::info!("no config yet: /etc gets its defaults");
            NodeConfig::default()
        }
        Err(why) => {
            log::error!("{why}; /etc gets its defaults");
            NodeConfig::default()
        }
    };
    for problem in sysctl::keep_and_give_back(paths, &config) {
        log::warn!("{problem}");
    }
    let changed = into_etc(paths, &config)?;
    super::take_host_name(paths, &config);
    log::info!(files = changed.len(); "rendered /etc");
    Ok(())
}

/// The TOML of the generation that was booted; on a machine without records, the operator's, where
/// it can be reached so early (the ESP often is not mounted yet: the agent renders again then).
fn find_config(paths: &Paths) -> Result<Option<NodeConfig>, String> {
    let say = |fault: Fault| match fault.hints.is_empty() {
        true => fault.message,
        false => format!("{}: {}", fault.message, fault.hints.join("; ")),
    };
    let state = records::state(paths).map_err(|error| chain(&error))?;
    let Some(state) = state else {
        let text = operator_toml(paths).map_err(|error| chain(&error))?;
        return text
            .map(|text| config::parse(&text).map_err(say))
            .transpose();
    };
    let Some(generation) = booted_generation(paths, &state) else {
        return Ok(None);
    };
    let mut problems = Vec::new();
    let generations = records::generations(paths, &mut problems);
    match generations.get(&generation) {
        Some(generation) => config::on_record(paths, &generation.config)
            .map(Some)
            .map_err(say),
        None => Err(format!("cannot find the record of generation {generation}")),
    }
}

/// The generation that this boot brought up, as far as it can be told without the ESP.
fn booted_generation(paths: &Paths, state: &NodeState) -> Option<GenerationId> {
    let boot = match booted::read(paths) {
        Ok(boot) => boot,
        Err(error) => {
            log::error!("{}", chain(&error));
            return state.running();
        }
    };
    let mut problems = Vec::new();
    let generations = records::generations(paths, &mut problems);
    let entries = esp::entries(paths).unwrap_or_default();
    let decision = resolve_boot(
        Some(state),
        &generations,
        &boot.booted,
        &entries,
        &Policy::default(),
    );
    match decision {
        BootDecision::Normal { generation, .. }
        | BootDecision::TrialStarts { generation }
        | BootDecision::TrialGoesOn { generation } => Some(generation),
        BootDecision::SwitchInterrupted { .. } | BootDecision::TrialWentDead { .. } => state
            .trial
            .as_ref()
            .and_then(|trial| trial.fallback)
            .or(state.current),
        BootDecision::EndingInterrupted { .. } => {
            match state.trial.as_ref().map(|trial| &trial.stage) {
                Some(TrialStage::Ending { verdict }) => Some(verdict.running),
                _ => state.current,
            }
        }
        BootDecision::FirstBoot | BootDecision::UnknownImage { .. } => state.current,
    }
}

/// The operator's TOML of the first boot: the credential's, else the ESP's; none where there is
/// neither.
///
/// # Errors
/// [`records::RecordError`]: there is one, and it cannot be read.
pub fn operator_toml(paths: &Paths) -> Result<Option<String>, records::RecordError> {
    if let Some(path) = paths.first_boot_credential()
        && let Some(text) = records::operator_toml(&path)?
    {
        return Ok(Some(text));
    }
    records::operator_toml(&paths.first_boot_toml())
}
