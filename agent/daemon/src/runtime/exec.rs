//! Running a command in a container.

use super::command::{self, run};
use super::error::StepError;
use super::execute::oci_runtime;
use super::instance::Instance;
use super::places::Places;
use orlop_config::OciRuntime;
use std::path::Path;
use std::time::Duration;

/// Runs `words` in `instance`, and says what is wrong where they do not end with status 0
/// within `limit`. What runs longer is killed, in the container too.
pub(super) async fn exec(
    words: &[String],
    instance: &Instance,
    runtime: OciRuntime,
    places: &Places,
    limit: Duration,
) -> Result<(), String> {
    match oci_runtime(runtime) {
        Ok(program) => {
            let state = places.runtime_state(runtime);
            exec_by(&program, &state, words, instance, limit).await
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The same with this OCI runtime, which keeps its state in `state`.
pub(super) async fn exec_by(
    program: &Path,
    state: &Path,
    words: &[String],
    instance: &Instance,
    limit: Duration,
) -> Result<(), String> {
    let root = format!("--root={}", state.display());
    let instance = instance.to_string();
    let before = [root.as_str(), "exec", &instance];
    let all = before.into_iter().chain(words.iter().map(String::as_str));
    let ended: command::Ended = match run(program, all, b"", limit).await {
        Ok(ended) => ended,
        Err(StepError::Timeout { .. }) => return Err(format!("no answer within {limit:?}")),
        Err(error) => return Err(format!("cannot run the probe: {error}")),
    };
    if ended.status.success() {
        return Ok(());
    }
    match ended.said.as_str() {
        "" => Err(ended.status.to_string()),
        said => Err(format!("{}: {said}", ended.status)),
    }
}
