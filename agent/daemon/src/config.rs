//! TOMLs as the agent uses them: parsed, or refused with every problem named.

use crate::chain::chain;
use crate::paths::Paths;
use crate::records;
use orlop_api::{ConfigReport, DiagnosticView, Fault, FaultKind};
use orlop_config::{Diagnostics, Digest, NodeConfig};

/// What messages call the TOML.
pub const FILE_NAME: &str = "node.toml";

/// Reads a TOML.
///
/// # Errors
/// `Config`, with every problem as a hint of its own, line and column first.
pub fn parse(text: &str) -> Result<NodeConfig, Fault> {
    orlop_config::parse(FILE_NAME, text).map_err(|problems| {
        let fault = Fault::new(FaultKind::Config, problems.to_string());
        problems
            .list()
            .iter()
            .fold(fault, |fault, problem| fault.hint(problem.to_string()))
    })
}

/// Reads the TOML with this digest from the records.
///
/// # Errors
/// `NotFound`, `Internal` where it is damaged, `Config` where this agent does not take it.
pub fn on_record(paths: &Paths, digest: &Digest) -> Result<NodeConfig, Fault> {
    parse(&text_on_record(paths, digest)?)
}

/// The text of the TOML with this digest.
///
/// # Errors
/// `NotFound`, and `Internal` where it is damaged.
pub fn text_on_record(paths: &Paths, digest: &Digest) -> Result<String, Fault> {
    match records::config(paths, digest) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => {
            let message = format!("cannot find the config {digest}: it is not on record");
            Err(Fault::new(FaultKind::NotFound, message))
        }
        Err(error) => Err(Fault::new(FaultKind::Internal, chain(&error))),
    }
}

/// What `config check` says of a TOML.
pub fn report(text: &str) -> ConfigReport {
    match orlop_config::parse(FILE_NAME, text) {
        Ok(_) => ConfigReport {
            ok: true,
            diagnostics: Vec::new(),
            rendered: String::new(),
        },
        Err(problems) => ConfigReport {
            ok: false,
            diagnostics: views(&problems),
            rendered: problems.render(),
        },
    }
}

fn views(problems: &Diagnostics) -> Vec<DiagnosticView> {
    let view = |problem: &orlop_config::Diagnostic| DiagnosticView {
        line: problem.line,
        column: problem.column,
        message: problem.message.clone(),
        help: problem.help.clone(),
    };
    problems.list().iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_with_its_line() {
        let text = "schema = 1\nbogus = 1\n[gate]\nhold = 5\n";
        let fault = parse(text).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Config);
        assert_eq!(fault.message, "cannot use node.toml: 2 problems");
        assert!(
            fault.hints[0].starts_with("line 2, column 1: "),
            "{:?}",
            fault.hints
        );
        assert!(
            fault.hints[1].starts_with("line 4, column "),
            "{:?}",
            fault.hints
        );
        let report = report(text);
        assert_eq!(report.diagnostics.len(), 2);
        assert!(!report.ok && report.rendered.contains("bogus = 1"));
    }
}
