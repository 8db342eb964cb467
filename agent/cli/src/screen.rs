//! What the operator sees: data on stdout, talk on stderr.

use orlop_api::{Fault, FaultKind};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Colours that carry a meaning which the text carries too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// All is well.
    Good,
    /// Under way.
    Busy,
    /// Wrong.
    Bad,
    /// Headings.
    Strong,
}

/// Stdout and stderr, and what they can show.
#[derive(Debug)]
pub(crate) struct Screen {
    /// Whether to print JSON.
    pub(crate) json: bool,
    colour: bool,
    err_colour: bool,
    /// Whether stderr is a terminal, so that a line on it can be drawn again.
    pub(crate) live: bool,
}

impl Screen {
    /// The process's own. `NO_COLOR` (no-color.org) and anything but a terminal turn colour off.
    pub(crate) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let live = io::stderr().is_terminal();
        Self {
            json,
            colour: wanted && io::stdout().is_terminal(),
            err_colour: wanted && live,
            live,
        }
    }

    /// Data, ended by a newline where it has none.
    pub(crate) fn data(&self, text: &str) -> Result<(), Fault> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| {
                if text.ends_with('\n') {
                    Ok(())
                } else {
                    out.write_all(b"\n")
                }
            })
            .and_then(|()| out.flush())
            .or_else(stdout_gone)
    }

    /// A value: as JSON where that is asked for, else as the text that `human` makes.
    pub(crate) fn show<T: Serialize>(
        &self,
        value: &T,
        human: impl FnOnce(&Self) -> String,
    ) -> Result<(), Fault> {
        if self.json {
            self.data(&encode(value, serde_json::to_string_pretty)?)
        } else {
            self.data(&human(self))
        }
    }

    /// An item of a stream: a line of JSON, or of text.
    pub(crate) fn show_line<T: Serialize>(
        &self,
        value: &T,
        human: impl FnOnce(&Self) -> String,
    ) -> Result<(), Fault> {
        if self.json {
            self.data(&encode(value, serde_json::to_string)?)
        } else {
            self.data(&human(self))
        }
    }

    /// A line of talk.
    pub(crate) fn talk(&self, text: &str) {
        self.on_stderr(&format!("{text}\n"));
    }

    /// Draws the last line of stderr again; only where it is [`Self::live`].
    pub(crate) fn redraw(&self, text: &str) {
        self.on_stderr(&format!("\r\x1b[K{text}"));
    }

    /// The error and what to do next.
    pub(crate) fn fault(&self, fault: &Fault) {
        let paint = |text: &str, code: &str| {
            if self.err_colour {
                format!("\x1b[{code}m{text}\x1b[0m")
            } else {
                text.to_owned()
            }
        };
        let mut text = format!("{} {}\n", paint("error:", "1;31"), fault.message.trim_end());
        for hint in &fault.hints {
            text.push_str(&format!("{} {hint}\n", paint("hint:", "1;36")));
        }
        self.on_stderr(&text);
    }

    /// Text for stdout in a colour, where stdout shows colours.
    pub(crate) fn paint(&self, text: &str, tone: Tone) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "31",
            Tone::Strong => "1",
        };
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Whether text for stderr may have colours.
    pub(crate) fn talks_in_colour(&self) -> bool {
        self.err_colour
    }

    fn on_stderr(&self, text: &str) {
        // Ignoring a failure: there is nowhere left to tell of it.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

fn encode<T>(
    value: &T,
    with: impl FnOnce(&T) -> serde_json::Result<String>,
) -> Result<String, Fault> {
    with(value)
        .map_err(|error| Fault::new(FaultKind::Internal, format!("cannot write JSON: {error}")))
}

/// A reader that has seen enough (`orlop events | head`) is no error.
fn stdout_gone(error: io::Error) -> Result<(), Fault> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Err(Fault::new(
        FaultKind::Internal,
        format!("cannot write to stdout: {error}"),
    ))
}

/// Text from a node without control characters, so that it cannot drive the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}
