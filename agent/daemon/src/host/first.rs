//! The first boot: from the operator's TOML and the OS that runs to the first generation.

use super::shared::Shared;
use crate::chain::chain;
use crate::problems::Topic;
use crate::render::operator_toml;
use crate::stage::{self, FetchError, Fetched, Wanted};
use crate::{config, console, faults};
use orlop_api::{Fault, FaultKind, Progress};
use orlop_core::OsImage;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// The first wait after a pull that failed; doubled after each.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

/// What the first generation is made of: the OS that runs and `text`, else the operator's TOML.
/// Puts the TOML in force at once, so that network and API are up while images are fetched.
///
/// # Errors
/// `Config` for a TOML that cannot be used or is not there, `Internal` where the store does not
/// know the OS that runs.
pub(super) async fn wanted(shared: &Shared, text: Option<String>) -> Result<Wanted, Fault> {
    let text = match text {
        Some(text) => text,
        None => find_toml(shared)?,
    };
    // First of all, so that what the operator can mend is told before what they cannot.
    let config = config::parse(&text)?;
    let wanted = stage::first(text, config, &running_os(shared)?);
    shared.live.enforce(&wanted.config).await?;
    Ok(wanted)
}

/// Fetches the first generation of the operator's TOML, again and again until the network and the
/// registries are there.
///
/// # Errors
/// As [`wanted`], and where trying again cannot help.
pub(super) async fn prepare(
    shared: &Shared,
    cancel: &CancellationToken,
) -> Result<Fetched, FetchError> {
    let wanted = wanted(shared, None).await?;
    let mut wait = FIRST_BACK_OFF;
    loop {
        let report = |progress: Progress| {
            log::debug!(done = progress.done; "first boot: {}", progress.step);
        };
        let error = match stage::fetch(&shared.store, &wanted, &report, cancel).await {
            Ok(fetched) => return Ok(fetched),
            Err(error) if cancel.is_cancelled() => return Err(error),
            Err(error) => error,
        };
        match error.fault().kind {
            FaultKind::Usage | FaultKind::Config => return Err(error),
            // Also an image that is not there, or is broken, may be mended at the registry.
            FaultKind::Transient
            | FaultKind::NotFound
            | FaultKind::Integrity
            | FaultKind::Refused
            | FaultKind::Denied
            | FaultKind::Internal => {}
        }
        if matches!(error, FetchError::Full(_)) {
            shared.collect_garbage().await;
        }
        let problem = format!("waiting for the first generation's images: {error}");
        shared.problems.set(Topic::FirstBoot, vec![problem]);
        tokio::select! {
            () = sleep(wait) => {}
            () = cancel.cancelled() => return Err(error),
        }
        wait = (wait * 2).min(LONGEST_BACK_OFF);
    }
}

/// Tells why there is no first generation: in `status`, and on the console with every line.
pub(super) fn tell(shared: &Shared, fault: &Fault) {
    let mut problems = vec![fault.message.clone()];
    problems.extend(fault.hints.iter().cloned());
    if shared.paths.are_the_machines() {
        console::say(&format!("safe mode: {}", problems.join("\n")));
    }
    shared.problems.set(Topic::Config, problems);
}

fn find_toml(shared: &Shared) -> Result<String, Fault> {
    match operator_toml(&shared.paths) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => {
            let message = "cannot find the node's TOML: there is neither a credential `orlop.node` \
                           nor a file `orlop/node.toml` on the ESP";
            Err(Fault::new(FaultKind::Config, message)
                .hint("`orlop config apply FILE` gives the node one"))
        }
        Err(error) => Err(Fault::new(FaultKind::Config, chain(&error))),
    }
}

/// The OS that runs, as the store knows it: whoever made the disk put it there.
fn running_os(shared: &Shared) -> Result<OsImage, Fault> {
    let root = &shared.boot.booted.root;
    let records = shared
        .store
        .records()
        .map_err(|error| faults::of_store(&error))?;
    let found = records
        .into_iter()
        .filter(|record| record.root == *root)
        .find_map(|record| {
            let (version, boot) = record.os()?;
            Some(OsImage {
                version: version.to_owned(),
                boot: boot.clone(),
                reference: record.reference.clone(),
                manifest: record.manifest.clone(),
                root: record.root.clone(),
            })
        });
    found.ok_or_else(|| {
        let message = format!("cannot find the OS image that runs in the store: root {root}");
        Fault::new(FaultKind::Internal, message)
            .hint("make the disk with `orlop-image disk`, which puts it there")
    })
}
