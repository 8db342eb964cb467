//! Letting an image go that failed and is on hold.

use super::draft::Draft;
use super::{Blocked, Observed, Plan, Policy};
use orlop_config::Digest;

/// The algorithm of every digest, which may be left out.
const ALGORITHM: &str = "sha256:";

/// Lets the one image go whose digest begins with `digest`.
pub(super) fn release(observed: &Observed, policy: &Policy, digest: &str) -> Result<Plan, Blocked> {
    let mut draft = Draft::new(observed, policy);
    let asked = digest.strip_prefix(ALGORITHM).unwrap_or(digest);
    let fits = |manifest: &Digest| !asked.is_empty() && manifest.hex().starts_with(asked);
    let held = || draft.state.held.iter().map(|held| &held.manifest);
    let mut fitting = held().filter(|manifest| fits(manifest));
    let found = match (fitting.next(), fitting.next()) {
        (Some(found), None) => found.clone(),
        (None, _) => {
            return Err(Blocked::NotHeld {
                digest: digest.to_owned(),
                held: held().map(Digest::to_string).collect(),
            });
        }
        (Some(_), Some(_)) => {
            return Err(Blocked::SeveralHeld {
                digest: digest.to_owned(),
                held: held().filter(|m| fits(m)).map(Digest::to_string).collect(),
            });
        }
    };
    draft.state.held.retain(|held| held.manifest != found);
    draft.record_state();
    Ok(draft.plan(
        format!("let image {found} be tried again"),
        "the operator says so",
    ))
}
