//! Where log lines go: the journal with its fields, or standard error for a person.

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use std::fmt::Write as _;
use systemd_journal_logger::{JournalLog, connected_to_journal};

/// Raises or lowers the level: `error`, `warn`, `info`, `debug`, `trace`.
const LEVEL_VARIABLE: &str = "ORLOP_LOG";

/// Starts logging. Called once, first of all.
pub fn start() {
    let level = std::env::var(LEVEL_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(LevelFilter::Info);
    log::set_max_level(level);
    let to_journal = connected_to_journal()
        && JournalLog::new()
            .and_then(|journal| {
                journal
                    .with_extra_fields([("VERSION", env!("CARGO_PKG_VERSION"))])
                    .with_syslog_identifier("orlopd".to_owned())
                    .install()
                    .map_err(std::io::Error::other)
            })
            .is_ok();
    if !to_journal && log::set_logger(&Stderr).is_err() {
        eprintln!("orlopd: ignoring that a logger is already set");
    }
}

/// Lines on standard error, the fields after the message.
struct Stderr;

struct Fields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        write!(self.0, " {key}={value}").map_err(Error::from)
    }
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut fields = String::new();
        if record.key_values().visit(&mut Fields(&mut fields)).is_err() {
            fields.push_str(" (fields cannot be shown)");
        }
        eprintln!("orlopd: {}: {}{fields}", record.level(), record.args());
    }

    fn flush(&self) {}
}
