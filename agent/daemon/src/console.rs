//! What a person in front of the machine must see, even where no login is possible.

use std::fs::OpenOptions;
use std::io::Write as _;

/// The system's console.
const CONSOLE: &str = "/dev/console";

/// Writes `text` to the console. The journal has the same words, so a machine without a console
/// loses nothing.
pub fn say(text: &str) {
    let mut block = String::from("\r\n");
    for line in text.lines() {
        block.push_str("orlop: ");
        block.push_str(line);
        block.push_str("\r\n");
    }
    let written = OpenOptions::new()
        .write(true)
        .open(CONSOLE)
        .and_then(|mut console| console.write_all(block.as_bytes()));
    if let Err(error) = written {
        log::debug!("ignoring that {CONSOLE} cannot be written: {error}");
    }
}
