//! An error and all its causes in one line.

use std::error::Error;

/// `cannot write x: No space left on device`: the error and its causes. A cause that the text ends
/// with already (some libraries repeat theirs) is not said again.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}
