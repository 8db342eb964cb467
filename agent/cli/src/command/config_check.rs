//! `orlop config check`: reads a TOML as the agent would, without a node.

use super::{Ending, Outcome, toml_file};
use crate::screen::Screen;
use orlop_api::{ConfigReport, DiagnosticView};
use orlop_config::Colour;
use std::path::PathBuf;

/// Its options.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The TOML; `-` is stdin.
    file: PathBuf,
}

pub(crate) fn run(options: &Options, screen: &Screen) -> Outcome {
    let text = toml_file::read(&options.file)?;
    let name = options.file.display().to_string();
    let Err(found) = orlop_config::parse(&name, &text) else {
        let report = ConfigReport {
            ok: true,
            diagnostics: Vec::new(),
            rendered: String::new(),
        };
        screen.show(&report, |_| format!("{name}: ok"))?;
        return Ok(Ending::Done);
    };
    if screen.json {
        let diagnostics = found
            .list()
            .iter()
            .map(|one| DiagnosticView {
                line: one.line,
                column: one.column,
                message: one.message.clone(),
                help: one.help.clone(),
            })
            .collect();
        screen.show(
            &ConfigReport {
                ok: false,
                diagnostics,
                rendered: found.render(),
            },
            |_| String::new(),
        )?;
    } else {
        let colour = if screen.talks_in_colour() {
            Colour::Always
        } else {
            Colour::Never
        };
        screen.talk(found.render_with(colour).trim_end());
    }
    Ok(Ending::BadConfig)
}
