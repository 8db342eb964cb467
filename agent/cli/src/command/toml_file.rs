//! A TOML file named on the command line.

use orlop_api::{Fault, FaultKind};
use std::io::Read;
use std::path::Path;

/// The largest TOML, in bytes; the agent takes no larger request.
const MAX_BYTES: u64 = 1 << 20;

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
