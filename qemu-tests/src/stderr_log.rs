//! Log records on standard error. A supervisor's goes to a file in the machine's directory.

use log::{LevelFilter, Log, Metadata, Record};

/// The environment variable that sets how much is said: `error`, `warn`, `info`, `debug`.
const LEVEL_VAR: &str = "ORLOP_MACHINE_LOG";

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!(
            "orlop-machine: {}: {}",
            record.level().as_str().to_lowercase(),
            record.args()
        );
    }

    fn flush(&self) {}
}

/// Makes standard error the log.
pub(crate) fn install() {
    let wanted = std::env::var(LEVEL_VAR)
        .ok()
        .and_then(|level| level.parse().ok());
    // Only a second logger makes this fail, and there is none.
    if log::set_logger(&StandardError).is_ok() {
        log::set_max_level(wanted.unwrap_or(LevelFilter::Info));
    }
}
