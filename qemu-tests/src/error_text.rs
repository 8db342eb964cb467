//! An error with all its causes, in one line.

use std::error::Error;
use std::fmt::Write;

/// The messages of an error and its sources, `: ` between them.
pub fn error_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, ": {cause}").expect("writing to a string cannot fail");
        source = cause.source();
    }
    text
}
