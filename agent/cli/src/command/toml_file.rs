//! A TOML file named on the command line.

use orlop_api::{Fault, FaultKind};
use orlop_config::limits::MAX_TEXT_BYTES;
use std::io::Read;
use std::path::Path;

/// The most that is read of a file, in bytes. More than a TOML may have, so that it is the parser
/// that tells of one that is too large.
const MAX_BYTES: u64 = 4 * MAX_TEXT_BYTES as u64;

/// The file's text; `-` is stdin.
pub(crate) fn read(path: &Path) -> Result<String, Fault> {
    let fail = |why: String| {
        Fault::new(
            FaultKind::Usage,
            format!("cannot read {}: {why}", path.display()),
        )
    };
    let mut bytes = Vec::new();
    let result = if path == Path::new("-") {
        std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
    };
    result.map_err(|error| fail(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(format!("it is larger than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        fail(format!(
            "byte {} is not UTF-8",
            error.utf8_error().valid_up_to()
        ))
    })
}
