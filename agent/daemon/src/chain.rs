//! An error and all its causes in one line.

use std::error::Error;

/// `cannot write x: No space left on device`: the error and its causes, none of which repeats the
/// next one.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
