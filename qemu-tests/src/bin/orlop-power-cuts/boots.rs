//! Boots disks that a cut has left, as the last word on whether they boot.

use crate::Outcome;
use crate::cuts::Plan;
use crate::random::Random;
use crate::recording::Recording;
use crate::run::{CheckedCut, write_image};
use crate::story::{APP_PORT, BOOT, access, tools};
use orlop_machines::{RemoteNode, RemoteNodeSpec, Scratch};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// A cut whose disk was booted.
#[derive(Clone, Debug)]
pub(crate) struct Booted {
    pub(crate) phase: usize,
    /// Why the API was not ready, or not as expected.
    pub(crate) failure: Option<String>,
}

/// Boots `count` of the cuts, spread over the phases, so many at a time.
pub(crate) fn boot(
    recording: &Recording,
    plan: &Plan,
    found: &[CheckedCut],
    count: usize,
    jobs: usize,
) -> Outcome<Vec<Booted>> {
    let chosen = Mutex::new(choose(plan, found, count).into_iter());
    let booted = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let work = || -> Outcome<()> {
            loop {
                let next = chosen.lock().ok().and_then(|mut chosen| chosen.next());
                let Some((phase, cut)) = next else {
                    return Ok(());
                };
                let began = Instant::now();
                let failure = boot_one(recording, plan, cut)?;
                println!(
                    "cut {} ({}, {:?}): {} after {:.0} s",
                    cut.cut.id,
                    recording.about.phases[phase].name,
                    cut.cut.loss,
                    failure.as_deref().unwrap_or("the API is ready"),
                    began.elapsed().as_secs_f64()
                );
                if let Ok(mut booted) = booted.lock() {
                    booted.push(Booted { phase, failure });
                }
            }
        };
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(outcome) => outcome?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Outcome::Ok(())
    })?;
    Ok(booted.into_inner().unwrap_or_default())
}

/// One of each phase in turn, at random within it; none twice.
fn choose<'a>(plan: &Plan, found: &'a [CheckedCut], count: usize) -> Vec<(usize, &'a CheckedCut)> {
    let mut by_phase: BTreeMap<usize, Vec<&CheckedCut>> = BTreeMap::new();
    for cut in found {
        by_phase.entry(cut.cut.phase).or_default().push(cut);
    }
    let mut random = Random::new(plan.seed ^ 2, 0);
    let mut chosen = Vec::new();
    while chosen.len() < count && by_phase.values().any(|cuts| !cuts.is_empty()) {
        for (phase, cuts) in &mut by_phase {
            if chosen.len() < count && !cuts.is_empty() {
                chosen.push((*phase, cuts.swap_remove(random.below(cuts.len()))));
            }
        }
    }
    chosen
}

/// Boots a cut's disk; why it is not as expected, if so.
fn boot_one(recording: &Recording, plan: &Plan, cut: &CheckedCut) -> Outcome<Option<String>> {
    let scratch = Scratch::new()?;
    let disk = scratch.path().join("cut.img");
    let same = write_image(recording, plan, cut.cut.id, &disk)?;
    if same.identity != cut.identity {
        return Err(format!("cut {} comes out otherwise the second time", cut.cut.id).into());
    }
    let folder = recording.disk.parent().unwrap_or(Path::new("."));
    let spec = RemoteNodeSpec {
        name: "power-cut",
        dir: &scratch.path().join("machine"),
        disk: &disk,
        access: access(folder),
        app_port: APP_PORT,
        credentials: BTreeMap::new(),
        record_writes: false,
        arguments: Vec::new(),
    };
    let node = RemoteNode::start(&tools()?, spec)?;
    // The machine has its own copy.
    fs::remove_file(&disk)?;
    let status = match node.wait_ready(0, BOOT) {
        Ok(status) => status,
        Err(error) => return Ok(Some(orlop_machines::error_text(&error))),
    };
    if !status.verity {
        return Ok(Some("the root is not verified".to_owned()));
    }
    // A first boot has no generation yet; its agent has to fetch one from a registry that is gone.
    let runs = status
        .current
        .map(|generation| generation.os.root.to_string());
    let checked = &cut.checked;
    let expected = runs == checked.boots || runs == checked.goes_on_to;
    Ok((runs.is_some() && !expected)
        .then(|| format!("{runs:?} runs, the check said {:?}", checked.boots)))
}
