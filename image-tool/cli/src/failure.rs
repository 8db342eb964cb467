//! How a command ends when it fails: what went wrong, why, and what to do next.

use std::error::Error;
use std::process::ExitCode;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn Error>,
    hint: Option<String>,
}

impl Failure {
    /// A failure with what to do about it.
    pub(crate) fn with_hint(error: impl Error + 'static, hint: Option<String>) -> Self {
        Self {
            error: Box::new(error),
            hint,
        }
    }

    /// Tells it on stderr.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("error: {}", self.text());
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::FAILURE
    }

    /// The error and its causes in one line.
    fn text(&self) -> String {
        let mut text = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::with_hint(error, None)
    }
}
